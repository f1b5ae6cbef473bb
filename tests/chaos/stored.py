"""What became of readings: in the streams, in the database, and whether everything there agrees."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final, LiteralString

import msgspec
import psycopg
from nats.js.errors import NotFoundError

from kaiser.eventlog import EventLog, replay
from kaiser.local.ephemeral import Postgres

from .load import Load, Reading

LIMIT_S: Final = 60.0
LOOK_AGAIN_S: Final = 0.1

ROWS: Final = """
SELECT s.esp_id, s.gpio, s.sensor_type, s.address, r.raw::integer, r.device_ts,
       CASE WHEN r.device_ts = 0 THEN 0 ELSE r.reading_id END
FROM ingest.readings r JOIN ingest.sensors s USING (sensor_id)
"""
"""A reading without a clock gets its id from the bridge, from the boot and the window of arrival."""

COUNT: Final = "SELECT count(*) FROM ingest.readings"

WRONG_MINUTES: Final = """
WITH truth AS (
    SELECT sensor_id, time_bucket('1 minute', measured_at) AS bucket, count(*) AS count, sum(value) AS total,
           min(value) AS minimum, max(value) AS maximum
    FROM ingest.readings GROUP BY 1, 2
)
SELECT * FROM truth FULL JOIN ingest.rollup_1m AS r USING (sensor_id, bucket)
WHERE (truth.count, truth.minimum, truth.maximum) IS DISTINCT FROM (r.count::bigint, r.minimum, r.maximum)
   OR truth.total IS NULL OR r.total IS NULL OR abs(truth.total - r.total) > 1e-6
"""

WRONG_HOURS: Final = """
WITH truth AS (
    SELECT sensor_id, time_bucket('1 hour', measured_at) AS bucket, count(*) AS count, sum(value) AS total,
           min(value) AS minimum, max(value) AS maximum
    FROM ingest.readings GROUP BY 1, 2
)
SELECT * FROM truth FULL JOIN ingest.rollup_1h AS r USING (sensor_id, bucket)
WHERE (truth.count, truth.minimum, truth.maximum) IS DISTINCT FROM (r.count::bigint, r.minimum, r.maximum)
   OR truth.total IS NULL OR r.total IS NULL OR abs(truth.total - r.total) > 1e-6
