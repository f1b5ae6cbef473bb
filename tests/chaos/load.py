"""Readings that can be told apart by content, and which of them the broker acknowledged."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final, NamedTuple

import xxhash

from kaiser.local.ephemeral import Mosquitto
from kaiser.mqtt import QoS, Session

SENSORS: Final = ((4, "28FF000000000001"), (4, "28FF000000000002"), (4, "28FF000000000003"), (16, "28FF000000000001"),
                  (16, "28FF000000000002"))  # fmt: skip
"""Of each device: pin and address; several probes share a pin."""
COUNTS: Final = 1300
"""Counts of a DS18B20 that are neither faults nor the power-on value; one sensor takes them in turn."""
TICK_S: Final = 0.01
KEEP_SESSION_S: Final = 600
_POSITIVE: Final = (1 << 63) - 1


class Reading(NamedTuple):
    """What tells a reading from every other, wherever it is stored."""

    esp_id: str
    gpio: int
    sensor_type: str
    address: str
    raw: int
    device_ts: int
    reading_id: int


class Device:
    """A ``head`` device with five probes on two pins.

    Args:
        number: Makes its id.
        clock_off_s: How far its clock is ahead of the world's.
        clock_set: Whether it got the time; else its messages say 0.
    """

    def __init__(self, number: int, *, clock_off_s: int = 0, clock_set: bool = True) -> None:
        self.esp_id = f"ESP_{number:06X}"
        self._clock_off_s = clock_off_s
        self._clock_set = clock_set
        self._seq = 0

    def measure(self) -> tuple[str, bytes, Reading]:
        """The next probe's reading: topic, payload, and what it is known by."""
        turn, probe = divmod(self._seq, len(SENSORS))
        gpio, address = SENSORS[probe]
        self._seq += 1
        raw = turn % COUNTS
        ts = int(time.time()) + self._clock_off_s if self._clock_set else 0
        payload = (
            f'{{"esp_id":"{self.esp_id}","seq":{self._seq},"zone_id":"","subzone_id":"","gpio":{gpio},'
            f'"sensor_type":"ds18b20","raw":{raw},"value":{raw / 16:.2f},"unit":"°C","quality":"good","ts":{ts},'
            f'"time_valid":{"true" if ts else "false"},"raw_mode":true,"onewire_address":"{address}"}}'
        ).encode()
        identity = xxhash.xxh3_64_intdigest(payload) & _POSITIVE if ts else 0
        topic = f"kaiser/god/esp/{self.esp_id}/sensor/{gpio}/data"
        return topic, payload, Reading(self.esp_id, gpio, "ds18b20", address, raw, ts, identity)


class Load:
    """Devices that send with QoS 1, and send again what the broker did not acknowledge, as devices do.

    Args:
        mosquitto: The broker.
        devices: Who sends, in turn.
        connections: MQTT sessions that the devices share.
        name: Beginning of the client ids.

    Attributes:
        sent: Every reading that was sent.
        acknowledged: Those that the broker acknowledged, in that order.
        acknowledged_at: When, on the monotonic clock.
    """

    def __init__(
        self, mosquitto: Mosquitto, devices: Sequence[Device], *, connections: int = 4, name: str = "load"
    ) -> None:
        self.sent: list[Reading] = []
        self.acknowledged: list[Reading] = []
        self.acknowledged_at: list[float] = []
        self._turns = _endless(devices)
        self._waiting: set[asyncio.Task[None]] = set()
        self._sessions = [
            Session(
                host=mosquitto.host,
                port=mosquitto.port,
                client_id=f"{name}-{number}",
                username=mosquitto.username,
                password=mosquitto.password,
                session_expiry_s=KEEP_SESSION_S,
                reconnect_min_s=0.1,
                reconnect_max_s=0.5,
                keep_alive_s=5,
            )
            for number in range(connections)
        ]

    async def connect(self, stack: contextlib.AsyncExitStack) -> None:
        """Connect every session until the stack is closed."""
        for session in self._sessions:
            await stack.enter_async_context(session)
        stack.callback(self._forget)
        await asyncio.gather(*(session.wait_connected() for session in self._sessions))

    async def send(self, rate: float) -> None:
        """Send at a steady rate (readings a second) until cancelled."""
        began, given = time.monotonic(), 0
        while True:
            await asyncio.sleep(TICK_S)
            due = int((time.monotonic() - began) * rate)
            self.burst(due - given)
            given = due

    def burst(self, readings: int) -> None:
        """Send so many at once."""
        for _ in range(readings):
            number, device = next(self._turns)
            topic, payload, reading = device.measure()
            self.sent.append(reading)
            task = asyncio.create_task(
                self._publish(self._sessions[number % len(self._sessions)], topic, payload, reading)
            )
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def _publish(self, session: Session, topic: str, payload: bytes, reading: Reading) -> None:
        await session.publish(topic, payload, qos=QoS.AT_LEAST_ONCE)
        self.acknowledged.append(reading)
        self.acknowledged_at.append(time.monotonic())

    def _forget(self) -> None:
        """A test that failed does not wait for what is under way."""
        for task in self._waiting:
            task.cancel()

    async def drained(self, within_s: float = 60.0) -> None:
        """Wait until the broker has acknowledged everything."""
        async with asyncio.timeout(within_s):
            while self._waiting:
                await asyncio.gather(*self._waiting)


@contextlib.asynccontextmanager
async def under_load(
    mosquitto: Mosquitto, devices: Sequence[Device], *, rate: float = 2000.0, name: str = "load"
) -> AsyncIterator[Load]:
    """Readings under way for the block; afterwards everything sent is acknowledged."""
    load = Load(mosquitto, devices, name=name)
    async with contextlib.AsyncExitStack() as stack:
        await load.connect(stack)
        sending = asyncio.create_task(load.send(rate))
        try:
            yield load
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        await load.drained()


def fleet(devices: int = 200, *, first: int = 0x100000, clock_off_s: int = 0, clock_set: bool = True) -> list[Device]:
    """So many devices, with ids from the first on."""
    return [Device(first + number, clock_off_s=clock_off_s, clock_set=clock_set) for number in range(devices)]


def _endless(devices: Sequence[Device]) -> Iterator[tuple[int, Device]]:
    while True:
        yield from enumerate(devices)
