"""Finished readings into tables: rows, rollups and latest of many batches in one statement, each exactly once."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, LiteralString

import msgspec
import structlog
import xxhash
from psycopg import AsyncConnection, AsyncRawCursor

from kaiser.contracts.events.telemetry import Readings
from kaiser.ingest import statements
from kaiser.timescale import (
    BadData,
    Database,
    connect,
    float8_array,
    int8_array,
    timestamp_array,
    translated,
)

_log = structlog.get_logger(__name__)

Context = tuple[str, str, str, str, str, bool, str]
"""Zone, subzone, unit, quality, time source, pending, flags."""

PATIENCE_S: Final = 30.0
"""A transaction that takes longer counts as a database that is away; 10,000 rows take 0.1 s."""

_NOTHING: Final[Mapping[int, int]] = {}
_POSITIVE: Final = (1 << 63) - 1
_MOST_KNOWN: Final = 200_000
_RECORD: Final = statements.read("record")
_CONTEXTS: Final = statements.read("contexts")
_SENSORS: Final = statements.read("sensors")


class Recorded(msgspec.Struct, frozen=True):
    """What one transaction did.

    Attributes:
        seen: Readings it was given.
        stored: Those that were new.
        took_s: Seconds until it was committed.
    """

    seen: int
    stored: int
    took_s: float


class Contexts(dict[Context, int]):
    """Context ids by content; notes which ones the database was not told of yet."""

    def __init__(self) -> None:
        super().__init__()
        self.untold: dict[int, Context] = {}

    def __missing__(self, context: Context) -> int:
        """Make an id."""
        if len(self) >= _MOST_KNOWN:
            self.clear()
        text = "\x1f".join(map(str, context))
        made = self[context] = xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) & _POSITIVE
        self.untold[made] = context
        return made


class Recorder:
    """Writes batches over a connection of its own, which it opens when it has none."""

    def __init__(self, database: Database, *, consumer: str = "recorder") -> None:
        """Describe the recorder; nothing is opened yet.

        Args:
            database: Where the tables of schema ``ingest`` are.
            consumer: Name of its row in ``ingest.progress``.
        """
        self._database = database
        self._consumer = consumer
        self._connection: AsyncConnection | None = None
        self._contexts = Contexts()
        self._sensors: set[int] = set()

    async def record(
        self, batches: Sequence[Readings], stream_seq: int, *, dropped: Mapping[int, int] = _NOTHING
    ) -> Recorded:
        """Write batches in one transaction; when it returns they are committed.

        Args:
            batches: In the order of the stream.
            stream_seq: Stream sequence of the last one.
            dropped: Readings that were left out of a batch, by its stream sequence; for the ledger.

        Raises:
            DatabaseAway: Nothing was written, or it is not known; the same batches may be given again.
            BadData: A value was refused and nothing written; the batch that holds it is found by giving them singly.
        """
        began = time.monotonic()
        rows = batches[0] if len(batches) == 1 else _joined(batches)
        with translated():
            ledger = (self._consumer, stream_seq, int8_array(tuple(dropped)), int8_array(tuple(dropped.values())))
            parameters = (*self._columns(rows), *ledger)
            connection = await self._connected()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._introduce(connection, rows)
                    cursor = AsyncRawCursor(connection)
                    await cursor.execute(_RECORD, parameters, prepare=True)
                    seen, stored = await cursor.fetchone() or (0, 0)
            except BaseException:
                await self.close()  # whatever state it is in
                raise
        return Recorded(seen, stored, time.monotonic() - began)

    async def close(self) -> None:
        """Close the connection; the next batch opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _columns(self, rows: Readings) -> tuple[object, ...]:
        """The columns of ``record.sql``, packed."""
        contexts = self._contexts
        described = zip(
            rows.zone_id, rows.subzone_id, rows.unit, rows.quality, rows.time_source, rows.pending, rows.flags,
            strict=True,
        )  # fmt: skip
        try:
            return (
                int8_array(rows.sensor_id),
                timestamp_array(rows.measured_at),
                int8_array(rows.reading_id),
                timestamp_array(rows.received_at),
                int8_array(rows.device_ts),
                int8_array([contexts[context] for context in described]),
                float8_array(rows.raw),
                float8_array(rows.value),
            )
        except (OverflowError, TypeError, ValueError) as error:
            raise BadData(f"a column does not fit into 8 bytes: {error}") from error

    async def _connected(self) -> AsyncConnection:
        if self._connection is None or self._connection.closed:
            connection = await connect(self._database)
            # An array's length is not known to the planner, so the plan for one length is as good as for another.
            await connection.execute("SET plan_cache_mode = force_generic_plan")
            await connection.execute("SET jit = off")  # compiling costs more than 10,000 rows take
            self._connection = connection
        return self._connection

    async def _introduce(self, connection: AsyncConnection, rows: Readings) -> None:
        """Tell the database of sensors and contexts that it may not have; before, not within, the transaction."""
        if untold := self._contexts.untold:
            await write_contexts(connection, untold)
            self._contexts.untold = {}
        met = set(rows.sensor_id)
        if strange := met - self._sensors:
            facets = zip(rows.sensor_id, rows.esp_id, rows.gpio, rows.sensor_type, rows.address, strict=True)
            unique = {facet[0]: facet for facet in facets if facet[0] in strange}
            named = (tuple(map(_storable, facet)) for facet in unique.values())
            await _execute(connection, _SENSORS, zip(*named, strict=True))
            if len(self._sensors) >= _MOST_KNOWN:
                self._sensors.clear()
            self._sensors |= met


async def write_contexts(connection: AsyncConnection, untold: Mapping[int, Context]) -> None:
    """Tell the database of contexts, by their ids."""
    described = zip(*((number, *map(_storable, context)) for number, context in untold.items()), strict=True)
    await _execute(connection, _CONTEXTS, described)


async def _execute(connection: AsyncConnection, statement: LiteralString, columns: Iterable[object]) -> None:
    await AsyncRawCursor(connection).execute(statement, [list(column) for column in columns])  # type: ignore[call-overload]


def _storable(value: object) -> object:
    """PostgreSQL's text has no NUL and no lone surrogate, which JSON strings may have."""
    if isinstance(value, str):
        return value.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    return value


def _joined(batches: Sequence[Readings]) -> Readings:
    """Batches as one, in order; the kaiser id is nothing that rows keep."""
    columns: dict[str, list[object]] = {}
    for name in Readings.__struct_fields__:
        if name != "kaiser_id":
            column = columns[name] = []
            for batch in batches:
                column += getattr(batch, name)
    return msgspec.structs.replace(batches[0], **columns)
