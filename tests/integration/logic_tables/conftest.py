"""Everything around logic's tables but the process: a real log, a real database, and an engine that decides."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.unit.logic.builders import Site

from kaiser.contracts import subjects
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.logic import ORDER_EVENTS
from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import BatchConsumer, Event, EventLog, connect, ensure_streams
from kaiser.logic.projections import Projections
from kaiser.logic.recording import RUNS, Recording
from kaiser.logic.rules import Rules
from kaiser.timescale import Database, Pool, migrate

PATIENCE_S = 60.0


@pytest.fixture
async def log(nats_server) -> AsyncIterator[EventLog]:
    async with await connect(nats_server.url, name="test") as log:
        await ensure_streams(log, STREAMS)
        yield log


@pytest.fixture
async def database(postgres) -> Database:
    database = Database(dsn=postgres.dsn("kaiser_logic"), application_name="test")
    await migrate(database, package="kaiser.logic", schema="logic")
    return database


@pytest.fixture
async def pool(database) -> AsyncIterator[Pool]:
    pool = Pool(database)
    await pool.open()
    yield pool
    await pool.close()


@pytest.fixture
def rows(pool) -> Callable[..., Any]:
    """Rows of a statement."""

    async def rows(statement, *parameters):
        async with pool.connection() as connection:
            return await (await connection.execute(statement, parameters)).fetchall()

    return rows


@pytest.fixture
async def recorder(log, pool) -> AsyncIterator[BatchConsumer]:
    """Writes decisions into the table."""
    recording = Recording(Projections(pool), lambda: False)
    consumer = BatchConsumer(log, RUNS, recording.runs, service="logic")
    task = asyncio.create_task(consumer.run())
    yield consumer
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.fixture
async def rules(log) -> AsyncIterator[Rules]:
    """What became of each rule, followed."""
    rules = Rules(log)
    task = asyncio.create_task(rules.run())
    await rules.wait_caught_up()
    yield rules
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.fixture
def tell(log) -> Callable[[Site], Any]:
    """Publish what an engine decided since the last time; the sequence of the last of it."""
    told = 0

    async def tell(site: Site) -> int:
        nonlocal told
        seq = 0
        for decision in site.decisions[told:]:
            if not isinstance(decision, ORDER_EVENTS):
                seq = (await log.publish(event_of(decision))).seq
        told = len(site.decisions)
        return seq

    return tell


@pytest.fixture
def written(rows) -> Callable[[int], Any]:
    """Return when the table has everything up to a sequence."""

    async def written(seq: int) -> None:
        async def done() -> bool:
            found = await rows("SELECT stream_seq FROM logic.progress WHERE consumer = 'runs'")
            return bool(found) and found[0][0] >= seq

        await until(done)

    return written


def event_of(decision: Any) -> Event:
    return Event(
        id=f"decision.{decision.n}",
        subject=subjects.run(decision.rule_id),
        type=decision.TYPE,
        data=encode(decision),
        source="kaiser/logic",
        time=decision.at,
    )


async def until(condition: Callable[[], Any]) -> None:
    """Return when a condition is true."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110  # the table tells nobody
            await asyncio.sleep(0.02)
