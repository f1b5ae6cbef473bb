"""What others may ask about devices, sensors and their history: read from the projections, a page at a time."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, LiteralString

import msgspec
from psycopg import AsyncRawCursor

from kaiser.contracts import cursors
from kaiser.contracts.codes import Code
from kaiser.contracts.queries import (
    Device,
    DeviceQuery,
    DevicesQuery,
    Health,
    HealthQuery,
    History,
    HistoryQuery,
    LatestQuery,
    Page,
    Reading,
    Rollup,
    Sensor,
    SensorsQuery,
    Zone,
    ZonesQuery,
)
from kaiser.contracts.refusals import Refusal
from kaiser.ingest import statements
from kaiser.ingest.freshness import gaps, stale_after_us
from kaiser.ingest.standings import CONSUMER
from kaiser.timescale import Instant, Pool

Rolled = Literal["1m", "1h", "1d"]
Row = tuple[Any, ...]  # columns of many types

MINUTE_US: Final = 60_000_000
HOUR_US: Final = 60 * MINUTE_US
RAW_UP_TO_US: Final = 2 * HOUR_US
DAY_US: Final = 24 * HOUR_US
MINUTES_UP_TO_US: Final = 7 * DAY_US
HOURS_UP_TO_US: Final = 180 * DAY_US

MOST_POINTS: Final = 10_000
MOST_READINGS: Final = 2_000
MOST_ROLLUPS: Final = 5_000
"""A reply is one NATS message of at most 1 MiB, so a page may be shorter than asked for; its cursor leads on."""
MOST_ITEMS: Final = 1_000

HIDDEN: Final = frozenset({"pending", "rejected"})
"""States of a device in which its readings are kept and not shown, but to who asks for them in so many words."""

SILENT_AFTER_US: Final = 300_000_000
"""Five missed heartbeats: a device that says nothing for so long is offline, with or without a last will."""


FLAPS: Final = 3
FLAPPING_US: Final = 600_000_000
"""A device that was lost so often, within minutes of each other, is unsteady for a while."""

CATCH_UP_S: Final = 2.0
LOOK_AGAIN_S: Final = 0.01

_PROGRESS: Final = "SELECT stream_seq FROM progress WHERE consumer = $1::text"
_DEVICES: Final = statements.read("device_list")
_ZONES: Final = statements.read("zones")
_DEVICE: Final = statements.read("device")
_SENSORS: Final = statements.read("sensor_list")
_ON_PIN: Final = statements.read("sensors_on_pin")
_HEALTH: Final = statements.read("history_health")
_LATEST: Final = statements.read("latest")
_BUCKET_US: Final = {"1m": MINUTE_US, "1h": HOUR_US, "1d": DAY_US}
_HISTORY: Final[dict[str, LiteralString]] = {name: statements.read(f"history_{name}") for name in ("raw", *_BUCKET_US)}

_FIRST_INSTANT: Final = 0
_NO_FACET: Final = ("", -1, "", "")
_READING_FIELDS: Final = (
    "reading_id", "measured_at", "time_source", "device_ts", "received_at", "stored_at", "raw", "value", "unit",
    "quality", "zone_id", "subzone_id", "pending", "flags",
)  # fmt: skip


IntervalOf = Callable[[str, int, str], int | None]
"""Seconds between two readings of a sensor, by device, pin and address; None if it does not measure by itself."""


class Queries:
    """Answers from the tables of schema ``ingest``. Every method raises DatabaseAway while they are away.

    Args:
        pool: Connections.
        interval_of: How often a sensor is to speak, as the registry has it.
    """

    def __init__(self, pool: Pool, interval_of: IntervalOf) -> None:
        self._pool = pool
        self._interval_of = interval_of

    async def devices(self, asked: DevicesQuery, now: int) -> Page[Device]:
        """Devices in the order of their ids."""
        limit = _limit(asked.limit, MOST_ITEMS)
        (after,) = cursors.read(asked.cursor, (str,)) or ("",)
        await self._caught_up(asked.at_least)
        found = await self._rows(_DEVICES, (after, asked.state, asked.kaiser_id, asked.zone_id, limit + 1))
        items = [_device(row, now) for row in found[:limit]]
        return Page(items=items, next_cursor=cursors.write(items[-1].esp_id) if len(found) > limit else None)

    async def device(self, asked: DeviceQuery, now: int) -> Device:
        """One device.

        Raises:
            Refusal: ESP_DEVICE_NOT_FOUND; OPERATION_TIMEOUT where the table does not have an event in time.
        """
        await self._caught_up(asked.at_least)
        found = await self._rows(_DEVICE, (asked.esp_id,))
        if not found:
            raise Refusal(Code.ESP_DEVICE_NOT_FOUND, f"no device {asked.esp_id!r} was ever heard", "esp_id")
        return _device(found[0], now)

    async def zones(self, asked: ZonesQuery, now: int) -> Page[Zone]:
        """Zones in the order of their ids."""
        limit = _limit(asked.limit, MOST_ITEMS)
        (after,) = cursors.read(asked.cursor, (str,)) or ("",)
        await self._caught_up(asked.at_least)
        found = await self._rows(_ZONES, (after, Instant(now - SILENT_AFTER_US), limit + 1, asked.zone_id))
        items = [Zone(**dict(zip(Zone.__struct_fields__, row, strict=True))) for row in found[:limit]]
        return Page(items=items, next_cursor=cursors.write(items[-1].zone_id) if len(found) > limit else None)

    async def health(self, asked: HealthQuery, now: int) -> Page[Health]:  # noqa: ARG002  # one face for all
        """Heartbeats of a device, oldest first.

        Raises:
            Refusal: VALUE_OUT_OF_RANGE.
        """
        if asked.end <= asked.start:
            raise Refusal(Code.VALUE_OUT_OF_RANGE, "the end must be later than the start", "end")
        limit = _limit(asked.limit, MOST_POINTS, MOST_ROLLUPS)
        (start,) = cursors.read(asked.cursor, (int,)) or (asked.start,)
        found = await self._rows(_HEALTH, (asked.esp_id, Instant(start), Instant(asked.end), limit + 1))
        items = [Health(**dict(zip(Health.__struct_fields__, row, strict=True))) for row in found[:limit]]
        return Page(items=items, next_cursor=cursors.write(items[-1].at + 1) if len(found) > limit else None)

    async def sensors(self, asked: SensorsQuery, now: int) -> Page[Sensor]:
        """Sensors with their latest readings."""
        limit = _limit(asked.limit, MOST_ITEMS)
        after = cursors.read(asked.cursor, (str, int, str, str)) or _NO_FACET
        wanted = (asked.esp_id, asked.sensor_type, asked.zone_id)
        await self._caught_up(asked.at_least)
        found = await self._rows(_SENSORS, (*after, *wanted, limit + 1, asked.pending))
        items = [self._sensor(row, now) for row in found[:limit]]
        last = items[-1] if len(found) > limit else None
        cursor = cursors.write(last.esp_id, last.gpio, last.sensor_type, last.address) if last else None
        return Page(items=items, next_cursor=cursor)

    async def latest(self, asked: LatestQuery, now: int) -> Reading:
        """The latest reading of a sensor, by measured time.

        Raises:
            Refusal: ESP_DEVICE_NOT_FOUND, DEVICE_STATE_FORBIDS, SENSOR_NOT_FOUND or SENSOR_AMBIGUOUS.
        """
        number, _, address = await self._one_sensor(asked)
        found = await self._rows(_LATEST, (number,))
        if not found:
            raise Refusal(Code.SENSOR_NOT_FOUND, "the sensor has no reading yet", "sensor_type")
        latest = _reading(found[0])
        every_s = self._interval_of(asked.esp_id, asked.gpio, address)
        return _staled(latest) if _is_stale(every_s, latest, now) else latest

    async def history(self, asked: HistoryQuery, now: int) -> History:
        """A span of one sensor, oldest first.

        Raises:
            Refusal: As :meth:`latest`, or VALUE_OUT_OF_RANGE.
        """
        if asked.end <= asked.start:
            raise Refusal(Code.VALUE_OUT_OF_RANGE, "the end must be later than the start", "end")
        number, unit, address = await self._one_sensor(asked)
        resolution = resolution_of(asked)
        every_s = self._interval_of(asked.esp_id, asked.gpio, address)
        span_end = min(asked.end, now)
        if resolution == "raw":
            found, start = await self._readings(asked, number, unit)
            points = [reading.measured_at for reading in found.readings]
            width, longest = 0, None if every_s is None else stale_after_us(every_s)
        else:
            found, start = await self._rollups(asked, number, unit, resolution)
            points = [rollup.start for rollup in found.rollups]
            width = _BUCKET_US[resolution]
            longest = None if every_s is None else max(0, stale_after_us(every_s) - width)
            span_end -= width if span_end == now else 0
        if longest is None:
            return found
        if found.next_cursor is not None:
            span_end = points[-1]
        return msgspec.structs.replace(found, gaps=gaps(points, start, span_end, longest, width))

    async def _readings(self, asked: HistoryQuery, number: int, unit: str) -> tuple[History, int]:
        """A page, and where it begins."""
        limit = _limit(asked.limit, MOST_POINTS, MOST_READINGS)
        at, after = cursors.read(asked.cursor, (int, int)) or (_FIRST_INSTANT, 0)
        span = (Instant(asked.start), Instant(asked.end), Instant(at), after)
        found = await self._rows(_HISTORY["raw"], (number, *span, limit + 1))
        points = [_reading(row) for row in found[:limit]]
        more = len(found) > limit
        cursor = cursors.write(points[-1].measured_at, points[-1].reading_id) if more else None
        page = History(sensor_id=number, unit=unit, resolution="raw", readings=points, next_cursor=cursor)
        return page, at or asked.start

    async def _rollups(self, asked: HistoryQuery, number: int, unit: str, resolution: Rolled) -> tuple[History, int]:
        """A page, and where it begins."""
        limit = _limit(asked.limit, MOST_POINTS, MOST_ROLLUPS)
        width = _BUCKET_US[resolution]
        (begin,) = cursors.read(asked.cursor, (int,)) or (asked.start // width * width,)
        found = await self._rows(_HISTORY[resolution], (number, Instant(begin), Instant(asked.end), limit + 1))
        points = [
            Rollup(start=start, count=count, errors=errors, minimum=low, maximum=high, mean=mean, last=last)
            for start, count, errors, low, high, mean, last in found[:limit]
        ]
        cursor = cursors.write(points[-1].start + width) if len(found) > limit else None
        page = History(sensor_id=number, unit=unit, resolution=resolution, rollups=points, next_cursor=cursor)
        return page, begin

    async def _caught_up(self, seq: int) -> None:
        """Return when the decisions of the registry up to an event are in the table."""
        end = time.monotonic() + CATCH_UP_S
        while seq:
            found = await self._rows(_PROGRESS, (CONSUMER,))
            if found and found[0][0] >= seq:
                return
            if time.monotonic() > end:
                raise Refusal(Code.OPERATION_TIMEOUT, f"event {seq} is stored, but not in the table yet", "at_least")
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _one_sensor(self, asked: LatestQuery | HistoryQuery) -> tuple[int, str, str]:
        """Id, unit and address of the sensor that a question means."""
        found = await self._rows(_ON_PIN, (asked.esp_id, asked.gpio, asked.sensor_type, asked.address))
        if found and found[0][2] in HIDDEN and not asked.pending:
            words = f"the device is {found[0][2]}; its readings are kept, and shown when it is approved"
            raise Refusal(Code.DEVICE_STATE_FORBIDS, words, "esp_id")
        if len(found) == 1:
            return found[0][0], found[0][1], found[0][3]
        if found:
            raise Refusal(Code.SENSOR_AMBIGUOUS, "several of this type are on this pin; give the address", "address")
        if not await self._rows(_DEVICE, (asked.esp_id,)):
            raise Refusal(Code.ESP_DEVICE_NOT_FOUND, f"no device {asked.esp_id!r} was ever heard", "esp_id")
        raise Refusal(Code.SENSOR_NOT_FOUND, f"the device has no such sensor on pin {asked.gpio}", "gpio")

    def _sensor(self, row: Row, now: int) -> Sensor:
        """A sensor with its latest reading, and whether that is old."""
        sensor = _sensor(row)
        every_s = self._interval_of(sensor.esp_id, sensor.gpio, sensor.address)
        latest = sensor.latest
        if latest is None or not _is_stale(every_s, latest, now):
            return msgspec.structs.replace(sensor, interval_s=every_s)
        return msgspec.structs.replace(sensor, interval_s=every_s, stale=True, latest=_staled(latest))

    async def _rows(self, statement: LiteralString, parameters: Sequence[object]) -> list[Row]:
        async with self._pool.connection() as connection:
            cursor = AsyncRawCursor(connection)
            await cursor.execute(statement, parameters, binary=True)
            return await cursor.fetchall()


def resolution_of(asked: HistoryQuery) -> Literal["raw"] | Rolled:
    """The resolution that a question gets: its own, or one that keeps the points of its span in the thousands."""
    if asked.resolution != "auto":
        return asked.resolution
    span = asked.end - asked.start
    if span <= RAW_UP_TO_US:
        return "raw"
    if span <= MINUTES_UP_TO_US:
        return "1m"
    return "1h" if span <= HOURS_UP_TO_US else "1d"


def _limit(asked: int, most: int, page: int | None = None) -> int:
    if not 1 <= asked <= most:
        raise Refusal(Code.VALUE_OUT_OF_RANGE, f"the limit must be between 1 and {most}", "limit")
    return min(asked, page or most)


def _reading(row: Row) -> Reading:
    return Reading(**dict(zip(_READING_FIELDS, row, strict=True)))


def _is_stale(every_s: int | None, latest: Reading, now: int) -> bool:
    return every_s is not None and now - latest.received_at > stale_after_us(every_s)


def _staled(reading: Reading) -> Reading:
    """A reading that nothing followed. What it was worth when it came is in the history."""
    return msgspec.structs.replace(reading, quality="stale")


def _sensor(row: Row) -> Sensor:
    number, esp_id, gpio, sensor_type, address, unit, zone_id, *latest = row
    return Sensor(
        sensor_id=number,
        esp_id=esp_id,
        gpio=gpio,
        sensor_type=sensor_type,
        address=address,
        unit=unit,
        zone_id=zone_id,
        latest=_reading(tuple(latest)),
    )


def _device(row: Row, now: int) -> Device:
    device = Device(**dict(zip(Device.__struct_fields__, (*row, False), strict=True)))
    if device.losses >= FLAPS and now - device.losses_since < FLAPPING_US:
        device = msgspec.structs.replace(device, flapping=True)
    if device.online and now - device.last_seen_at > SILENT_AFTER_US:
        return msgspec.structs.replace(device, online=False, offline_reason="silent", offline_since=device.last_seen_at)
    return msgspec.structs.replace(device, offline_since=0) if device.online else device
