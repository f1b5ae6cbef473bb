"""Many readings for little CPU: prebuilt packets of simulated ``head`` devices over a few MQTT 3.1.1 connections.

Not how devices behave (that is what the personalities are for), but what they publish: real topics, payloads and QoS.
Each reading is unique by device and sequence number, and every one that the broker acknowledged is in the sent log.
Sequence numbers start at a million, so that every packet of a sensor has the same length.
"""

import asyncio
import struct
import time
from array import array
from collections.abc import Iterator
from typing import Final, Self, cast

import msgspec

FIRST_SEQ: Final = 1_000_000
TICK_S: Final = 0.002
SINGLY_UP_TO: Final = 2_000
"""Readings a second up to which each one goes at its own instant."""
KEEP_ALIVE_S: Final = 60
RECONNECT_S: Final = 0.5
PACKET_IDS: Final = 65_535

_CONNACK: Final = 0x20
_PUBACK: Final = 0x40
_DUP: Final = 0x08


class Kind(msgspec.Struct, frozen=True):
    """A kind of sensor: its type, pin, unit, and counts that are ordinary for it."""

    sensor_type: str
    gpio: int
    unit: str
    low: int
    span: int
    onewire: bool = False


KINDS: Final = (
    Kind("ds18b20", 4, "°C", 100, 800, onewire=True),
    Kind("ph", 32, "pH", 1000, 2000),
    Kind("ec", 33, "µS/cm", 1000, 2000),
    Kind("moisture", 34, "%", 1000, 2000),
    Kind("ds18b20", 5, "°C", 100, 800, onewire=True),
)
"""Counts have a fixed number of digits: three for OneWire, four for ADC channels."""


class Sensor(msgspec.Struct, frozen=True):
    """One simulated sensor, with the pieces of its packets.

    Attributes:
        pieces: What stands before the sequence number, the count and the time, and at the end.
    """

    esp_id: str
    kind: Kind
    address: str
    header: bytes
    pieces: tuple[bytes, bytes, bytes, bytes]


class Reading(msgspec.Struct, frozen=True):
    """A reading as it was sent, for comparing by content."""

    esp_id: str
    gpio: int
    sensor_type: str
    address: str
    seq: int
    raw: int
    ts: int
    acked: bool
    sent_us: int


