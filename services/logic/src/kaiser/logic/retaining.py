"""How long decisions stay in the table: for months, and not more than there is room for."""

import asyncio
from typing import Annotated, Final

import msgspec
import structlog
from msgspec import Meta

from kaiser.logic import statements
from kaiser.timescale import DatabaseAway, Lifetime, Pool

_log = structlog.get_logger(__name__)

DAY_S: Final = 86_400
TABLE: Final = "decisions"
MIB: Final = 1 << 20

_CHUNKS: Final = statements.read("chunks")
_FORGET: Final = statements.read("forget_runs")
_DROP: Final = "SELECT count(*) FROM drop_chunks('decisions', older_than => %s::timestamptz)"


class RetentionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``KAISER_RETENTION_…``.

    Attributes:
        most_mib: Size of the table at which its oldest weeks go, MiB; 0 for no limit.
        compress_days: Age at which it is compressed, where the database's licence has compression.
        every_s: Seconds between two rounds.
    """

    most_mib: Annotated[int, Meta(ge=0)] = 20_480
    compress_days: Annotated[int, Meta(ge=1)] = 14
    every_s: Annotated[float, Meta(gt=0)] = 3600.0

    @property
    def most_bytes(self) -> int:
        """Size at which the oldest go; 0 for no limit."""
        return self.most_mib * MIB

    def lifetimes(self, runs_days: int) -> tuple[Lifetime, ...]:
        """The same for the table; it keeps decisions for as long as the log does."""
        return (
            Lifetime(
                table=TABLE,
                chunk_s=7 * DAY_S,
                keep_s=runs_days * DAY_S,
                compress_s=self.compress_days * DAY_S,
                segment_by="rule_id",
                order_by="at, n",
            ),
        )


class SizeLimit:
    """Lets the oldest chunks go when the table is too large, and runs whose beginning is gone; the newest stay.

    Args:
        pool: Connections.
        most_bytes: How large it may be; 0 for no limit.
    """

    def __init__(self, pool: Pool, most_bytes: int) -> None:
        self._pool = pool
        self._most_bytes = most_bytes

    async def run(self, every_s: float) -> None:
        """Sweep now and every so many seconds, until cancelled."""
        while True:
            try:
                await self.sweep()
            except DatabaseAway as away:
                _log.warning("the size of the table is not looked at", reason=str(away))
            await asyncio.sleep(every_s)

    async def sweep(self) -> int:
        """How many chunks went.

        Raises:
            DatabaseAway: The database is away.
        """
        most, gone = self._most_bytes, 0
        async with self._pool.connection() as connection:
            chunks = await (await connection.execute(_CHUNKS)).fetchall()
            keep = kept([size for _, size in chunks], most) if most else len(chunks)
            if keep < len(chunks):
                (gone,) = await (await connection.execute(_DROP, (chunks[keep][0],))).fetchone() or (0,)
                _log.warning("decisions are let go, for their table is too large", chunks=gone, most_bytes=most)
            await connection.execute(_FORGET)
        return int(gone)


def kept(sizes: list[int], most: int) -> int:
    """How many chunks stay.

    Args:
        sizes: In bytes, of the newest first.
        most: Bytes.
    """
    total = 0
    for i, size in enumerate(sizes):
        total += size
        if total > most and i:
            return i
    return len(sizes)
