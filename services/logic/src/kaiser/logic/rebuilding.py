"""The tables of logic as they are rebuilt from the log: by its own handler.

The log keeps decisions for as long as the tables do, but the tables let the oldest go when there is no room
(:class:`kaiser.logic.retaining.SizeLimit`), so what is older than their oldest is not compared.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct

from kaiser.logic.projections import CONSUMER, Projections
from kaiser.logic.recording import RUNS, Recording
from kaiser.logic.retaining import DAY_S, RetentionSettings
from kaiser.logic.settings import Settings
from kaiser.service.rebuilding import Projection, Source, Table
from kaiser.service.settings import load
from kaiser.timescale import Database, Pool

STATEMENT_S: Final = 120.0


class Kept(Struct, frozen=True, kw_only=True):
    """What of the service's settings counts here."""

    logic: Settings
    retention: RetentionSettings


@asynccontextmanager
async def projection(database: Database, environ: Mapping[str, str]) -> AsyncIterator[Projection]:
    """Decisions and runs on a database.

    Raises:
        SettingsError: What the environment says of retention is wrong.
    """
    settings = load(Kept, environ)
    keep_s = settings.logic.runs_days * DAY_S
    pool = Pool(database, size=1, patience_s=STATEMENT_S, statement_s=STATEMENT_S)
    await pool.open()
    write = Recording(Projections(pool), lambda: False)
    try:
        yield Projection(
            lanes=((Source(spec=RUNS, consumer=CONSUMER, handle=write.runs),),),
            tables=(
                Table(name="decisions", key=("n", "at"), time="at", keep_s=keep_s, grows=True),
                Table(name="runs", key=("run",), time="at", keep_s=keep_s, grows=True),
            ),
            lifetimes=settings.retention.lifetimes(settings.logic.runs_days),
        )
    finally:
        await pool.close()