class Load:
    """Publishes readings at a steady rate.

    Args:
        host: The broker's address.
        port: The broker's port.
        username: Who may publish below every device's topics.
        password: Its password.
        devices: Simulated devices.
        sensors: Sensors of each, at most five.
        rate: Readings a second; 0 is as fast as ``inflight`` allows.
        connections: MQTT connections that they share.
        qos: 0 or 1.
        inflight: Readings at most that the broker has not acknowledged.
        first_device: Number of the first device, so that several loads can run side by side.

    Attributes:
        sent: Readings published.
        published_at_us: Unix microseconds of each, by its number.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        username: str | None = None,
        password: str | None = None,
        devices: int = 200,
        sensors: int = 5,
        rate: int = 1000,
        connections: int = 2,
        qos: int = 1,
        inflight: int = 5000,
        first_device: int = 0x100000,
    ) -> None:
        self.sent = 0
        self.published_at_us = array("q")
        self._rate = rate
        self._inflight = inflight
        self._sensors = [
            _sensor(f"ESP_{first_device + device:06X}", device, KINDS[number], number, qos)
            for number in range(min(sensors, len(KINDS)))
            for device in range(devices)
        ]
        self._devices = devices
        self._raws = array("h")
        self._ts = array("l")
        self._links = [
            _Link(host, port, f"load-{first_device:x}-{number}", username, password, qos)
            for number in range(connections)
        ]

    @property
    def acked(self) -> int:
        """Readings that the broker has acknowledged; all that were written, for QoS 0."""
        return sum(link.acked for link in self._links)

    async def __aenter__(self) -> Self:
        for link in self._links:
            await link.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        for link in self._links:
            link.close()

    async def run(self, seconds: float, *, drain_s: float = 30.0) -> None:
        """Publish for so long, then wait for the acknowledgements that are missing, up to ``drain_s``."""
        await self._publish(until=time.perf_counter() + seconds, count=None)
        await self._drained(drain_s)

    async def send(self, count: int, *, drain_s: float = 30.0) -> None:
        """Publish so many readings, then wait as :meth:`run` does."""
        await self._publish(until=None, count=self.sent + count)
        await self._drained(drain_s)

    def reading(self, number: int) -> Reading:
        """The reading of a number, as it was sent."""
        sensor = self._sensors[number % len(self._sensors)]
        return Reading(
            sensor.esp_id,
            sensor.kind.gpio,
            sensor.kind.sensor_type,
            sensor.address,
            self._seq(number),
            self._raws[number],
            self._ts[number],
            self._is_acked(number),
            self.published_at_us[number],
        )

    def readings(self) -> Iterator[Reading]:
        """Every reading that was sent, in order."""
        return map(self.reading, range(self.sent))

    def counter(self, esp_id: str, seq: int) -> int:
        """Number of a reading, from its device and sequence number."""
        device = int(esp_id.removeprefix("ESP_"), 16) - int(self._sensors[0].esp_id.removeprefix("ESP_"), 16)
        return (seq - FIRST_SEQ) * self._devices + device

    def _seq(self, number: int) -> int:
        return FIRST_SEQ + number // self._devices

    def _is_acked(self, number: int) -> bool:
        """The broker acknowledges the messages of one connection in their order (MQTT 3.1.1, 4.6)."""
        return number // len(self._links) < self._links[number % len(self._links)].acked

    async def _publish(self, *, until: float | None, count: int | None) -> None:
        started, already = time.perf_counter(), self.sent
        while (until is None or time.perf_counter() < until) and (count is None or self.sent < count):
            room = self._inflight - (self.sent - self.acked)
            due = room if not self._rate else already + int((time.perf_counter() - started) * self._rate) - self.sent
            self._write(min(room, due if count is None else min(due, count - self.sent)))
            if 0 < self._rate <= SINGLY_UP_TO:
                next_at = started + (self.sent - already + 1) / self._rate
                await asyncio.sleep(max(0.0, next_at - time.perf_counter()))
            else:
                await asyncio.sleep(TICK_S)

    def _write(self, readings: int) -> None:
        """Build and write the next readings: one buffer a connection."""
        if readings <= 0:
            return
        now_us = time.time_ns() // 1000
        ts = now_us // 1_000_000
        ts_text = b"%d" % ts
        links, sensors, devices = self._links, self._sensors, self._devices
        many, width = len(sensors), len(links)
        first = self.sent
        packets: list[list[bytes]] = [[] for _ in links]
        for number in range(first, first + readings):
            sensor = sensors[number % many]
            raw = sensor.kind.low + number // many % sensor.kind.span
            self._raws.append(raw)
            before_seq, before_raw, before_ts, end = sensor.pieces
            body = b"%b%d%b%d%b%b%b" % (
                before_seq,
                FIRST_SEQ + number // devices,
                before_raw,
                raw,
                before_ts,
                ts_text,
                end,
            )
            packets[number % width].append(links[number % width].packet(sensor.header, body))
        self._ts.extend([ts] * readings)
        self.published_at_us.extend([now_us] * readings)
        self.sent += readings
        for link, written in zip(links, packets, strict=True):
            link.write(written)

    async def _drained(self, limit_s: float) -> None:
        deadline = time.perf_counter() + limit_s
        while self.acked < self.sent and time.perf_counter() < deadline:  # noqa: ASYNC110 - counted by another task
            await asyncio.sleep(0.005)


class _Link(asyncio.Protocol):
    """One MQTT 3.1.1 connection that counts PUBACKs, and after a loss sends again what is missing, like an outbox."""

    def __init__(
        self, host: str, port: int, client_id: str, username: str | None, password: str | None, qos: int
    ) -> None:
        self.acked = 0
        self._host, self._port, self._qos = host, port, qos
        self._connect = _connect(client_id, username, password)
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._up: asyncio.Future[None] | None = None
        self._ids = 0
        self._unacked: list[bytes] = []
        self._first_unacked = 0
        self._closing = False
        self._reconnecting: asyncio.Task[None] | None = None
        self._pinging: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            ConnectionError: The broker did not accept.
        """
        loop = asyncio.get_running_loop()
        self._up = loop.create_future()
        await loop.create_connection(lambda: self, self._host, self._port)
        async with asyncio.timeout(10):
            await self._up

    def close(self) -> None:
        """Disconnect."""
        self._closing = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        if self._pinging is not None:
            self._pinging.cancel()
        if self._transport is not None:
            self._transport.write(b"\xe0\x00")
            self._transport.close()

    def packet(self, header: bytes, body: bytes) -> bytes:
        """A PUBLISH packet; ``header`` ends where the packet id begins."""
        if not self._qos:
            return header + body
        self._ids = self._ids % PACKET_IDS + 1
        return header + self._ids.to_bytes(2, "big") + body

    def write(self, packets: list[bytes]) -> None:
        """Write packets, and keep them until they are acknowledged."""
        if self._qos:
            self._unacked += packets
        else:
            self.acked += len(packets)
        if self._transport is not None and packets and self._up is not None and self._up.done():
            self._transport.write(b"".join(packets))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are."""
        # uvloop's transports do not derive from asyncio's
        self._transport, self._rest = cast("asyncio.Transport", transport), b""
        self._transport.set_write_buffer_limits(high=64 * 2**20)
        self._transport.write(self._connect)
        self._ping()

    def data_received(self, data: bytes) -> None:
        """Count acknowledgements: every packet of the broker is two bytes and a length of at most 127."""
        if self._rest:
            data = self._rest + data
        # Almost always nothing but PUBACKs of four bytes
        if data[0] == _PUBACK and not len(data) % 4 and data[0::4].count(_PUBACK) * 4 == len(data):
            self._rest = b""
            self._acknowledge(len(data) // 4)
            return
        position = 0
        while position + 2 <= len(data) and position + 2 + data[position + 1] <= len(data):
            kind, length = data[position], data[position + 1]
            if kind == _PUBACK:
                self._acknowledge(1)
            elif kind == _CONNACK:
                self._connected(data[position + 3])
            position += 2 + length
        self._rest = data[position:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Connect again, unless this was wanted."""
        del exc
        self._transport = None
        if self._up is not None and not self._up.done():
            self._up.set_exception(ConnectionError("the broker closed the connection"))
        if not self._closing:
            self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect())

    def _acknowledge(self, count: int) -> None:
        self.acked += count
        self._first_unacked += count
        if self._first_unacked > 10_000:
            del self._unacked[: self._first_unacked]
            self._first_unacked = 0

    def _connected(self, code: int) -> None:
        assert self._up is not None
        if self._up.done():
            return
        if code:
            self._up.set_exception(ConnectionRefusedError(f"the broker refuses the connection, code {code}"))
            return
        self._up.set_result(None)
        waiting = self._unacked[self._first_unacked :]
        if waiting and self._transport is not None:
            self._transport.write(b"".join(bytes((packet[0] | _DUP,)) + packet[1:] for packet in waiting))

    async def _reconnect(self) -> None:
        while True:
            await asyncio.sleep(RECONNECT_S)
            try:
                await self.open()
            except (OSError, TimeoutError):
                continue
            return

    def _ping(self) -> None:
        if self._pinging is not None:
            self._pinging.cancel()
        if self._transport is not None and self._up is not None and self._up.done():
            self._transport.write(b"\xc0\x00")
        self._pinging = asyncio.get_running_loop().call_later(KEEP_ALIVE_S / 2, self._ping)


