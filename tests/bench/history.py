"""Latency of a history question: a day of one sensor at one reading a second, as one-minute rollup.

    python tests/bench/history.py [--sensors 200] [--days 8] [--questions 500]

Rollups of many sensors and days are there, written minute after minute as the recorder writes them, so that the rows
of one sensor lie far apart. Questions go through the answerer of ingest (decode, query, encode), one after the other,
each for another sensor and day, the first of each cold in the connection's cache.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from kaiser.contracts import subjects
from kaiser.contracts.events.telemetry import Readings
from kaiser.ingest.api import answerer, questions
from kaiser.ingest.projections import Recorder
from kaiser.ingest.queries import Queries
from kaiser.ingest.sensors import sensor_id
from kaiser.local.ephemeral import Postgres
from kaiser.local.tree import ensure_tree
from kaiser.timescale import Database, Pool, connect, migrate

DAY_S = 86_400
US = 1_000_000
HISTORY = subjects.query("ingest", "history")

FILL = """
INSERT INTO ingest.rollup_1m (sensor_id, bucket, count, errors, total, minimum, maximum, last,
                              last_measured_at, last_received_at, last_id)
SELECT sensor_id, bucket, 60, 0, 1500, 20, 30, 25, bucket, bucket, 1
FROM generate_series(%s::timestamptz, %s::timestamptz - interval '1 minute', interval '1 minute') AS bucket,
     unnest(%s::bigint[]) AS sensor_id
"""


async def introduce(database: Database, facets: list[tuple[str, int, str, str]], at: int) -> None:
    """One reading of each sensor, so that it is known."""
    n = len(facets)
    esp_id, gpio, sensor_type, address = map(list, zip(*facets, strict=True))
    recorder = Recorder(database)
    batch = Readings(
        kaiser_id="god", reading_id=list(range(n)), sensor_id=[sensor_id(*facet) for facet in facets], esp_id=esp_id,
        gpio=gpio, sensor_type=sensor_type, address=address, raw=[400.0] * n, value=[25.0] * n, unit=["°C"] * n,
        quality=["good"] * n, measured_at=[at] * n, time_source=["device"] * n, device_ts=[at // US] * n,
        received_at=[at] * n, zone_id=["north"] * n, subzone_id=[""] * n, pending=[False] * n, flags=[""] * n,
    )  # fmt: skip
    await recorder.record([batch], 1)
    await recorder.close()


async def run(arguments: argparse.Namespace, server: Postgres) -> None:
    database = Database(dsn=server.dsn("kaiser_ingest"), application_name="bench")
    await migrate(database, package="kaiser.ingest", schema="ingest")
    facets = [(f"ESP_{i:06X}", 4, "ds18b20", f"28{i:014x}") for i in range(arguments.sensors)]
    end_s = int(time.time()) // DAY_S * DAY_S
    start_s = end_s - arguments.days * DAY_S
    await introduce(database, facets, end_s * US)
    connection = await connect(database)
    ids = [sensor_id(*facet) for facet in facets]
    for day_s in range(start_s, end_s, DAY_S):
        await connection.execute(FILL, (_rfc3339(day_s), _rfc3339(day_s + DAY_S), ids))
    await connection.execute("VACUUM ANALYZE ingest.rollup_1m")
    await connection.close()
    pool = Pool(database)
    await pool.open()
    api, chance = answerer(questions(Queries(pool, lambda _device, _pin, _address: 1))), random.Random(1)
    taken = []
    for _ in range(arguments.questions):
        esp_id, gpio, sensor_type, address = chance.choice(facets)
        day = start_s + chance.randrange(arguments.days) * DAY_S
        question = {"esp_id": esp_id, "gpio": gpio, "sensor_type": sensor_type, "address": address, "limit": 1440,
                    "start": day * US, "end": (day + DAY_S) * US, "pending": True}  # fmt: skip
        began = time.perf_counter()
        reply = await api.answer(HISTORY, msgspec.json.encode(question))
        body = msgspec.json.encode(reply)
        taken.append((time.perf_counter() - began) * 1000)
        if reply.ok is None or len(reply.ok.rollups) != 1440:
            raise SystemExit(f"expected a day of minutes, got {body[:300]!r}")
    await pool.close()
    taken.sort()
    p50, p99 = taken[len(taken) // 2], taken[int(len(taken) * 0.99)]
    print(f"rollups in the table      {arguments.sensors * arguments.days * 1440:>10,}")
    print(f"answer                    {len(body):>10,} bytes, 1,440 points")
    print(f"p50 / p99 / worst         {p50:.1f} / {p99:.1f} / {taken[-1]:.1f} ms (target: p99 20 ms)")


def _rfc3339(unix_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix_s))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sensors", type=int, default=200)
    parser.add_argument("--days", type=int, default=8)
    parser.add_argument("--questions", type=int, default=500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Postgres(ensure_tree(), Path(folder) / "postgres")
        try:
            server.start().prepare()
            asyncio.run(run(arguments, server))
        finally:
            server.kill()


if __name__ == "__main__":
    sys.exit(main())
