"""Retention and compression: TimescaleDB's own policies where the licence has them, else our own ``drop_chunks``."""

import asyncio
from collections.abc import Sequence
from typing import Final, LiteralString

import msgspec
import structlog
import xxhash
from psycopg import AsyncConnection, sql

from kaiser.timescale.connecting import Database, connect
from kaiser.timescale.errors import TimescaleError, translated
from kaiser.timescale.licence import read_edition

_log = structlog.get_logger(__name__)

_DAY_S: Final = 86_400

_TRY_LOCK: LiteralString = "SELECT pg_try_advisory_lock(%s)"
_DROP: LiteralString = "SELECT count(*) FROM drop_chunks(%s::regclass, older_than => make_interval(secs => %s))"
_SET_CHUNK: LiteralString = "SELECT set_chunk_time_interval(%s::regclass, make_interval(secs => %s))"
_KEEP_POLICY: LiteralString = """
SELECT remove_retention_policy(%(table)s::regclass, if_exists => true),
       add_retention_policy(%(table)s::regclass, drop_after => make_interval(secs => %(age)s))
"""
_COMPRESS_POLICY: LiteralString = """
SELECT remove_compression_policy(%(table)s::regclass, if_exists => true),
       add_compression_policy(%(table)s::regclass, compress_after => make_interval(secs => %(age)s))
"""


class Lifetime(msgspec.Struct, frozen=True, kw_only=True):
    """How long a hypertable keeps its rows.

    Attributes:
        table: Its name.
        chunk_s: Span of one chunk, the unit in which rows are dropped, seconds.
        keep_s: Age at which a chunk is dropped, seconds; None keeps for ever.
        compress_s: Age at which a chunk is compressed, where the licence has compression; None never.
        segment_by: Column that compressed batches are grouped by.
        order_by: Columns that rows within them are ordered by.
    """

    table: str
    chunk_s: int = _DAY_S
    keep_s: int | None = None
    compress_s: int | None = None
    segment_by: LiteralString = ""
    order_by: LiteralString = ""


class Retention:
    """Lets old chunks go. Of several instances one works at a time; the others find the lock taken and wait."""

    def __init__(self, database: Database, lifetimes: Sequence[Lifetime], *, every_s: float = 3600.0) -> None:
        self._database = database
        self._lifetimes = tuple(lifetimes)
        self._every_s = every_s
        names = ",".join(sorted(lifetime.table for lifetime in lifetimes))
        self._handed_over = False
        self._lock = xxhash.xxh3_64_intdigest(f"kaiser.retention.{database.schema}.{names}".encode()) >> 1

    async def run(self) -> None:
        """Sweep now and every ``every_s`` seconds, until cancelled; a database that is away is tried again."""
        while True:
            try:
                await self.sweep()
            except TimescaleError as error:
                _log.warning("retention has to wait", reason=str(error))
                await asyncio.sleep(min(60.0, self._every_s))
            else:
                await asyncio.sleep(self._every_s)

    async def sweep(self) -> dict[str, int]:
        """Apply every lifetime once.

        Returns:
            Chunks dropped here, by table; empty where the server's own policies do it, or another instance is at it.

        Raises:
            DatabaseAway: The database is away.
        """
        connection = await connect(self._database)
        try:
            edition = await read_edition(connection)
            with translated():
                if await _scalar(connection, _TRY_LOCK, (self._lock,)) is not True:
                    return {}
                for lifetime in self._lifetimes:
                    await connection.execute(_SET_CHUNK, (lifetime.table, lifetime.chunk_s))
                if edition.has_policies:
                    await self._hand_over(connection)
                    return {}
                return await self._drop(connection)
        finally:
            await connection.close()

    async def _drop(self, connection: AsyncConnection) -> dict[str, int]:
        dropped = {}
        for lifetime in self._lifetimes:
            if lifetime.keep_s is not None:
                gone = await _scalar(connection, _DROP, (lifetime.table, lifetime.keep_s))
                dropped[lifetime.table] = int(str(gone))
                if gone:
                    _log.info("old chunks dropped", table=lifetime.table, chunks=gone, keep_s=lifetime.keep_s)
        return dropped

    async def _hand_over(self, connection: AsyncConnection) -> None:
        """Set up the server's own policies, once: doing it again would start their jobs anew."""
        if self._handed_over:
            return
        for lifetime in self._lifetimes:
            if lifetime.keep_s is not None:
                await connection.execute(_KEEP_POLICY, {"table": lifetime.table, "age": lifetime.keep_s})
        for lifetime in self._lifetimes:
            if lifetime.compress_s is not None:
                await _switch_compression_on(connection, lifetime)
                await connection.execute(_COMPRESS_POLICY, {"table": lifetime.table, "age": lifetime.compress_s})
        self._handed_over = True
        _log.info("the server keeps retention and compression by its own policies")


async def _switch_compression_on(connection: AsyncConnection, lifetime: Lifetime) -> None:
    await connection.execute(
        sql.SQL(
            "ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_segmentby = {},"
            " timescaledb.compress_orderby = {})"
        ).format(sql.Identifier(lifetime.table), sql.Literal(lifetime.segment_by), sql.Literal(lifetime.order_by))
    )


async def _scalar(connection: AsyncConnection, query: LiteralString, parameters: tuple[object, ...]) -> object:
    row = await (await connection.execute(query, parameters)).fetchone()
    return row[0] if row else None
