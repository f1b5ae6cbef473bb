"""Ingest alone: raw batches into the log, rows out of it, with the real service, NATS and TimescaleDB.

    python tests/bench/ingest.py [--seconds 5] [--rates 100:1 1000:5 5000:10 20000:50]

A rate is readings a second and readings in a batch, as a bridge would make them. Latency is from the bridge's receipt
to the commit, from the service's own histogram (upper bounds of buckets); CPU is a reading's share of each process.
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import msgspec
import psutil
import psycopg
import uvloop

from kaiser.contracts import subjects
from kaiser.contracts.events.telemetry import RawReadings
from kaiser.contracts.streams import DEADLETTER, DEVICES, HEARTBEATS, TELEMETRY, TELEMETRY_RAW
from kaiser.eventlog import Event, EventLog, connect, ensure_streams
from kaiser.local.ephemeral import Nats, Postgres
from kaiser.local.ephemeral_services import DEVICE_KEY_SECRET
from kaiser.local.tree import ensure_tree

US = 1_000_000
SENSORS = 1000
HEALTH_PORT = 48_123
LATENCY = "kaiser_ingest_received_to_committed_seconds_bucket"

chance = random.Random(1)


def batch(first: int, n: int) -> Event:
    """The next ``n`` of 1,000 sensors that take turns, five a device."""
    now = time.time_ns() // 1000
    sensors = [(first + i) % SENSORS for i in range(n)]
    raw = RawReadings(
        kaiser_id="god", session="bench", reading_id=[chance.getrandbits(62) for _ in sensors], delivery=[1] * n,
        esp_id=[f"ESP_{i // 5:06X}" for i in sensors], gpio=[4] * n, sensor_type=["ds18b20"] * n,
        address=[f"28{i:014x}" for i in sensors], raw=[400.0] * n, preview=[25.0] * n, quality=["good"] * n,
        device_ts=[now // US] * n, seq=[1] * n, boot=["ESP_000001-b17-r1"] * n, zone_id=["north_tent"] * n,
        subzone_id=["bench_a"] * n, received_at=[now] * n, flags=[""] * n,
    )  # fmt: skip
    subject = subjects.telemetry_raw("god", first // n % subjects.PARTITIONS)
    return Event(subject=subject, type=RawReadings.TYPE, data=msgspec.json.encode(raw), source="kaiser/bench")


def cpu_s(pid: int) -> float:
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in family)


def get(path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{HEALTH_PORT}{path}", timeout=2) as answer:
        return answer.read().decode()


def latencies() -> dict[float, float]:
    """The histogram: upper bound in seconds to readings so far."""
    lines = [line for line in get("/metrics").splitlines() if line.startswith(LATENCY)]
    return {float(line.split('"')[1]): float(line.split()[-1]) for line in lines}


def quantile(before: dict[float, float], after: dict[float, float], share: float) -> float:
    counts = {bound: after[bound] - before[bound] for bound in after}
    wanted = share * max(counts.values())
    return min(bound for bound, count in counts.items() if count >= wanted) * 1000


async def publish(log: EventLog, rate: int, size: int, seconds: float) -> int:
    """Publish at a steady rate; returns how many readings."""
    began, sent, under_way = time.perf_counter(), 0, set()
    while sent < rate * seconds:
        due = int((time.perf_counter() - began) * rate) - sent
        if due < size:
            await asyncio.sleep((size - due) / rate)
            continue
        events = [batch(sent + i * size, size) for i in range(due // size)]
        sent += size * len(events)
        task = asyncio.create_task(log.publish_all(events))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    return sent


async def measure(log: EventLog, rate: int, size: int, *, seconds: float, processes: dict[str, int], dsn: str) -> None:
    counted = "SELECT coalesce(max(stored), 0) FROM ingest.progress WHERE consumer = 'recorder'"
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:

        async def stored() -> int:
            return (await (await connection.execute(counted)).fetchone())[0]

        had, before = await stored(), latencies()
        spent, began = {name: cpu_s(pid) for name, pid in processes.items()}, time.perf_counter()
        sent = await publish(log, rate, size, seconds)
        while await stored() < had + sent:  # noqa: ASYNC110  # only the database knows
            await asyncio.sleep(0.05)
        elapsed = time.perf_counter() - began
    after = latencies()
    shares = "".join(f"{(cpu_s(pid) - spent[name]) / sent * 1e6:>11.1f}" for name, pid in processes.items())
    p50, p99 = quantile(before, after, 0.5), quantile(before, after, 0.99)
    memory = psutil.Process(processes["ingest"]).memory_info().rss >> 20
    print(f"{rate:>8,} {size:>6} {sent / elapsed:>9,.0f} {p50:>9.1f} {p99:>9.1f}{shares} {memory:>7}")


async def run(arguments: argparse.Namespace, nats: Nats, postgres: Postgres) -> None:
    environment = {
        **os.environ,
        "KAISER_NATS_URL": nats.url,
        "KAISER_PG_DSN": postgres.dsn("kaiser_ingest"),
        "KAISER_DEVICE_KEY_SECRET": DEVICE_KEY_SECRET,
        "KAISER_HEALTH_PORT": str(HEALTH_PORT),
        "KAISER_LOG_LEVEL": "warning",
    }
    async with await connect(nats.url, name="bench") as log:
        await ensure_streams(log, (TELEMETRY_RAW, TELEMETRY, HEARTBEATS, DEVICES, DEADLETTER))
        command = [sys.executable, "-m", "kaiser.ingest"]
        service = subprocess.Popen(command, env=environment)  # noqa: ASYNC220  # nothing runs beside it yet
        try:
            await _until_ready()
            processes = {"ingest": service.pid, "PostgreSQL": postgres.pid, "NATS": nats.pid}
            print(f"memory idle: {psutil.Process(service.pid).memory_info().rss >> 20} MiB")
            heads = "".join(f"{name:>11}" for name in processes)
            print(f"{'rate/s':>8} {'batch':>6} {'stored/s':>9} {'p50 ms ≤':>9} {'p99 ms ≤':>9}{heads} {'MiB':>7}")
            await publish(log, 1000, 10, 1)
            for rate in arguments.rates:
                readings, _, size = rate.partition(":")
                how = {"seconds": arguments.seconds, "processes": processes, "dsn": postgres.dsn()}
                await measure(log, int(readings), int(size or 1), **how)
        finally:
            service.terminate()
            service.wait(15)


async def _until_ready() -> None:
    for _ in range(200):
        try:
            await asyncio.to_thread(get, "/health/ready")
        except (urllib.error.URLError, OSError):
            await asyncio.sleep(0.1)
        else:
            return
    raise SystemExit("ingest did not become ready within 20 s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rates", nargs="+", default=["100:1", "1000:5", "5000:10", "20000:50"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        nats, postgres = Nats(Path(folder) / "nats"), Postgres(ensure_tree(), Path(folder) / "postgres")
        try:
            nats.start()
            postgres.start().prepare()
            uvloop.run(run(arguments, nats, postgres))
        finally:
            nats.kill()
            postgres.kill()


if __name__ == "__main__":
    sys.exit(main())
