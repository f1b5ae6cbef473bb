"""A firmware's connection to a broker: MQTT 3.1.1, one clean session at a time, a last will, and back-off."""

import asyncio
import contextlib
import random
import socket
from typing import Final

import aiomqtt
import msgspec
import structlog

from kaiser.fleet.clock import Clock
from kaiser.fleet.dec import DecFirmware
from kaiser.fleet.firmware import Firmware
from kaiser.fleet.head import HeadFirmware
from kaiser.fleet.message import Outgoing, Subscribing
from kaiser.fleet.sent import Sent, now_us
from kaiser.fleet.spec import DeviceSpec

log = structlog.get_logger(__name__)

KEEP_ALIVE_S: Final = 60
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
SHORTEST_TURN_S: Final = 0.005


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """Where a fleet connects."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None


class Device:
    """A firmware that lives on a broker.

    Args:
        spec: What it is.
        broker: Where it connects.
        sent: Where it notes its readings.
        time_scale: How much faster than real its uptime runs.

    Attributes:
        firmware: Its state, for tests to look at.
        connected: Whether it is connected.
    """

    def __init__(self, spec: DeviceSpec, broker: Broker, sent: Sent, *, time_scale: float = 1.0) -> None:
        clock = Clock(off_s=spec.clock_off_s, time_scale=time_scale)
        self.spec, self.sent = spec, sent
        self.firmware: Firmware = (DecFirmware if spec.generation == "dec" else HeadFirmware)(spec, clock)
        self.connected = False
        self._broker = broker
        self._time_scale = time_scale
        self._happened = asyncio.Event()
        self._jitter = random.Random(spec.esp_id)  # noqa: S311 - simulated noise
        self._client: aiomqtt.Client | None = None
        self._powered = True
        self._stopping = False

    def stop(self) -> None:
        """Publish no more, disconnect once the broker has acknowledged what is on its way, and do not connect again.

        Cancelling :meth:`run` is not enough: with ``asyncio.wait_for`` aiomqtt waits for the broker, and on Python 3.11
        that swallows a cancellation that comes in the same turn as what it waits for.
        """
        self._stopping = True
        self._happened.set()

    async def run(self) -> None:
        """Live until cancelled, or until the firmware gives up: connect, serve, and after a loss connect again."""
        failures = 0
        await self._switch_on()
        while self.firmware.may_reconnect(failures) and not self._stopping:
            if await self._live():
                failures = 0
            failures += 1
            if not self._powered:
                self._powered, failures = True, 0
                self.firmware.reboot()
                continue
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (failures - 1)) * self._jitter.uniform(0.5, 1.0)
            await self._asleep(pause / self._time_scale)

    def drop(self) -> None:
        """Break the connection, as a dying Wi-Fi does: without a word, so that the broker sends the last will."""
        if self._client is not None and (open_socket := self._client._client.socket()) is not None:  # noqa: SLF001 - aiomqtt says good-bye otherwise
            with contextlib.suppress(OSError):
                assert isinstance(open_socket, socket.socket)
                open_socket.shutdown(socket.SHUT_RDWR)

    def power_cycle(self) -> None:
        """Off and on."""
        self._powered = False
        self.drop()
        self._happened.set()

    async def _switch_on(self) -> None:
        """Wait for its turn to start, unless it is stopped before."""
        if self.spec.starts_after_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.spec.starts_after_s / self._time_scale):
                    await self._happened.wait()
            self.firmware.clock.reboot()

    async def _live(self) -> bool:
        """One connection. Returns whether there was one."""
        firmware, connected = self.firmware, False
        try:
            async with self._new_client() as client:
                self._client = client
                for wish in firmware.subscriptions():
                    await client.subscribe(wish.topic, wish.qos)
                connected = self.connected = True
                firmware.connect()
                async with asyncio.TaskGroup() as tasks:
                    listening = tasks.create_task(self._listen(client))
                    turning = tasks.create_task(self._turn(client))
                    # After a power cycle it listens until the connection is gone, so that it leaves without good-bye
                    turning.add_done_callback(lambda _: listening.cancel() if self._stopping else None)
        except* aiomqtt.MqttError as errors:
            log.debug("device lost its connection", esp_id=self.spec.esp_id, reason=str(errors.exceptions[0]))
        finally:
            self.connected, self._client = False, None
            if connected:
                firmware.disconnect()
        return connected

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            topic, payload = str(message.topic), message.payload
            if isinstance(payload, bytes) and len(topic) + len(payload) + 10 <= self.firmware.largest_packet:
                self.firmware.receive(topic, payload)
                self._happened.set()

    async def _turn(self, client: aiomqtt.Client) -> None:
        """The firmware's loop: let time pass, publish what it wants, rest until something is due or has happened."""
        firmware = self.firmware
        while self._powered and not self._stopping:
            self._happened.clear()
            due_s = firmware.pass_time()
            for wish in firmware.drain():
                if self._stopping:
                    return
                await self._do(client, wish)
            if firmware.leaves_at_s is not None and firmware.clock.uptime_s >= firmware.leaves_at_s:
                self.power_cycle()
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(SHORTEST_TURN_S, firmware.clock.seconds_until(due_s))):
                    await self._happened.wait()

    async def _do(self, client: aiomqtt.Client, wish: Outgoing | Subscribing) -> None:
        if isinstance(wish, Subscribing):
            await client.subscribe(wish.topic, wish.qos)
            return
        if wish.key is None:
            await client.publish(wish.topic, wish.payload, qos=wish.qos, retain=wish.retain)
            return
        self.sent.attempted += 1
        sent_at = now_us()
        await client.publish(wish.topic, wish.payload, qos=wish.qos, retain=wish.retain)
        self.sent.add(wish.key, sent_at)

    async def _asleep(self, seconds: float) -> None:
        """Away from the broker; the firmware goes on, and keeps or loses what it would say as its generation does."""
        firmware = self.firmware
        ends = asyncio.get_running_loop().time() + seconds
        while (left := ends - asyncio.get_running_loop().time()) > 0 and self._powered and not self._stopping:
            due_s = firmware.pass_time()
            await asyncio.sleep(min(left, max(SHORTEST_TURN_S, firmware.clock.seconds_until(due_s))))
        firmware.drain()

    def _new_client(self) -> aiomqtt.Client:
        will = self.firmware.will()
        return aiomqtt.Client(
            self._broker.host,
            self._broker.port,
            username=self._broker.username,
            password=self._broker.password,
            identifier=self.spec.esp_id,
            keepalive=KEEP_ALIVE_S,
            clean_session=True,
            will=aiomqtt.Will(will.topic, will.payload, qos=will.qos, retain=will.retain),
        )
