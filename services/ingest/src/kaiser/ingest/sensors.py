"""Who a sensor is, and how its counts become a physical value. Pure.

A sensor is told by device, pin, type and address: two probes of one type share a pin (OneWire), and one pin carries two
types (SHT31). The conversion follows from the type; those of step 1 prove the way, calibration comes with the registry.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import xxhash

Facet = tuple[str, int, str, str]
"""Device, pin, type, address."""

Value = tuple[float | None, str, str]
"""Physical value, quality, flag (mostly empty)."""

Conversion = Callable[[float], Value]

RAW_UNIT: Final = "raw"

DS18B20_FAULT: Final = -2032
"""-127 °C: the library's answer when nothing answers it (wire contract, section 8.2)."""
DS18B20_POWER_ON: Final = 1360
"""85 °C: the register before the first conversion; a real 85 °C cannot be told from it."""

_POSITIVE: Final = (1 << 63) - 1
_MOST_SENSORS: Final = 200_000


class Sensor(msgspec.Struct, frozen=True):
    """What the converter needs of one sensor.

    Attributes:
        sensor_id: Identity, 63 bits.
        unit: Unit of the converted value.
        convert: Count to value; None where the count itself is the value.
    """

    sensor_id: int
    unit: str
    convert: Conversion | None


def sensor_id(esp_id: str, gpio: int, sensor_type: str, address: str) -> int:
    """Identity of a sensor, 63 bits, the same in every process and release."""
    return xxhash.xxh3_64_intdigest(f"{esp_id}/{gpio}/{sensor_type}/{address}".encode()) & _POSITIVE


def ds18b20(raw: float) -> Value:
    """Sixteenths of a degree to °C (wire contract, section 8.2).

    Beyond -55 to 125 °C the chip cannot measure, so such a count is an error and no value. Grades as in section 8.3.

    Args:
        raw: Count. The unsigned wrap of ``dec`` devices is undone by the bridge, and here for whoever comes without it.
    """
    count = raw
    if count > 2**31:
        count -= 2**32
    elif 32_768 <= count <= 65_535:
        count -= 65_536
    if count == DS18B20_FAULT:
        return None, "error", "sensor_fault"
    value = count / 16
    if not -55 <= value <= 125:
        return None, "error", "out_of_range"
    if count == DS18B20_POWER_ON:
        return value, "suspect", "power_on_value"
    return value, "good" if -10 <= value <= 85 else "fair", ""


CONVERSIONS: Final[Mapping[str, tuple[str, Conversion]]] = {"ds18b20": ("°C", ds18b20)}
"""Sensor type to unit and conversion. Other types keep their count, in the unit ``raw``: nothing is made up."""


class Sensors(dict[Facet, Sensor]):
    """Sensors by facet, made when first asked for; forgets all at a bound that only a hostile device reaches."""

    def __missing__(self, facet: Facet) -> Sensor:
        """Make a sensor."""
        if len(self) >= _MOST_SENSORS:
            self.clear()
        unit, convert = CONVERSIONS.get(facet[2], (RAW_UNIT, None))
        made = self[facet] = Sensor(sensor_id(*facet), unit, convert)
        return made
