"""The README's figures: the whole suite on this machine, measured from outside. ``make bench`` runs it.

    python tests/bench/figures.py [--rate 20000] [--seconds 20] [--only throughput latency history reference]

It starts a suite of its own (servers, bridge, ingest, gateway) on free ports, sends QoS 1 readings of simulated
devices, and prints what came of them: each reading is followed by its content. Durability is every server's default.
"""

import argparse
import asyncio
import contextlib
import gc
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import psutil
import psycopg
import uvloop

from kaiser.contracts import subjects
from kaiser.contracts.events.telemetry import Readings
from kaiser.eventlog import Event, connect
from kaiser.local.layout import Layout
from kaiser.local.nats import OPERATOR
from kaiser.local.observing import Key, Observed, observing, token
from kaiser.local.ports import LOOPBACK, free_ports
from kaiser.local.postgres import OWNER, conninfo
from kaiser.local.programs import EVERYTHING, SERVICES
from kaiser.local.suite import Suite

HERE = Path(__file__).parent
STORED = "SELECT coalesce(sum(stored), 0), coalesce(sum(duplicates), 0) FROM ingest.progress"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=("latency", "throughput", "reference", "history"))
    options = parser.parse_args()
    gc.disable()  # who looks on keeps a million objects, and the collector would stop it for 0.1 s while readings wait
    wanted = set(options.only or ("latency", "throughput", "reference", "history"))
    with tempfile.TemporaryDirectory(prefix="kaiser-bench-") as home:
        bench = Bench(Layout(Path(home), free_ports()))
        with bench.running():
            bench.idle_memory()
            if "latency" in wanted:
                bench.latency(rate=100, seconds=20)
                bench.latency(rate=5000, seconds=10, websocket=False)
            if "history" in wanted:
                bench.history()
            if "throughput" in wanted:
                bench.sustained(rate=options.rate, seconds=options.seconds)
            if "reference" in wanted:
                bench.against_reference(readings=options.rate * 10)


