"""The database within the frame: whether it answers, and its schema brought up to date once it does."""

import asyncio
import time
from collections.abc import Iterable
from typing import Final, LiteralString

import structlog
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from kaiser.service.frame import Frame
from kaiser.service.health import Finding, State
from kaiser.timescale import Database, DatabaseAway, Pool, migrate, read_edition, wait_for_database

_log = structlog.get_logger(__name__)

LOOK_S: Final = 3.0
LOOK_AGAIN_S: Final = 0.5
HANGS_S: Final = 5.0
"""A look that takes longer shows a server that hangs; it is not given up, for psycopg cannot without the server."""
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
        self._service = ""
        self._finding = Finding(State.STARTING, f"waiting for the database; {meanwhile}")
        self._looking_since = 0.0

    def show(self, frame: Frame) -> None:
        """In a service's health and metrics."""
        self._service = frame.name
        frame.health.add("database", self.finding)
        frame.registry.register(self)

    def finding(self) -> Finding:
        """What the last look showed, or that it does not end."""
        waits_s = time.monotonic() - self._looking_since if self._looking_since else 0.0
        if waits_s > HANGS_S and self._finding.state is State.OK:
            return Finding(State.FAILING, f"the database hangs: no answer for {waits_s:.0f} s; {self._meanwhile}")
        return self._finding

    def collect(self) -> Iterable[Metric]:
        """How busy the pool is, for metrics."""
        use, prefix = self._pool.use(), f"kaiser_{self._service}_database"
        connections = GaugeMetricFamily(f"{prefix}_connections", "Connections of the pool.", labels=["state"])
        connections.add_metric(["idle"], use.idle)
        connections.add_metric(["used"], use.open - use.idle)
        yield connections
        yield GaugeMetricFamily(f"{prefix}_waiting", "Callers that wait for a connection.", use.waiting)
        yield CounterMetricFamily(f"{prefix}_waits", "Times that a caller waited for a connection.", value=use.waits)
        yield CounterMetricFamily(
            f"{prefix}_wait_seconds", "Seconds that callers waited for connections.", value=use.waited_s
        )

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            self._looking_since = time.monotonic()
            try:
                async with self._pool.connection() as connection:
                    await connection.execute(self._look)
                self._finding = Finding(State.OK)
            except DatabaseAway as away:
                starting = self._finding.state is State.STARTING
                words = f"the database is away ({away}); {self._meanwhile}"
                self._finding = Finding(State.STARTING if starting else State.FAILING, words)
            self._looking_since = 0.0
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
