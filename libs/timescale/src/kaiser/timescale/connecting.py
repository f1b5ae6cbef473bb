"""Connections and the pool: how a service reaches its database, waits for it, and notices that it went."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import structlog
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from kaiser.timescale import arrays, times
from kaiser.timescale.errors import DatabaseAway, translated

_log = structlog.get_logger(__name__)

_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 5.0


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """Where the database is and how this service appears there.

    Attributes:
        dsn: Connection string or URI without a password.
        password: Of the role in ``dsn``; None where the server asks for none.
        application_name: Shown in ``pg_stat_activity``.
        schema: Schema that statements mean, which name tables alone: that of the service, or one beside it that is
            being rebuilt. Empty for what the role has by default.
        role: Role to act as, where that is not the one that connects; empty where it is.
        durable: Whether a commit waits until it is on disk. Only who finds out after a crash how far it had come, and
            does the rest again, may do without.
        connect_timeout_s: Patience with one attempt to connect.
        unheard_s: A connection whose packets nobody acknowledges for this long is dead (a lost host says nothing).
    """

    dsn: str
    password: str | None = None
    application_name: str
    schema: str = ""
    role: str = ""
    durable: bool = True
    connect_timeout_s: int = 3
    unheard_s: int = 10

    def conninfo(self) -> str:
        """The libpq connection string, password included: not for logs."""
        given = {"password": self.password} if self.password else {}
        if options := self._options():
            given["options"] = options
        return make_conninfo(
            self.dsn,
            application_name=self.application_name,
            connect_timeout=self.connect_timeout_s,
            keepalives_idle=self.unheard_s,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=self.unheard_s * 1000,
            **given,
        )

    def _options(self) -> str:
        """What the session starts with, behind what the connection string says of that."""
        names = {"search_path": f"{self.schema},public" if self.schema else "", "role": self.role}
        said = [f"-c{name}={value}" for name, value in names.items() if value]
        if not self.durable:
            said.append("-csynchronous_commit=off")
        return " ".join([*filter(None, [str(conninfo_to_dict(self.dsn).get("options") or "")]), *said]) if said else ""


async def connect(database: Database) -> AsyncConnection:
    """One connection, the caller's to close: autocommit, every statement prepared, microseconds for times.

    Raises:
        DatabaseAway: Nobody answers, or the server does not let us in.
    """
    with translated():
        connection = await AsyncConnection.connect(database.conninfo(), autocommit=True, prepare_threshold=0)
    await _configure(connection)
    return connection


async def wait_for_database(database: Database) -> AsyncConnection:
    """A connection as soon as the database answers; until then try with growing pauses, and say so every minute."""
    waited = 0.0
    said_at = -60.0
    pause = _FIRST_WAIT_S
    while True:
        try:
            connection = await connect(database)
        except DatabaseAway as away:
            if waited - said_at >= 60:
                _log.warning("waiting for the database", reason=str(away), waited_s=round(waited))
                said_at = waited
            jittered = pause * random.uniform(0.5, 1.0)  # noqa: S311  # spreads reconnects, keeps no secret
            await asyncio.sleep(jittered)
            waited += jittered
            pause = min(pause * 2, _LONGEST_WAIT_S)
        else:
            if waited:
                _log.info("the database answers", waited_s=round(waited, 1))
            return connection


class PoolUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool does at this moment, and what it did since it was opened.

    Attributes:
        open: Connections.
        idle: Of these, the ones that nobody uses.
        waiting: Callers that wait for one.
        waits: Times that a caller had to wait.
        waited_s: Seconds that they waited, all together.
    """

    open: int
    idle: int
    waiting: int
    waits: int
    waited_s: float


class Pool:
    """Connections for short reads. Opens without the database, and answers quickly that it is away."""

    def __init__(self, database: Database, *, size: int = 4, patience_s: float = 1.0, statement_s: float = 5.0) -> None:
        """Describe the pool; :meth:`open` fills it.

        Args:
            database: Where to connect.
            size: Most connections at a time; one is kept open.
            patience_s: How long a caller waits for a connection before the database counts as away.
            statement_s: How long one use of a connection may take before the database counts as away.
        """
        self._statement_s = statement_s
        self._pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
            database.conninfo(),
            min_size=1,
            max_size=size,
            timeout=patience_s,
            reconnect_timeout=_LONGEST_WAIT_S,
            kwargs={"autocommit": True, "prepare_threshold": 1},
            configure=_configure,
            open=False,
            name=database.application_name,
        )

    async def open(self) -> None:
        """Begin to connect, in the background."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close(timeout=2)

    def use(self) -> PoolUse:
        """How busy it is."""
        stats = self._pool.get_stats()
        return PoolUse(
            open=stats.get("pool_size", 0),
            idle=stats.get("pool_available", 0),
            waiting=stats.get("requests_waiting", 0),
            waits=stats.get("requests_queued", 0),
            waited_s=stats.get("requests_wait_ms", 0) / 1000,
        )

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection in autocommit mode for the time of the block.

        Raises:
            DatabaseAway: None came free in time, it broke while used, or the block took too long.
            BadData: The database refused a value.
        """
        with translated():
            async with asyncio.timeout(self._statement_s), self._pool.connection() as connection:
                yield connection


async def _configure(connection: AsyncConnection) -> None:
    arrays.register(connection)
    times.register(connection)
