"""The database within the frame: whether it answers, and its schema brought up to date once it does."""

import asyncio
from typing import Final, LiteralString

import structlog

from kaiser.service.health import Finding, State
from kaiser.timescale import Database, DatabaseAway, Pool, migrate, read_edition, wait_for_database

_log = structlog.get_logger(__name__)

LOOK_S: Final = 3.0
LOOK_AGAIN_S: Final = 0.5
MIGRATE_AGAIN_S: Final = 2.0


class DatabaseWatch:
    """Whether the database answers, looked at now and then, so that a probe need not.

    Args:
        pool: Connections.
        look: A statement that works once the schema is there.
        meanwhile: What goes on while it is away, in words.
    """

    def __init__(self, pool: Pool, look: LiteralString, *, meanwhile: str) -> None:
        self._pool = pool
        self._look = look
        self._meanwhile = meanwhile
        self._finding = Finding(State.STARTING, "waiting for the database")

    def finding(self) -> Finding:
        """What the last look showed."""
        return self._finding

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            try:
                async with self._pool.connection() as connection:
                    await connection.execute(self._look)
                self._finding = Finding(State.OK)
            except DatabaseAway as away:
                starting = self._finding.state is State.STARTING
                words = f"{away}; {self._meanwhile}"
                self._finding = Finding(State.STARTING if starting else State.FAILING, words)
            await asyncio.sleep(LOOK_S if self._finding.state is State.OK else LOOK_AGAIN_S)


async def prepare(database: Database, *, package: str, schema: str) -> None:
    """Wait for the database and bring a schema up to date, however often it goes away meanwhile."""
    while True:
        connection = await wait_for_database(database)
        try:
            edition = await read_edition(connection)
            applied = await migrate(database, package=package, schema=schema)
        except DatabaseAway as away:
            _log.warning("the database is not ready, waiting", schema=schema, reason=str(away))
            await asyncio.sleep(MIGRATE_AGAIN_S)
        else:
            _log.info("database ready", timescaledb=edition.version, licence=edition.licence, migrations=applied)
            return
        finally:
            await connection.close()
