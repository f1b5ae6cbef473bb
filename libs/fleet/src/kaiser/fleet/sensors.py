"""Simulated sensors: counts that move slowly and stay plausible, as the firmware reads them."""

import math
from typing import Final

import msgspec

DEGREES: Final = "°C"
DS18B20_FAULT: Final = -2032
"""-127 °C: the probe does not answer."""


class SensorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One value of one sensor.

    Attributes:
        sensor_type: Name that the firmware publishes.
        gpio: Pin.
        unit: Unit of the device's own preview.
        middle: Count around which it moves.
        swing: How far it moves.
        address: OneWire ROM code (16 hex digits) or I2C address in decimal; empty for none. ``head`` only.
        subzone_id: Subzone; empty if none.
        raw_mode: Whether the server is to convert; ``dec`` says true whatever it was told.
        interval_s: Seconds between two readings; 0 for the device's own.
        continuous: Whether it is read by itself; else on demand only.
    """

    sensor_type: str
    gpio: int
    unit: str = "raw"
    middle: int = 2000
    swing: int = 100
    address: str = ""
    subzone_id: str = ""
    raw_mode: bool = True
    interval_s: int = 0
    continuous: bool = True

    def raw_at(self, second: float, turn: int) -> int:
        """The count at a time; neighbouring turns differ, so that no two messages are the same by accident."""
        if self.middle == DS18B20_FAULT:
            return DS18B20_FAULT
        step = max(1, self.swing // 100)  # more than the wave moves between two turns
        return round(self.middle + math.sin(second / 600 + self.gpio) * self.swing) + turn % 8 * step

    def preview(self, raw: int) -> float:
        """The device's own idea of the value, where it has one; else the count."""
        match self.sensor_type:
            case "ds18b20":
                return raw / 16
            case "sht31_temp":
                return -45 + 175 * raw / 65_535
            case "sht31_humidity":
                return 100 * raw / 65_535
            case _:
                return float(raw)

    @property
    def analog(self) -> bool:
        """Whether it is an ADC channel."""
        return self.sensor_type in ("ph", "ec", "moisture")


_NAMES: Final = {
    "temperature_sht31": "sht31_temp",
    "humidity_sht31": "sht31_humidity",
    "sht31": "sht31_temp",
    "temperature_ds18b20": "ds18b20",
    "ph_sensor": "ph",
    "ec_sensor": "ec",
    "soil_moisture": "moisture",
}
"""Names that a configuration may use, and what is published (wire contract, 8.1)."""

_KINDS: Final[dict[str, tuple[str, int, int]]] = {
    "ds18b20": (DEGREES, 340, 30),
    "sht31_temp": (DEGREES, 25_000, 1500),
    "sht31_humidity": ("%RH", 36_000, 3000),
    "bmp280_pressure": ("raw", 415_148, 300),
    "bmp280_temp": ("raw", 519_888, 300),
}
_PAIRS: Final = {"sht31": ("sht31_temp", "sht31_humidity")}


def configured(name: str, gpio: int, **options: object) -> list[SensorSpec]:
    """What a device publishes for a sensor of its configuration: an SHT31 has two values, told apart by type."""
    published = _NAMES.get(name, name)
    kinds = _PAIRS.get(published.partition("_")[0], (published,))
    found = []
    for kind in kinds:
        unit, middle, swing = _KINDS.get(kind, ("raw", 2000, 100))
        fixed = {"sensor_type": kind, "gpio": gpio, "unit": unit, "middle": middle, "swing": swing}
        found.append(msgspec.convert({**fixed, **options}, SensorSpec))
    return found


def five_sensors(device: int, *, dec: bool = False) -> tuple[SensorSpec, ...]:
    """What a device of the demo has: a probe in the ground, air, acidity and conductivity.

    ``dec`` has no OneWire probe that works, but keeps sensors in frost: its counts wrap (wire contract, 4.1).
    """
    ground = SensorSpec(
        sensor_type="ds18b20",
        gpio=4,
        unit=DEGREES,
        middle=-40 if dec else 340,
        swing=30,
        address=f"28FF{device:08X}0350",
    )
    return (
        ground,
        SensorSpec(sensor_type="sht31_temp", gpio=21, unit=DEGREES, middle=25_000, swing=1500, address="68"),
        SensorSpec(sensor_type="sht31_humidity", gpio=21, unit="%RH", middle=36_000, swing=3000, address="68"),
        SensorSpec(sensor_type="ph", gpio=32, middle=2100, swing=120),
        SensorSpec(sensor_type="ec", gpio=33, middle=1500, swing=200),
    )
