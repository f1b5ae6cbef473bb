"""Many readings for little CPU: prebuilt packets of simulated ``head`` devices over a few MQTT 3.1.1 connections.

Not how devices behave (that is what the personalities are for), but what they publish: real topics, payloads and QoS.
Each reading is unique by device and sequence number, and every one that the broker acknowledged is in the sent log.
Sequence numbers start at a million, so that every packet of a sensor has the same length.

Readings are numbered from 0. Device ``n % devices`` says number ``n`` as its ``n // devices``-th, so that the number
follows from device and sequence number (:meth:`Load.counter`), and with it the time of publishing. All devices say the
same kind of sensor in a row: what stands between the device's name and the probe's address is the same for all of them,
and is written once.
"""

import asyncio
import struct
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, repeat
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
_ALL_IDS: Final = [number.to_bytes(2, "big") for number in range(1, PACKET_IDS + 1)]


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
        header: From the packet's first byte to the topic's last.
        begin: From there (or from the packet id) to the sequence number.
        end: What follows the time.
    """

    esp_id: str
    kind: Kind
    address: str
    header: bytes
    begin: bytes
    end: bytes


class Row(msgspec.Struct, frozen=True):
    """One kind of sensor, once on each device, as columns of the sensors' pieces."""

    kind: Kind
    sensors: list[Sensor]
    headers: list[bytes]
    begins: list[bytes]
    ends: list[bytes]

    @classmethod
    def of(cls, kind: Kind, sensors: list[Sensor]) -> Self:
        """The columns."""
        return cls(
            kind,
            sensors,
            [sensor.header for sensor in sensors],
            [sensor.begin for sensor in sensors],
            [sensor.end for sensor in sensors],
        )


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
        self._rows = [
            Row.of(
                kind,
                [_sensor(f"ESP_{first_device + device:06X}", device, kind, column, qos) for device in range(devices)],
            )
            for column, kind in enumerate(KINDS[:sensors])
        ]
        self._devices = devices
        self._first_device = first_device
        self._qos = qos
        self._ts = array("l")
        self._links = [
            _Link(host, port, f"load-{first_device:x}-{number}", username, password, partial(self._again, number))
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
        row, turn, device = self._place(number)
        sensor = row.sensors[device]
        return Reading(
            sensor.esp_id,
            sensor.kind.gpio,
            sensor.kind.sensor_type,
            sensor.address,
            FIRST_SEQ + number // self._devices,
            _raw(row.kind, turn),
            self._ts[number],
            self._is_acked(number),
            self.published_at_us[number],
        )

    def readings(self) -> Iterator[Reading]:
        """Every reading that was sent, in order."""
        return map(self.reading, range(self.sent))

    def counter(self, esp_id: str, seq: int) -> int:
        """Number of a reading, from its device and sequence number."""
        return (seq - FIRST_SEQ) * self._devices + int(esp_id.removeprefix("ESP_"), 16) - self._first_device

    def _place(self, number: int) -> tuple[Row, int, int]:
        """Kind of sensor, how often that kind had its turn before, and device."""
        block, device = divmod(number, self._devices)
        turn, row = divmod(block, len(self._rows))
        return self._rows[row], turn, device

    def _is_acked(self, number: int) -> bool:
        """The broker acknowledges the messages of one connection in their order (MQTT 3.1.1, 4.6)."""
        return number // len(self._links) < self._links[number % len(self._links)].acked

    async def _publish(self, *, until: float | None, count: int | None) -> None:
        started, already = time.perf_counter(), self.sent
        while (until is None or time.perf_counter() < until) and (count is None or self.sent < count):
            room = self._inflight - (self.sent - self.acked)
            due = room if not self._rate else already + int((time.perf_counter() - started) * self._rate) - self.sent
            self._write(min(room, due if count is None else min(due, count - self.sent)))
            for link in self._links:
                link.listen()
            if 0 < self._rate <= SINGLY_UP_TO:
                next_at = started + (self.sent - already + 1) / self._rate
                await asyncio.sleep(max(0.0 if room else TICK_S, next_at - time.perf_counter()))
            else:
                await asyncio.sleep(TICK_S)

    def _write(self, readings: int) -> None:
        """Build and write the next readings: one buffer a connection."""
        if readings <= 0:
            return
        now_us = time.time_ns() // 1000
        first, width = self.sent, len(self._links)
        self._ts.extend(array("l", (now_us // 1_000_000,)) * readings)
        self.published_at_us.extend(array("q", (now_us,)) * readings)
        self.sent += readings
        for number, link in enumerate(self._links):
            own = first + (number - first) % width
            count = (self.sent - own + width - 1) // width
            if count:
                link.write(self._packets(own, self.sent))
                link.acked += 0 if self._qos else count

    def _packets(self, first: int, end: int, *, again: bool = False) -> bytes:
        """One connection's PUBLISH packets: number ``first``, and of those to before ``end`` every one of its own."""
        width, parts, number = len(self._links), [], first
        while number < end:
            row, turn, device = self._place(number)
            ts = self._ts[number]
            until = bisect_right(self._ts, ts, number, min(end, number - device + self._devices))
            columns = slice(device, device + until - number, width)
            headers = row.headers[columns]
            if again:
                headers = [bytes((header[0] | _DUP,)) + header[1:] for header in headers]
            said = _said(row.kind, FIRST_SEQ + number // self._devices, _raw(row.kind, turn), ts)
            count = (until - number + width - 1) // width
            ids = _ids(number // width, count) if self._qos else repeat(b"", count)
            pieces = (headers, ids, row.begins[columns], repeat(said, count), row.ends[columns])
            parts.append(b"".join(chain.from_iterable(zip(*pieces, strict=True))))
            number += count * width
        return b"".join(parts)

    def _again(self, link: int) -> bytes:
        """What a connection has to send again: all that was not acknowledged to it, with the same packet ids."""
        width = len(self._links)
        return self._packets(self._links[link].acked * width + link, self.sent, again=True)

    async def _drained(self, limit_s: float) -> None:
        deadline = time.perf_counter() + limit_s
        while self.acked < self.sent and time.perf_counter() < deadline:
            for link in self._links:
                link.listen()
            await asyncio.sleep(0.005)


class _Link(asyncio.Protocol):
    """One MQTT 3.1.1 connection that counts PUBACKs, and after a loss sends again what is missing, like an outbox."""

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        username: str | None,
        password: str | None,
        again: Callable[[], bytes],
    ) -> None:
        self.acked = 0
        self._host, self._port = host, port
        self._connect = _connect(client_id, username, password)
        self._again = again
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._up: asyncio.Future[None] | None = None
        self._established = False
        self._closing = False
        self._reconnecting: asyncio.Task[None] | None = None
        self._pinging: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            ConnectionError: The broker did not accept.
            TimeoutError: It did not answer within 10 s.
        """
        loop = asyncio.get_running_loop()
        self._up = loop.create_future()
        transport, _ = await loop.create_connection(lambda: self, self._host, self._port)
        try:
            async with asyncio.timeout(10):
                await self._up
        except (OSError, TimeoutError):
            # A connection that lingers would be taken over by the next one of the same client id, and end it
            transport.abort()
            raise

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

    def write(self, packets: bytes) -> None:
        """Write packets, unless the connection is down; what is not acknowledged is written when it is up again."""
        if self._transport is not None and self._established:
            self._transport.write(packets)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are."""
        # uvloop's transports do not derive from asyncio's
        self._transport, self._rest = cast("asyncio.Transport", transport), b""
        self._transport.set_write_buffer_limits(high=64 * 2**20)
        self._transport.write(self._connect)
        self._ping()

    def listen(self) -> None:
        """Take what has come since the last time."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Count acknowledgements: every packet of the broker is two bytes and a length of at most 127.

        Then wait for :meth:`listen`: the broker sends every acknowledgement by itself, and waking for each would cost
        more than all the rest.
        """
        if self._transport is not None and self._established:
            self._transport.pause_reading()
        if self._rest:
            data = self._rest + data
        # Almost always nothing but PUBACKs of four bytes
        if data[0] == _PUBACK and not len(data) % 4 and data[0::4].count(_PUBACK) * 4 == len(data):
            self._rest = b""
            self.acked += len(data) // 4
            return
        position = 0
        while position + 2 <= len(data) and position + 2 + data[position + 1] <= len(data):
            kind, length = data[position], data[position + 1]
            if kind == _PUBACK:
                self.acked += 1
            elif kind == _CONNACK:
                self._connected(data[position + 3])
            position += 2 + length
        self._rest = data[position:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Connect again, unless this was wanted; an attempt that failed is repeated by whoever made it.

        Were it repeated here too, a broker that accepts and closes would see twice as many attempts each time.
        """
        del exc
        was_established, self._established, self._transport = self._established, False, None
        if self._up is not None and not self._up.done():
            self._up.set_exception(ConnectionError("the broker closed the connection"))
        if was_established and not self._closing:
            self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect())

    def _connected(self, code: int) -> None:
        assert self._up is not None
        if self._up.done():
            return
        if code:
            self._up.set_exception(ConnectionRefusedError(f"the broker refuses the connection, code {code}"))
            return
        self._up.set_result(None)
        self._established = True
        if self._transport is not None:
            self._transport.write(self._again())

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
        if self._transport is not None and self._established:
            self._transport.write(b"\xc0\x00")
        self._pinging = asyncio.get_running_loop().call_later(KEEP_ALIVE_S / 2, self._ping)


def _sensor(esp_id: str, device: int, kind: Kind, column: int, qos: int) -> Sensor:
    address = f"28FF{device:08X}{column:04X}" if kind.onewire else ""
    topic = f"kaiser/god/esp/{esp_id}/sensor/{kind.gpio}/data".encode()
    begin = f'{{"esp_id":"{esp_id}","seq":'.encode()
    onewire = f',"onewire_address":"{address}"' if address else ""
    end = f',"time_valid":true,"raw_mode":true{onewire}}}'.encode()
    length = 2 + len(topic) + (2 if qos else 0) + len(begin) + len(_said(kind, FIRST_SEQ, kind.low, 2**31)) + len(end)
    header = bytes((0x30 | qos << 1,)) + _length(length) + struct.pack(">H", len(topic)) + topic
    return Sensor(esp_id, kind, address, header, begin, end)


def _said(kind: Kind, seq: int, raw: int, ts: int) -> bytes:
    """What all sensors of a kind say between the beginning and the end; always of the same length."""
    return (
        f'{seq},"zone_id":"load","subzone_id":"","gpio":{kind.gpio},"sensor_type":"{kind.sensor_type}","raw":{raw},'
        f'"value":22.00,"unit":"{kind.unit}","quality":"good","ts":{ts}'
    ).encode()


def _raw(kind: Kind, turn: int) -> int:
    """Counts go round, so that they never repeat at once."""
    return kind.low + turn % kind.span


def _ids(first: int, count: int) -> list[bytes]:
    """Packet ids of so many packets in a row, from a connection's ``first`` one."""
    start = first % PACKET_IDS
    return _ALL_IDS[start : start + count] + _ALL_IDS[: max(0, start + count - PACKET_IDS)]


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
