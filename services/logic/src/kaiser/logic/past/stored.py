"""What streams have let go of, as ingest has stored it: asked for a page at a time, over NATS.

It knows when a reading was received and not when it was stored in the stream, milliseconds later; so that is the moment
that counts here.
"""

import heapq
from collections.abc import AsyncGenerator
from typing import Any, Final, TypeVar

import msgspec
import nats.errors
from nats.js.errors import NotFoundError

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.queries import Health, HealthQuery, History, HistoryQuery, Page, Reading, Reply
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import HEARTBEATS, TELEMETRY
from kaiser.contracts.wire import Heartbeat
from kaiser.eventlog import EventLog, replay
from kaiser.logic.index import SensorKey
from kaiser.logic.ordering import Message
from kaiser.logic.times import NEVER, SECOND

ASK_S: Final = 15.0
PAGE: Final = 2_000
NOTHING_THERE: Final = frozenset({Code.SENSOR_NOT_FOUND, Code.ESP_DEVICE_NOT_FOUND})

T = TypeVar("T")


async def let_go_before(log: EventLog, stream: str, start: int, end: int) -> int:
    """Until when a stream has let go of what it had, unix microseconds, at most ``end``; 0 where it has all of it.

    Args:
        log: The connection.
        stream: Its name.
        start: What came before is of no interest.
        end: Neither is what came later.
    """
    try:
        state = (await log.js.stream_info(stream)).state
    except NotFoundError:
        return end
    if state.first_seq <= 1:
        return 0
    if not state.messages:
        return end
    first_seq = state.first_seq
    async for delivery in replay(log, stream, from_seq=first_seq, until_seq=first_seq, headers_only=True):
        return min(delivery.stored_at, end) if delivery.stored_at > start else 0
    return end


async def stored_readings(
    log: EventLog, sensor: SensorKey, address: str, start: int, end: int
) -> AsyncGenerator[list[Message], None]:
    """Readings of one sensor in the order in which they were received, those first that came late at their time.

    Args:
        log: The connection.
        sensor: Device, pin and type.
        address: Bus address; empty for the only one of its type on its pin.
        start: First time of measuring, unix microseconds.
        end: What was received then or later is in the stream.

    Raises:
        Refusal: Ingest does not answer, or the database is away.
    """
    esp_id, gpio, sensor_type = sensor
    late: list[tuple[int, int, Message]] = []
    cursor: str | None = None
    while True:
        query = HistoryQuery(
            esp_id=esp_id,
            gpio=gpio,
            sensor_type=sensor_type,
            address=address or None,
            pending=True,
            start=start,
            end=end,
            resolution="raw",
            limit=PAGE,
            cursor=cursor,
        )
        page = await _ask(log, "history", query, History)
        if page is None:
            return
        for reading in page.readings:
            if start <= reading.received_at < end:
                message = Message(reading.received_at, TELEMETRY.name, 0, _batch(sensor, address, page, reading))
                heapq.heappush(late, (reading.received_at, reading.reading_id, message))
        cursor = page.next_cursor
        # Nothing is received before it is measured, and pages are in the order of measuring
        known = page.readings[-1].measured_at if cursor is not None and page.readings else NEVER
        ready = []
        while late and late[0][0] < known:
            ready.append(heapq.heappop(late)[2])
        if ready:
            yield ready
        if cursor is None:
            return


async def stored_beats(log: EventLog, esp_id: str, start: int, end: int) -> AsyncGenerator[list[Message], None]:
    """Heartbeats of one device. Raises and arguments as :func:`stored_readings`."""
    cursor: str | None = None
    while True:
        query = HealthQuery(esp_id=esp_id, start=start, end=end, limit=PAGE, cursor=cursor)
        page: Page[Health] | None = await _ask(log, "health", query, Page[Health])
        if page is None:
            return
        if page.items:
            yield [Message(beat.at, HEARTBEATS.name, 0, _beat(esp_id, beat)) for beat in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return


async def _ask(log: EventLog, name: str, query: msgspec.Struct, answer: type[T]) -> T | None:
    try:
        message = await log.nc.request(subjects.query("ingest", name), msgspec.json.encode(query), timeout=ASK_S)
    except (nats.errors.Error, TimeoutError, OSError) as error:
        words = f"the log has let go of this span, and ingest does not tell what it was: {error!r}"
        raise Refusal(Code.SERVICE_ERROR, words, "start") from error
    reply: Any = msgspec.json.decode(message.data, type=Reply[answer])  # type: ignore[valid-type]
    if reply.problem is not None:
        if reply.problem.code in NOTHING_THERE:
            return None
        raise Refusal(reply.problem.code, f"the log has let go of this span: {reply.problem.detail}", "start")
    found: T = reply.ok
    return found


def _batch(sensor: SensorKey, address: str, page: History, reading: Reading) -> Readings:
    """One reading as it was in the stream, but for its kaiser id, which nobody looks at."""
    esp_id, gpio, sensor_type = sensor
    return Readings(
        kaiser_id="",
        reading_id=[reading.reading_id],
        sensor_id=[page.sensor_id],
        esp_id=[esp_id],
        gpio=[gpio],
        sensor_type=[sensor_type],
        address=[address],
        raw=[reading.raw],
        value=[reading.value],
        unit=[reading.unit],
        quality=[reading.quality],
        measured_at=[reading.measured_at],
        time_source=["device" if reading.time_source == "device" else "server"],
        device_ts=[reading.device_ts],
        received_at=[reading.received_at],
        zone_id=[reading.zone_id],
        subzone_id=[reading.subzone_id],
        pending=[reading.pending],
        flags=[reading.flags],
    )


def _beat(esp_id: str, beat: Health) -> DeviceSaid[Heartbeat]:
    message = Heartbeat(
        esp_id=esp_id,
        ts=beat.at // SECOND,
        uptime=beat.uptime_s,
        heap_free=beat.heap_free_bytes,
        wifi_rssi=beat.wifi_rssi_dbm,
    )
    return DeviceSaid(kaiser_id="", esp_id=esp_id, generation="head", received_at=beat.at, message=message)