def _sensor(esp_id: str, device: int, kind: Kind, number: int, qos: int) -> Sensor:
    address = f"28FF{device:08X}{number:04X}" if kind.onewire else ""
    topic = f"kaiser/god/esp/{esp_id}/sensor/{kind.gpio}/data".encode()
    onewire = f',"onewire_address":"{address}"' if address else ""
    pieces = (
        f'{{"esp_id":"{esp_id}","seq":'.encode(),
        f',"zone_id":"load","subzone_id":"","gpio":{kind.gpio},"sensor_type":"{kind.sensor_type}","raw":'.encode(),
        f',"value":22.00,"unit":"{kind.unit}","quality":"good","ts":'.encode(),
        f',"time_valid":true,"raw_mode":true{onewire}}}'.encode(),
    )
    length = 2 + len(topic) + (2 if qos else 0) + sum(map(len, pieces)) + 7 + len(str(kind.low)) + 10
    header = bytes((0x30 | qos << 1,)) + _length(length) + struct.pack(">H", len(topic)) + topic
    return Sensor(esp_id, kind, address, header, pieces)


def _connect(client_id: str, username: str | None, password: str | None) -> bytes:
    flags = 0x02 | (0x80 if username else 0) | (0x40 if password else 0)
    texts = [client_id, *(text for text in (username, password) if text)]
    body = b"\x00\x04MQTT\x04" + struct.pack(">BH", flags, KEEP_ALIVE_S)
    body += b"".join(struct.pack(">H", len(text.encode())) + text.encode() for text in texts)
    return b"\x10" + _length(len(body)) + body


def _length(value: int) -> bytes:
    """MQTT's variable byte integer."""
    encoded = bytearray()
    while True:
        value, digit = divmod(value, 128)
        encoded.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(encoded)
