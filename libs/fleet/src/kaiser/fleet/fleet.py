"""Many devices at once."""

import asyncio
import random
from collections.abc import Sequence
from typing import Final, Literal, Self

import structlog

from kaiser.fleet.device import Broker, Device
from kaiser.fleet.sensors import five_sensors
from kaiser.fleet.sent import Sent
from kaiser.fleet.spec import ActuatorSpec, DeviceSpec

log = structlog.get_logger(__name__)

Personality = Literal["head", "dec", "mixed"]

FIRST_DEVICE: Final = 0xA10000
MIXED_EVERY: Final = 5
"""Of a mixed fleet every fifth device is ``dec``."""

GRACE_S: Final = 2.0
"""How long devices that are told to stop may wait for acknowledgements before they are cancelled."""
CANCEL_AGAIN_S: Final = 1.0
"""After which a device that has swallowed its cancellation (as Python 3.11 makes it) gets another one."""


class Fleet:
    """Devices that live while the block runs.

    Args:
        host: The broker's address.
        port: The broker's port.
        username: Who may use the topics of the device that its client id names.
        password: Its password.
        devices: The devices.
        time_scale: How much faster than real their uptime runs, so that tests need not wait a minute for a heartbeat.
        sent: Where readings are noted; one in memory by default.

    Attributes:
        devices: The devices, alive.
        sent: Every reading that the broker took, by content.
    """

    def __init__(
        self,
        host: str,
        port: int,
        username: str | None = None,
        password: str | None = None,
        *,
        devices: Sequence[DeviceSpec],
        time_scale: float = 1.0,
        sent: Sent | None = None,
    ) -> None:
        self.sent = sent if sent is not None else Sent()
        broker = Broker(host=host, port=port, username=username, password=password)
        self.devices = [Device(spec, broker, self.sent, time_scale=time_scale) for spec in devices]
        self._tasks: list[asyncio.Task[None]] = []
        self._deaths: list[Exception] = []

    @property
    def connected(self) -> int:
        """How many are connected."""
        return sum(device.connected for device in self.devices)

    def __getitem__(self, esp_id: str) -> Device:
        return next(device for device in self.devices if device.spec.esp_id == esp_id)

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(device.run(), name=device.spec.esp_id) for device in self.devices]
        for task in self._tasks:
            task.add_done_callback(self._note_death)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Stop every device.

        Raises:
            ExceptionGroup: Devices died of bugs while the block ran; not raised over an exception of the block's own.
        """
        del rest
        for device in self.devices:
            device.stop()
        living, patience_s = set(self._tasks), GRACE_S
        while living:
            living = (await asyncio.wait(living, timeout=patience_s))[1]
            patience_s = CANCEL_AGAIN_S
            for task in living:
                task.cancel()
        await asyncio.sleep(0)  # the last ones' deaths are noted one turn after they are done
        if self._deaths and kind is None:
            raise ExceptionGroup("simulated devices died of bugs", self._deaths)

    def _note_death(self, task: asyncio.Task[None]) -> None:
        """Say so at once, for the other devices live on and nobody waits for this one."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a simulated device died of a bug", esp_id=task.get_name(), exc_info=error)
            if isinstance(error, Exception):
                self._deaths.append(error)


def make_devices(
    count: int, *, personality: Personality, sensors: int, interval_s: float, clock_off_s: int = 0, seed: int = 0
) -> list[DeviceSpec]:
    """Devices with up to five sensors and a pump each, whose readings are spread evenly over the interval.

    Args:
        count: How many.
        personality: Their firmware.
        sensors: Sensors of each.
        interval_s: Seconds between two readings of one sensor.
        clock_off_s: How far their clocks are off.
        seed: Which device comes when.
    """
    order = random.Random(seed).sample(range(count), count)  # noqa: S311 - nothing to guess
    specs = []
    for number in range(count):
        dec = personality == "dec" or (personality == "mixed" and number % MIXED_EVERY == MIXED_EVERY - 1)
        specs.append(
            DeviceSpec(
                esp_id=f"ESP_{FIRST_DEVICE + number:06X}",
                generation="dec" if dec else "head",
                sensors=five_sensors(number, dec=dec)[:sensors],
                actuators=(ActuatorSpec(gpio=25),),
                interval_s=interval_s,
                clock_off_s=clock_off_s,
                starts_after_s=order[number] / count * interval_s,
            )
        )
    return specs
