"""Many devices at once."""

import asyncio
from collections.abc import Sequence
from typing import Literal, Self

from kaiser.fleet.dec import DecDevice
from kaiser.fleet.device import Broker, Device, DeviceSpec
from kaiser.fleet.head import HeadDevice
from kaiser.fleet.sensors import five_sensors
from kaiser.fleet.sent import Sent

Personality = Literal["head", "dec", "mixed"]

FIRST_DEVICE = 0xA10000


class Fleet:
    """Devices that live while the block runs.

    Args:
        devices: The devices.
    """

    def __init__(self, devices: Sequence[Device]) -> None:
        self.devices = list(devices)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def connected(self) -> int:
        """How many are connected."""
        return sum(device.connected for device in self.devices)

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(device.run(), name=device.spec.esp_id) for device in self.devices]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def make_devices(
    count: int, *, personality: Personality, sensors: int, interval_s: float, broker: Broker, sent: Sent
) -> list[Device]:
    """Devices with up to five sensors each; of a mixed fleet every fifth is ``dec``."""
    devices: list[Device] = []
    for number in range(count):
        spec = DeviceSpec(
            esp_id=f"ESP_{FIRST_DEVICE + number:06X}", sensors=five_sensors(number)[:sensors], interval_s=interval_s
        )
        old = personality == "dec" or (personality == "mixed" and number % 5 == 4)
        devices.append((DecDevice if old else HeadDevice)(spec, broker, sent))
    return devices
