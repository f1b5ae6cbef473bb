"""The tables of the actuator service as they are rebuilt from the log: by its own handlers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct

from kaiser.actuator import recording
from kaiser.actuator.projections import Projections
from kaiser.actuator.settings import RetentionSettings
from kaiser.service.rebuilding import Projection, Source, Table
from kaiser.service.settings import load
from kaiser.timescale import Database, Pool

STATEMENT_S: Final = 120.0


class Settings(Struct, frozen=True, kw_only=True):
    """What of the service's settings counts here."""

    retention: RetentionSettings


@asynccontextmanager
async def projection(database: Database, environ: Mapping[str, str]) -> AsyncIterator[Projection]:
    """Commands and states on a database.

    Raises:
        SettingsError: What the environment says of retention is wrong.
    """
    lifetimes = load(Settings, environ).retention.lifetimes()
    pool = Pool(database, size=1, patience_s=STATEMENT_S, statement_s=STATEMENT_S)
    await pool.open()
    write = recording.Recording(Projections(pool), lambda: False)
    try:
        yield Projection(
            lanes=(
                (Source(spec=recording.COMMAND_EVENTS_SPEC, consumer="commands", handle=write.commands),),
                (Source(spec=recording.STATES_SPEC, consumer="states", handle=write.states),),
            ),
            tables=(
                Table(name="commands", key=("command_id",)),
                Table(name="states", key=("esp_id", "gpio", "at"), time="at", keep_s=lifetimes[0].keep_s),
                Table(name="latest", key=("esp_id", "gpio")),
            ),
            lifetimes=lifetimes,
        )
    finally:
        await pool.close()
