"""Who a sensor is, and how its counts become a physical value. Pure.

A sensor is told by device, pin, type and address: two probes of one type share a pin (OneWire), and one pin carries two
types (SHT31). The conversion is that of its family in :mod:`kaiser.physics`.
"""

from typing import Final

import msgspec
import xxhash

from kaiser.physics import RAW, Conversion, Families

Facet = tuple[str, int, str, str]
"""Device, pin, type, address."""

_POSITIVE: Final = (1 << 63) - 1
_MOST_SENSORS: Final = 200_000


class Sensor(msgspec.Struct, frozen=True):
    """What the converter needs of one sensor.

    Attributes:
        sensor_id: Identity, 63 bits.
        unit: Unit of the converted value.
        convert: Count and temperature of compensation to value; None where nobody knows more than the count.
    """

    sensor_id: int
    unit: str
    convert: Conversion | None


def sensor_id(esp_id: str, gpio: int, sensor_type: str, address: str) -> int:
    """Identity of a sensor, 63 bits, the same in every process and release."""
    return xxhash.xxh3_64_intdigest(f"{esp_id}/{gpio}/{sensor_type}/{address}".encode()) & _POSITIVE


class Sensors(dict[Facet, Sensor]):
    """Sensors by facet, made when first asked for; forgets all at a bound that only a hostile device reaches."""

    def __init__(self, known: Families) -> None:
        """Know no sensor yet.

        Args:
            known: Families by sensor type.
        """
        super().__init__()
        self._known = known

    def __missing__(self, facet: Facet) -> Sensor:
        """Make a sensor."""
        if len(self) >= _MOST_SENSORS:
            self.clear()
        family = self._known.of(facet[2])
        convert = None if family is RAW else family.make()
        made = self[facet] = Sensor(sensor_id(*facet), family.unit_of(), convert)
        return made