class Bench:
    """One suite and the measurements on it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.suite = Suite(layout, say=lambda line: print(f"  ({line})"))
        self.database = conninfo(
            port=layout.ports.postgres, user=OWNER, password=layout.secrets.value(f"postgres-{OWNER}")
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self.suite.up()
        try:
            time.sleep(2)
            yield
        finally:
            self.suite.down()

    # Measurements

    def idle_memory(self) -> None:
        sizes = ", ".join(f"{name} {self._memory(name):.0f}" for name in SERVICES)
        print(f"memory of a service, idle (MiB): {sizes}")

    def latency(self, *, rate: int, seconds: int, websocket: bool = True) -> None:
        """Each in a run of its own, for whoever watches both takes the time of one from the other."""
        observed, sent = uvloop.run(self._observed(rate, seconds, websocket=False))
        row = _latencies(sent, observed.rows)
        print(f"publish to committed row, {rate}/s: {_percentiles(row)} ({len(row)} of {len(sent)} readings)")
        if websocket:
            observed, sent = uvloop.run(self._observed(rate, seconds, websocket=True))
            client = _latencies(sent, observed.pushes)
            words = f"{_percentiles(client)} ({len(client)} of {len(sent)} readings, {observed.missed} missed)"
            print(f"publish to WebSocket client, immediate, {rate}/s: {words}")

    def sustained(self, *, rate: int, seconds: int) -> None:
        before, cpu = self._stored(), self._cpu()
        peak = dict.fromkeys(SERVICES, 0.0)
        backlog = 0
        sent_log, report = self.layout.root / "sent.jsonl", self.layout.root / "report.jsonl"
        started = time.monotonic()
        load = self._load(rate, seconds, sent_log, report)
        while load.poll() is None:
            time.sleep(0.5)
            backlog = max(backlog, _last_sent(report) - (self._stored() - before))
            peak = {name: max(peak[name], self._memory(name)) for name in SERVICES}
        _check(load)
        lasted = time.monotonic() - started
        drained = self._drain(before + len(sent := _sent(sent_log)))
        used = {name: spent - cpu[name] for name, spent in self._cpu().items()}
        lost, doubled = self._compare(sent)
        print(f"sustained: {len(sent)} readings at {len(sent) / seconds:.0f}/s in {lasted:.1f} s; largest backlog seen")
        print(f"  {backlog} readings, drained {drained:.1f} s after the last; lost {lost}, stored twice {doubled}")
        each = ", ".join(f"{name} {1e6 * spent / len(sent):.1f}" for name, spent in used.items())
        services = sum(used[name] for name in SERVICES)
        print(f"  CPU a reading (µs): {each}; Kaiser's services together {1e6 * services / len(sent):.1f}")
        print(f"  memory of a service, full load (MiB): {', '.join(f'{n} {m:.0f}' for n, m in peak.items())}")

    def against_reference(self, *, readings: int) -> None:
        """As many readings as fast as they go, through Kaiser and through the least that a sink can do, in turn."""
        ratios, ours, theirs = [], [], []
        for _ in range(3):
            ours.append(readings / self._burst(readings))
            theirs.append(readings / self._reference(readings))
            ratios.append(ours[-1] / theirs[-1])
        median = statistics.median
        print(f"burst of {readings}, publish to last committed row, median of 3: {median(ours):.0f} readings/s")
        print(f"  reference sink (one process, MQTT to COPY): {median(theirs):.0f}/s; ratio {median(ratios):.2f}")

    def history(self) -> None:
        times = uvloop.run(self._history())
        print(f"history, a day of one sensor at 1/s as one-minute rollup, over REST: {_percentiles(times)}")

    # How

    async def _observed(self, rate: int, seconds: int, *, websocket: bool) -> tuple[Observed, dict[Key, int]]:
        sent_log = self.layout.root / "sent.jsonl"
        async with observing(self.layout, websocket=websocket) as observed:
            load = self._load(rate, seconds, sent_log, self.layout.root / "report.jsonl")
            while load.poll() is None:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
            _check(load)
            await asyncio.sleep(2)
        return observed, _sent(sent_log)

    def _load(self, rate: int, seconds: int, sent_log: Path, report: Path) -> "subprocess.Popen[str]":
        report.unlink(missing_ok=True)
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "kaiser.fleet", "load", "--rate", str(rate), "--seconds", str(seconds)),
                *("--devices", "200", "--sensors", "5", "--sent-log", str(sent_log), "--report-file", str(report)),
            ],
            env=self._as_loadgen(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _as_loadgen(self) -> dict[str, str]:
        return os.environ | {
            "KAISER_MQTT_HOST": LOOPBACK,
            "KAISER_MQTT_PORT": str(self.layout.ports.mqtt),
            "KAISER_MQTT_USER": "loadgen",
            "KAISER_MQTT_PASSWORD_FILE": str(self.layout.secrets.path("mqtt-loadgen")),
        }

    def _burst(self, readings: int) -> float:
        """Seconds from the first publish to the last committed row."""
        before = self._stored()
        sent_log = self.layout.root / "sent.jsonl"
        load = self._load(0, max(1, readings // 20_000), sent_log, self.layout.root / "report.jsonl")
        started = time.monotonic()
        load.wait()
        _check(load)
        sent = len(_sent(sent_log))
        self._drain(before + sent)
        return (time.monotonic() - started) * readings / sent

    def _reference(self, readings: int) -> float:
        for name in SERVICES:
            self.suite.supervisor.stop(name)
        sink = subprocess.Popen(
            [
                *(sys.executable, str(HERE / "reference_sink.py"), LOOPBACK, str(self.layout.ports.mqtt), "bridge"),
                *(self.layout.secrets.value("mqtt-bridge"), self.database),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert sink.stdout is not None
            assert sink.stdout.readline() == "ready\n"
            sent_log = self.layout.root / "sent.jsonl"
            load = self._load(0, max(1, readings // 20_000), sent_log, self.layout.root / "report.jsonl")
            started = time.monotonic()
            load.wait()
            sent = len(_sent(sent_log))
            with psycopg.connect(self.database, autocommit=True) as connection:
                while connection.execute("SELECT count(*) FROM reference").fetchone()[0] < sent:
                    time.sleep(0.05)
                took = time.monotonic() - started
                connection.execute("TRUNCATE reference")
        finally:
            sink.terminate()
            sink.wait()
            for name in SERVICES:
                self.suite.supervisor.start(name)
            programs = [program for program in self.suite.programs(_tree()) if program.service]
            while not all(self.suite.ready(program) for program in programs):
                time.sleep(0.1)
        return took * readings / sent

    async def _history(self) -> list[float]:
        day_us, now = 86_400_000_000, time.time_ns() // 1000
        first = now - now % 60_000_000 - day_us
        url, password = f"nats://{LOOPBACK}:{self.layout.ports.nats}", self.layout.secrets.value(f"nats-{OPERATOR}")
        before = self._stored()
        async with await connect(url, name="bench", user=OPERATOR, password=password) as log:
            for hour in range(24):
                await log.publish_all([_an_hour(first + hour * 3_600_000_000, hour)])
        self._drain(before + 86_400)
        access = await token(self.layout)
        query = f"from={first / 1e6}&to={(first + day_us) / 1e6}&resolution=1m&limit=1440&pending=true"
        path = f"/api/v1/sensors/ESP_ABCDEF/4/ds18b20/history?{query}"
        client = http.client.HTTPConnection(LOOPBACK, self.layout.ports.gateway)
        times = []
        for _ in range(200):
            started = time.perf_counter()
            client.request("GET", path, headers={"Authorization": f"Bearer {access}"})
            answer = client.getresponse().read()
            times.append((time.perf_counter() - started) * 1e3)
            assert len(msgspec.json.decode(answer)["rollups"]) == 1440, answer[:300]
        return times

    def _stored(self) -> int:
        with psycopg.connect(self.database) as connection:
            return int(connection.execute(STORED).fetchone()[0])

    def _drain(self, wanted: int, *, limit_s: float = 120.0) -> float:
        started = time.monotonic()
        while self._stored() < wanted and time.monotonic() - started < limit_s:
            time.sleep(0.05)
        return time.monotonic() - started

    def _compare(self, sent: dict[Key, int]) -> tuple[int, int]:
        """Readings that are no row, and rows beyond one a reading; by device, pin, type, address, time and count."""
        keys = set(sent)
        with psycopg.connect(self.database) as connection:
            rows = connection.execute(
                "SELECT s.esp_id, s.gpio, s.sensor_type, s.address, r.device_ts, r.raw::int,"
                " count(*) FROM ingest.readings r JOIN ingest.sensors s USING (sensor_id)"
                " WHERE r.received_at > now() - interval '10 minutes' GROUP BY 1, 2, 3, 4, 5, 6"
            ).fetchall()
        found = {row[:6]: row[6] for row in rows}
        return sum(key not in found for key in keys), sum(found[key] - 1 for key in keys if key in found)

    def _processes(self, name: str) -> list[psutil.Process]:
        program = psutil.Process(self.suite.supervisor.pid(name))
        return [program, *program.children(recursive=True)]

    def _memory(self, name: str) -> float:
        return sum(process.memory_info().rss for process in self._processes(name)) / 2**20

    def _cpu(self) -> dict[str, float]:
        return {name: sum(map(_cpu_s, self._processes(name))) for name in EVERYTHING}


def _cpu_s(process: psutil.Process) -> float:
    """CPU of a process and its ended children; that of a worker which ends just now is its parent's."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _an_hour(start: int, hour: int) -> Event:
    """An hour of one sensor, a reading a second, as the converter would have finished it."""
    n = 3600
    measured = [start + second * 1_000_000 for second in range(n)]
    batch = Readings(
        kaiser_id="god",
        reading_id=[hour * n + second + 1 for second in range(n)],
        sensor_id=[4711] * n,
        esp_id=["ESP_ABCDEF"] * n,
        gpio=[4] * n,
        sensor_type=["ds18b20"] * n,
        address=[""] * n,
        raw=[352.0] * n,
        value=[22.0] * n,
        unit=["°C"] * n,
        quality=["good"] * n,
        measured_at=measured,
        time_source=["device"] * n,
        device_ts=[at // 1_000_000 for at in measured],
        received_at=measured,
        zone_id=[""] * n,
        subzone_id=[""] * n,
        pending=[False] * n,
        flags=[""] * n,
    )
    subject = subjects.telemetry_reading("god", subjects.partition("ESP_ABCDEF"))
    return Event(subject=subject, type=Readings.TYPE, data=msgspec.json.encode(batch), source="bench")


def _tree():
    from kaiser.local.tree import ensure_tree

    return ensure_tree()


def _sent(path: Path) -> dict[Key, int]:
    """What the load generator sent and the broker acknowledged, by content, and when: unix microseconds."""
    with path.open() as lines:
        readings = [json.loads(line) for line in lines]
    return {
        (r["esp_id"], r["gpio"], r["sensor_type"], r["address"], r["ts"], r["raw"]): r["sent_us"]
        for r in readings
        if r["acked"]
    }


def _last_sent(report: Path) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(json.loads(report.read_text().splitlines()[-1])["sent"])
    return 0


def _check(load: "subprocess.Popen[str]") -> None:
    if load.returncode:
        raise SystemExit(f"the load generator failed: {load.stderr.read() if load.stderr else ''}")


def _latencies(sent: dict[Key, int], arrived: list[tuple[Key, int]]) -> list[float]:
    return [(at - sent[key]) / 1e3 for key, at in arrived if key in sent]


def _percentiles(milliseconds: Sequence[float]) -> str:
    if len(milliseconds) < 2:
        return "no readings"
    cuts = statistics.quantiles(milliseconds, n=100)
    return f"p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms"


if __name__ == "__main__":
    main()
