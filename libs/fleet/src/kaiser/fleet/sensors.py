"""Simulated sensors: counts that move slowly and stay plausible, as the firmware reads them."""

import math
import random
from typing import Final

import msgspec

DEGREES: Final = "°C"


class SensorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One value of one sensor.

    Attributes:
        sensor_type: Name that the firmware publishes.
        gpio: Pin.
        unit: Unit of the device's own preview.
        middle: Count around which it moves.
        swing: How far it moves.
        address: OneWire ROM code (16 hex digits) or I2C address in decimal; empty for none. ``head`` only.
    """

    sensor_type: str
    gpio: int
    unit: str
    middle: int
    swing: int
    address: str = ""

    def raw_at(self, second: int, jitter: random.Random) -> int:
        """The count at a time."""
        wave = math.sin(second / 600 + self.gpio) * self.swing
        return round(self.middle + wave + jitter.uniform(-2, 2))

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


def five_sensors(device: int) -> tuple[SensorSpec, ...]:
    """What a device of the demo has: a probe in the ground, air, acidity and conductivity."""
    return (
        SensorSpec(sensor_type="ds18b20", gpio=4, unit=DEGREES, middle=340, swing=30, address=f"28FF{device:08X}0350"),
        SensorSpec(sensor_type="sht31_temp", gpio=21, unit=DEGREES, middle=25_000, swing=1500, address="68"),
        SensorSpec(sensor_type="sht31_humidity", gpio=21, unit="%RH", middle=36_000, swing=3000, address="68"),
        SensorSpec(sensor_type="ph", gpio=32, unit="raw", middle=2100, swing=120),
        SensorSpec(sensor_type="ec", gpio=33, unit="raw", middle=1500, swing=200),
    )
