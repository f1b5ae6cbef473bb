"""History as a file: CSV (RFC 4180), streamed a page at a time, so that a year needs no more memory than an hour."""

import csv
import io
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import Final

import msgspec
from litestar import get
from litestar.response import Stream

from kaiser.contracts import queries
from kaiser.contracts.queries import Resolution
from kaiser.eventlog import EventLog
from kaiser.gateway.api import views
from kaiser.gateway.api.sensors import Address, Asking, From, Pending, To, allowed, span
from kaiser.gateway.asking import ask

PAGE: Final = 2000
NO_NAME: Final = re.compile(r"[^A-Za-z0-9_.-]")
"""What a device may have put into its sensor's type, and no header should hold."""
READING_COLUMNS: Final = (
    "measured_at", "value", "unit", "quality", "raw", "time_source", "received_at", "zone_id", "subzone_id", "flags",
)  # fmt: skip
ROLLUP_COLUMNS: Final = ("start", "count", "errors", "minimum", "maximum", "mean", "last")


@get(
    "/sensors/{esp_id:str}/{gpio:int}/{sensor_type:str}/export.csv",
    tags=["sensors"],
    summary="Export history",
    media_type="text/csv",
)
async def export(
    event_log: EventLog,
    request: Asking,
    esp_id: str,
    gpio: int,
    sensor_type: str,
    from_: From = None,
    to: To = None,
    resolution: Resolution = "raw",
    address: Address = None,
    pending: Pending = False,
) -> Stream:
    """Readings or rollups of one sensor as CSV, oldest first, all of the span; null is an empty field.

    When the owner of the history goes away in the middle, the connection is cut: a file that ended well is whole.
    """
    start, end = span(from_, to)
    query = queries.HistoryQuery(
        esp_id=esp_id,
        gpio=gpio,
        sensor_type=sensor_type,
        address=address,
        start=start,
        end=end,
        resolution=resolution,
        limit=PAGE,
        pending=allowed(pending, request),
    )
    following = pages(event_log, query)
    first = await anext(following)  # so that a refusal is a problem, not a file
    headers = attachment(query, first, "csv")
    return Stream(_lines(first, following), media_type="text/csv; charset=utf-8", headers=headers)


async def pages(event_log: EventLog, query: queries.HistoryQuery) -> AsyncGenerator[queries.History, None]:
    """All of a span, a page at a time.

    Raises:
        ProblemError: The owner of the history refuses, or is away.
    """
    while True:
        page = await ask(event_log, "ingest", "history", query, queries.History)
        yield page
        if page.next_cursor is None:
            return
        query = msgspec.structs.replace(query, cursor=page.next_cursor)


def attachment(query: queries.HistoryQuery, page: queries.History, suffix: str) -> dict[str, str]:
    """The header that names a file."""
    name = NO_NAME.sub("_", f"{query.esp_id}-{query.gpio}-{query.sensor_type}-{page.resolution}.{suffix}")
    return {"Content-Disposition": f'attachment; filename="{name}"'}


async def _lines(first: queries.History, following: AsyncIterator[queries.History]) -> AsyncIterator[bytes]:
    yield _csv([READING_COLUMNS if first.resolution == "raw" else ROLLUP_COLUMNS])
    yield _csv(_rows(views.history(first)))
    async for page in following:
        yield _csv(_rows(views.history(page)))


def _rows(page: views.HistoryView) -> Iterable[Iterable[object]]:
    for reading in page.readings:
        fields = msgspec.to_builtins(reading) | {"flags": " ".join(reading.flags)}
        yield [fields[column] for column in READING_COLUMNS]
    for rollup in page.rollups:
        fields = msgspec.to_builtins(rollup)
        yield [fields[column] for column in ROLLUP_COLUMNS]


def _csv(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
