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
from collections.abc import Iterator
from functools import partial
from itertools import chain, repeat
from typing import Final, Self

import msgspec

from kaiser.fleet.link import DUP, Link, packet_ids, variable_length

FIRST_SEQ: Final = 1_000_000
TICK_S: Final = 0.002
SINGLY_UP_TO: Final = 2_000
"""Readings a second up to which each one goes at its own instant, to within :data:`SHORTEST_SLEEP_S`."""
SHORTEST_SLEEP_S: Final = 0.001
"""uvloop rounds sleeps to milliseconds, so that below half of one it turns round and round: a whole core at 2,000/s."""


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
            Link(host, port, f"load-{first_device:x}-{number}", username, password, partial(self._again, number))
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
                await asyncio.sleep(max(SHORTEST_SLEEP_S if room else TICK_S, next_at - time.perf_counter()))
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
                headers = [bytes((header[0] | DUP,)) + header[1:] for header in headers]
            said = _said(row.kind, FIRST_SEQ + number // self._devices, _raw(row.kind, turn), ts)
            count = (until - number + width - 1) // width
            ids = packet_ids(number // width, count) if self._qos else repeat(b"", count)
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


def _sensor(esp_id: str, device: int, kind: Kind, column: int, qos: int) -> Sensor:
    address = f"28FF{device:08X}{column:04X}" if kind.onewire else ""
    topic = f"kaiser/god/esp/{esp_id}/sensor/{kind.gpio}/data".encode()
    begin = f'{{"esp_id":"{esp_id}","seq":'.encode()
    onewire = f',"onewire_address":"{address}"' if address else ""
    end = f',"time_valid":true,"raw_mode":true{onewire}}}'.encode()
    length = 2 + len(topic) + (2 if qos else 0) + len(begin) + len(_said(kind, FIRST_SEQ, kind.low, 2**31)) + len(end)
    header = bytes((0x30 | qos << 1,)) + variable_length(length) + struct.pack(">H", len(topic)) + topic
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
