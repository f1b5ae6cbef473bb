"""Cost of recording readings with `kaiser.ingest.projections`, against a real TimescaleDB at default durability.

    python tests/bench/recorder.py [--sensors 1000] [--sizes 1 10 100 1000 10000] [--staging]

Batches of 50 readings, as a bridge makes them, go many at a time into one transaction: rows, both rollups, latest and
progress. CPU is that of this process and of all PostgreSQL processes. Sensors take turns, so a transaction of fewer
readings than there are sensors touches as many rollups as it has rows: the worst case.

``--staging`` compares the way into the statement: COPY into a temporary table and INSERT ... SELECT from there.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

import psutil
from psycopg import AsyncRawCursor

from kaiser.contracts.events.telemetry import Readings
from kaiser.ingest.projections import Recorder
from kaiser.ingest.sensors import sensor_id
from kaiser.local.ephemeral import Postgres
from kaiser.local.tree import ensure_tree
from kaiser.timescale import Database, connect, migrate

BATCH = 50
RATE = 20_000
US = 1_000_000

STAGE = "CREATE TEMP TABLE staged (LIKE ingest.readings) ON COMMIT DELETE ROWS"
COPY_COLUMNS = "sensor_id, measured_at, reading_id, received_at, device_ts, context_id, raw, value, stored_at"
FROM_STAGE = """
INSERT INTO ingest.readings SELECT * FROM staged ORDER BY sensor_id, measured_at ON CONFLICT DO NOTHING
"""
FROM_ARRAYS = """
INSERT INTO ingest.readings
    (sensor_id, measured_at, reading_id, received_at, stored_at, device_ts, context_id, raw, value)
SELECT a, b, c, d, now(), e, f, g, nullif(h, 'NaN') FROM unnest(
    $1::bigint[], $2::timestamptz[], $3::bigint[], $4::timestamptz[], $5::bigint[], $6::bigint[],
    $7::double precision[], $8::double precision[]
) AS t (a, b, c, d, e, f, g, h) ORDER BY a, b ON CONFLICT DO NOTHING
"""


class Stream:
    """Readings as they come at RATE from so many sensors, for ever."""

    def __init__(self, sensors: int) -> None:
        self.facets = [(f"ESP_{i:06X}", i % 8, "ds18b20", f"28{i:014x}") for i in range(sensors)]
        self.ids = [sensor_id(*facet) for facet in self.facets]
        self.random = random.Random(1)
        self.sent = 0
        self.began = time.time_ns() // 1000

    def batch(self, n: int) -> Readings:
        chosen = [(self.sent + i) % len(self.facets) for i in range(n)]
        at = [self.began + (self.sent + i) * US // RATE for i in range(n)]
        self.sent += n
        columns = zip(*(self.facets[i] for i in chosen), strict=True)
        esp_id, gpio, sensor_type, address = map(list, columns)
        raw = [float(self.random.randrange(300, 500)) for _ in range(n)]
        return Readings(
            kaiser_id="god", reading_id=[self.random.getrandbits(62) for _ in range(n)],
            sensor_id=[self.ids[i] for i in chosen], esp_id=esp_id, gpio=gpio, sensor_type=sensor_type,
            address=address, raw=raw, value=[x / 16 for x in raw], unit=["°C"] * n, quality=["good"] * n,
            measured_at=[x // US * US for x in at], time_source=["device"] * n, device_ts=[x // US for x in at],
            received_at=at, zone_id=["north"] * n, subzone_id=[""] * n, pending=[False] * n, flags=[""] * n,
        )  # fmt: skip

    def batches(self, n: int) -> list[Readings]:
        return [self.batch(min(BATCH, n - done)) for done in range(0, n, BATCH)]


def cpu_s(pid: int) -> float:
    """CPU of a process and its children, the ended ones included."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    times = [process.cpu_times() for process in family]
    return sum(t.user + t.system for t in times) + times[0].children_user + times[0].children_system


async def measure(recorder: Recorder, stream: Stream, size: int, server: int) -> None:
    count = max(20, min(300, 60_000 // size))
    prepared = [stream.batches(size) for _ in range(count)]
    await recorder.record(stream.batches(size), 0)
    taken: list[float] = []
    own, theirs, began = time.process_time(), cpu_s(server), time.perf_counter()
    for number, batches in enumerate(prepared):
        started = time.perf_counter()
        await recorder.record(batches, number)
        taken.append((time.perf_counter() - started) * 1000)
    elapsed, rows = time.perf_counter() - began, size * count
    own, theirs = time.process_time() - own, cpu_s(server) - theirs
    taken.sort()
    print(
        f"{size:>8,} {rows / elapsed:>9,.0f} {own / rows * 1e6:>12.2f} {theirs / rows * 1e6:>12.1f}"
        f" {taken[len(taken) // 2]:>8.2f} {taken[int(len(taken) * 0.99)]:>8.2f}"
    )


async def compare_staging(database: Database, stream: Stream, size: int, server: int) -> None:
    """Rows alone, by arrays and by COPY."""
    connection = await connect(database)
    await connection.execute(STAGE)
    recorder = Recorder(database)
    ways = {"arrays": 0.0, "COPY": 0.0}
    for way in ways:
        batches = [stream.batch(size) for _ in range(max(10, 60_000 // size))]
        theirs = cpu_s(server)
        own, began = time.process_time(), time.perf_counter()
        for rows in batches:
            columns = recorder._columns(rows)
            if way == "arrays":
                await AsyncRawCursor(connection).execute(FROM_ARRAYS, columns, prepare=True)
            else:
                async with connection.transaction():
                    async with connection.cursor().copy(
                        f"COPY staged ({COPY_COLUMNS}) FROM STDIN (FORMAT binary)"
                    ) as copy:
                        await copy.write(_binary_rows(columns))
                    await connection.execute(FROM_STAGE)
        n = size * len(batches)
        rate = n / (time.perf_counter() - began)
        own, theirs = (time.process_time() - own) / n * 1e6, (cpu_s(server) - theirs) / n * 1e6
        print(f"{way:>8} {size:>7,} {rate:>9,.0f} rows/s  Python {own:.2f} µs  PostgreSQL {theirs:.1f} µs")
    await connection.close()


def _binary_rows(columns: tuple[object, ...]) -> bytes:
    """The binary COPY format, from packed arrays: 9 fields of 8 bytes, spread by strided copies."""
    bodies = [column.wire[20:] for column in columns]
    bodies.append(bodies[3])
    n = len(bodies[0]) // 12
    width = 2 + 12 * len(bodies)
    rows = bytearray(width * n)
    rows[1::width] = bytes([len(bodies)]) * n
    for field, body in enumerate(bodies):
        for i in range(12):
            rows[2 + 12 * field + i :: width] = body[i::12]
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + bytes(rows) + b"\xff\xff"


async def run(arguments: argparse.Namespace, server: Postgres) -> None:
    database = Database(dsn=server.dsn("kaiser_ingest"), application_name="bench")
    await migrate(database, package="kaiser.ingest", schema="ingest")
    stream = Stream(arguments.sensors)
    if arguments.staging:
        for size in arguments.sizes:
            await compare_staging(database, stream, size, server.pid)
        return
    print(f"{'readings':>8} {'rows/s':>9} {'Python µs/row':>12} {'PG µs/row':>12} {'p50 ms':>8} {'p99 ms':>8}")
    recorder = Recorder(database)
    for size in arguments.sizes:
        await measure(recorder, stream, size, server.pid)
    await recorder.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sensors", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100, 500, 1000, 2000, 5000, 10_000])
    parser.add_argument("--staging", action="store_true")
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
