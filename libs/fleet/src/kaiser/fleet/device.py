"""What both firmware generations have in common: a connection with a last will, and a clock that ticks in seconds."""

import asyncio
import random
import time
from abc import ABC, abstractmethod
from typing import Any, Final

import aiomqtt
import msgspec
import structlog

from kaiser.fleet.sensors import SensorSpec
from kaiser.fleet.sent import Key, Sent, now_us

log = structlog.get_logger(__name__)

KEEP_ALIVE_S: Final = 60
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """Where a fleet connects."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None


class DeviceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated device.

    Attributes:
        esp_id: Its id, which is its MQTT client id too.
        sensors: What hangs on it.
        kaiser_id: Kaiser level of its topics; ``dec`` devices may have none.
        interval_s: Seconds between two readings of one sensor.
        clock_off_s: How far its clock is off; None for a clock that was never set.
        time_scale: How much faster than real its uptime runs, so that tests need not wait a minute for a heartbeat.
    """

    esp_id: str
    sensors: tuple[SensorSpec, ...]
    kaiser_id: str = "god"
    interval_s: float = 1.0
    clock_off_s: int | None = 0
    time_scale: float = 1.0


class Device(ABC):
    """A device over one MQTT 3.1.1 connection at a time, with a clean session.

    Args:
        spec: What it is.
        broker: Where it connects.
        sent: Where it notes its readings.

    Attributes:
        connected: Whether it is connected.
    """

    def __init__(self, spec: DeviceSpec, broker: Broker, sent: Sent) -> None:
        self.spec = spec
        self.connected = False
        self.sent = sent
        self.zone_id = ""
        self.master_zone_id = ""
        self._broker = broker
        self._started = time.monotonic()
        self._jitter = random.Random(spec.esp_id)  # noqa: S311 - simulated noise

    # What a personality decides

    @abstractmethod
    def will(self) -> str:
        """Payload of the last will, made when the connection is made."""

    @abstractmethod
    async def serve(self, client: aiomqtt.Client) -> None:
        """Live over one connection until it breaks."""

    @abstractmethod
    def may_reconnect(self, failures: int) -> bool:
        """Whether it tries again after so many failures in a row."""

    # What all devices do

    async def run(self) -> None:
        """Live until cancelled: connect, serve, and after a loss connect again."""
        failures = 0
        while self.may_reconnect(failures):
            try:
                async with self._client() as client:
                    self.connected, failures = True, 0
                    await self.serve(client)
            except* aiomqtt.MqttError as errors:
                log.debug("device lost its connection", esp_id=self.spec.esp_id, reason=str(errors.exceptions[0]))
            finally:
                self.connected = False
            failures += 1
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (failures - 1))
            await asyncio.sleep(pause * self._jitter.uniform(0.5, 1.0) / self.spec.time_scale)

    @property
    def uptime_s(self) -> float:
        """Seconds since boot, at the device's own speed."""
        return (time.monotonic() - self._started) * self.spec.time_scale

    def ts(self) -> int:
        """The device's clock in unix seconds; 0 while it is not set."""
        return 0 if self.spec.clock_off_s is None else int(time.time()) + self.spec.clock_off_s

    def topic(self, suffix: str) -> str:
        """One of its topics."""
        return f"kaiser/{self.spec.kaiser_id}/esp/{self.spec.esp_id}/{suffix}"

    async def publish(
        self, client: aiomqtt.Client, topic: str, payload: str, *, qos: int, retain: bool = False
    ) -> None:
        """Publish; returns when the broker has it."""
        await client.publish(topic, payload, qos=qos, retain=retain)

    async def measure(self, client: aiomqtt.Client, *, qos: int, retain: bool) -> None:
        """Read every sensor at each interval, and publish each value.

        The schedule sets the device time of a reading, so that no two readings of a sensor share a second at intervals
        of a second or more.
        """
        began, count = time.time(), 0
        while True:
            at = began + count * self.spec.interval_s
            await asyncio.sleep(max(0.0, at - time.time()))
            off = self.spec.clock_off_s
            ts = 0 if off is None else int(at) + off
            for sensor in self.spec.sensors:
                raw = sensor.raw_at(int(at), self._jitter)
                self.sent.attempted += 1
                sent_at = now_us()
                await self.publish(
                    client,
                    self.topic(f"sensor/{sensor.gpio}/data"),
                    self.reading(sensor, raw, ts),
                    qos=qos,
                    retain=retain,
                )
                self.sent.add(self.key(sensor, raw, ts), sent_at)
            count += 1

    @abstractmethod
    def reading(self, sensor: SensorSpec, raw: int, ts: int) -> str:
        """The message of one reading."""

    def key(self, sensor: SensorSpec, raw: int, ts: int) -> Key:
        """What a row of the reading says."""
        return (self.spec.esp_id, sensor.gpio, sensor.sensor_type, sensor.address, ts, raw)

    def _client(self) -> aiomqtt.Client:
        options: dict[str, Any] = {"max_queued_outgoing_messages": 0}
        return aiomqtt.Client(
            self._broker.host,
            self._broker.port,
            username=self._broker.username,
            password=self._broker.password,
            identifier=self.spec.esp_id,
            keepalive=KEEP_ALIVE_S,
            clean_session=True,
            will=aiomqtt.Will(self.topic("system/will"), self.will(), qos=1, retain=True),
            **options,
        )
