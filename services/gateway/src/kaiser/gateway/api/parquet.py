"""History as a Parquet file, streamed a row group at a time, so that a year needs no more memory than an hour.

Apache Parquet, format 2.6: readers such as pandas, DuckDB and Spark take the types from the file, times included.
"""

import io
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import get
from litestar.response import Stream

from kaiser.contracts import queries
from kaiser.contracts.queries import Resolution
from kaiser.eventlog import EventLog
from kaiser.gateway.api.export import PAGE, attachment, pages
from kaiser.gateway.api.sensors import Address, Asking, From, Pending, To, allowed, span

if TYPE_CHECKING:
    import pyarrow as pa

MEDIA_TYPE: Final = "application/vnd.apache.parquet"
GROUP: Final = 20_000
"""Rows of a row group: large enough for the columns to compress, small enough to hold in memory."""


@get(
    "/sensors/{esp_id:str}/{gpio:int}/{sensor_type:str}/export.parquet",
    tags=["sensors"],
    summary="Export as Parquet",
    media_type=MEDIA_TYPE,
)
async def export_parquet(
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
    """Readings or rollups of one sensor as Parquet, oldest first, all of the span.

    When the owner of the history goes away in the middle, the connection is cut: a Parquet file without its end cannot
    be read, so one that can is whole.
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
    headers = attachment(query, first, "parquet")
    return Stream(_groups(first, following), media_type=MEDIA_TYPE, headers=headers)


async def _groups(first: queries.History, following: AsyncIterator[queries.History]) -> AsyncIterator[bytes]:
    """The file, in the pieces in which it is made."""
    import pyarrow as pa  # noqa: PLC0415  # 40 MiB that only an export needs
    from pyarrow import parquet  # noqa: PLC0415

    schema = _schema(raw=first.resolution == "raw")
    sink = _Sink()
    rows: list[dict[str, Any]] = _rows(first)
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        async for page in following:
            if len(rows) >= GROUP:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows = []
                yield sink.take()
            rows += _rows(page)
        writer.write_table(pa.Table.from_pylist(rows, schema))
    yield sink.take()


class _Sink(io.RawIOBase):
    """Takes what the writer writes, until it is taken away."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, piece: Any) -> int:  # whatever has the buffer protocol
        taken = bytes(piece)
        self._pieces.append(taken)
        self._written += len(taken)
        return len(taken)

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _schema(*, raw: bool) -> "pa.Schema":
    """Columns as those of the CSV."""
    import pyarrow as pa  # noqa: PLC0415  # as above

    instant = pa.timestamp("us", tz="UTC")
    number, text = pa.float64(), pa.dictionary(pa.int32(), pa.string())
    if not raw:
        counts = [(name, pa.int64()) for name in ("count", "errors")]
        numbers = [(name, number) for name in ("minimum", "maximum", "mean", "last")]
        return pa.schema([("start", instant), *counts, *numbers])
    return pa.schema(
        [
            ("measured_at", instant), ("value", number), ("unit", text), ("quality", text), ("raw", number),
            ("time_source", text), ("received_at", instant), ("zone_id", text), ("subzone_id", text), ("flags", text),
        ]
    )  # fmt: skip


def _rows(page: queries.History) -> list[dict[str, Any]]:
    """Rows by column name; times as unix microseconds, which the schema makes instants of."""
    readings = [
        msgspec.structs.asdict(reading) | {"flags": reading.flags.replace(",", " ")} for reading in page.readings
    ]
    return readings or [msgspec.structs.asdict(rollup) for rollup in page.rollups]