"""

WRONG_LATEST: Final = """
WITH truth AS (SELECT sensor_id, max(measured_at) AS measured_at FROM ingest.readings GROUP BY 1)
SELECT * FROM truth FULL JOIN ingest.latest AS l USING (sensor_id)
WHERE truth.measured_at IS DISTINCT FROM l.measured_at
"""


class Columns(msgspec.Struct):
    """What raw and finished batches have in common."""

    esp_id: list[str]
    gpio: list[int]
    sensor_type: list[str]
    address: list[str]
    raw: list[float]
    device_ts: list[int]
    reading_id: list[int]


_decode = msgspec.json.Decoder(Columns).decode


async def rows(postgres: Postgres, query: LiteralString = ROWS) -> list[tuple[Any, ...]]:
    """Rows of a query, asked as the owner of the database."""
    async with await psycopg.AsyncConnection.connect(postgres.dsn(), autocommit=True, connect_timeout=5) as connection:
        return await (await connection.execute(query)).fetchall()


async def count(postgres: Postgres) -> int:
    """How many rows; -1 while the database is away or has no tables yet."""
    with contextlib.suppress(psycopg.Error):
        return int((await rows(postgres, COUNT))[0][0])
    return -1


async def logged(log: EventLog, stream: str) -> Counter[Reading]:
    """How often each reading is in a stream."""
    found: Counter[Reading] = Counter()
    with contextlib.suppress(NotFoundError):
        async for delivery in replay(log, stream):
            c = _decode(delivery.data)
            found.update(
                Reading(esp_id, gpio, kind, address, int(raw), ts, reading_id if ts else 0)
                for esp_id, gpio, kind, address, raw, ts, reading_id in zip(
                    c.esp_id, c.gpio, c.sensor_type, c.address, c.raw, c.device_ts, c.reading_id, strict=True
                )
            )
    return found


async def until(condition: Callable[[], Awaitable[Any]], *, within_s: float = LIMIT_S) -> Any:
    """Wait until an awaited condition holds, and return what it gave."""
    async with asyncio.timeout(within_s):
        while not (found := await condition()):  # noqa: ASYNC110 - what is waited for is in other processes
            await asyncio.sleep(LOOK_AGAIN_S)
    return found


async def caught_up(postgres: Postgres, load: Load, *, since: float, what: str) -> float:
    """Wait until every reading acknowledged by a moment ago is stored while more come; prints how long it took.

    Args:
        postgres: The database.
        load: The readings under way; all rows are theirs.
        since: When the fault was over, on the monotonic clock.
        what: The fault, for the print.

    Returns:
        Seconds since then.
    """

    async def nothing_waits() -> bool:
        acknowledged = len(load.acknowledged)
        await asyncio.sleep(0.25)
        return await count(postgres) >= acknowledged

    await until(nothing_waits)
    took_s = time.monotonic() - since
    print(f"\n{what}: everything caught up {took_s:.1f} s after the restart began")
    return took_s


async def assert_each_stored_once(
    postgres: Postgres, log: EventLog, expected: Collection[Reading], *, others: Collection[str] = ()
) -> None:
    """Compare by content: database and streams hold exactly these, the database each once, and its rollups agree.

    Args:
        postgres: The database.
        log: The log.
        expected: The readings.
        others: Devices that said something as well.
    """
    wanted = set(expected)
    await assert_each_row_once(postgres, expected, others=others)
    raw, finished = [_without(others, await logged(log, stream)) for stream in ("TELEMETRY_RAW", "TELEMETRY")]
    _compare("TELEMETRY_RAW", raw, wanted)
    _compare("TELEMETRY", finished, wanted)
    print(
        f"{len(wanted)} readings stored once; delivered again: {raw.total() - len(wanted)} in TELEMETRY_RAW,"
        f" {finished.total() - len(wanted)} in TELEMETRY"
    )


async def assert_each_row_once(
    postgres: Postgres, expected: Collection[Reading], *, others: Collection[str] = ()
) -> None:
    """The same for the database alone."""
    wanted = set(expected)
    assert len(wanted) == len(expected), "the load itself repeats readings"

    async def enough() -> bool:
        if await count(postgres) < len(wanted):
            return False
        return not others or _without(others, await stored(postgres)).total() >= len(wanted)

    try:
        await until(enough)
    except TimeoutError:
        print("not everything arrived in time")
    found = _without(others, await stored(postgres))
    _compare("the database", found, wanted)
    assert [reading for reading, times in found.items() if times > 1] == []
    await assert_projections_agree(postgres)


async def stored(postgres: Postgres) -> Counter[Reading]:
    """How often each reading is in the database."""
    return Counter(Reading(*row) for row in await rows(postgres))


async def assert_projections_agree(postgres: Postgres) -> None:
    """Rollups and latest are what the rows say."""
    for query in (WRONG_MINUTES, WRONG_HOURS, WRONG_LATEST):
        assert await rows(postgres, query) == []


def _without(devices: Collection[str], found: Counter[Reading]) -> Counter[Reading]:
    return Counter({reading: times for reading, times in found.items() if reading.esp_id not in devices})


def _compare(where: str, found: Counter[Reading], wanted: set[Reading]) -> None:
    missing, strange = wanted - found.keys(), found.keys() - wanted
    assert not missing, f"{len(missing)} of {len(wanted)} are missing in {where}, such as {min(missing)}"
    assert not strange, f"{len(strange)} in {where} were never sent, such as {min(strange)}"
