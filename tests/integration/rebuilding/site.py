"""A site whose tables are rebuilt: what devices say goes into the log, ingest's consumers write, a rebuild rebuilds."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psycopg

from kaiser.contracts import subjects
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.streams import TELEMETRY
from kaiser.eventlog import BatchConsumer, ConsumerSpec, Event, EventLog, Handler, Lease
from kaiser.eventlog.archive import Archiver
from kaiser.eventlog.archive.archiver import folder_of
from kaiser.ingest import consumers
from kaiser.ingest.metrics import IngestMetrics
from kaiser.ingest.presence import Presence
from kaiser.ingest.projections import Recorder
from kaiser.ingest.sensors import sensor_id
from kaiser.ingest.standings import Standings
from kaiser.local.ephemeral import Nats, Postgres
from kaiser.service.rebuilding.command import digest_of, opener_of
from kaiser.service.rebuilding.running import Rebuild
from kaiser.service.rebuilding.running import Site as Where
from kaiser.timescale import Database, Pool, migrate

NOW_US = 1_767_100_140_000_000
ROWS = 50
"""Readings of a batch."""
SENSORS = 7


def batch(number: int, rows: int = ROWS) -> Readings:
    """A finished batch: values and times follow from its number; some readings come late, some are errors."""
    numbers = [number * rows + i for i in range(rows)]
    count = len(numbers)
    at = [NOW_US + n * 1_000_000 - (3_600_000_000 if n % 11 == 0 else 0) for n in numbers]
    pins = [n % SENSORS for n in numbers]
    return Readings(
        kaiser_id="god",
        esp_id=["ESP_0A1B2C"] * count,
        gpio=pins,
        sensor_type=["ds18b20"] * count,
        address=[""] * count,
        sensor_id=[sensor_id("ESP_0A1B2C", pin, "ds18b20", "") for pin in pins],
        reading_id=numbers,
        measured_at=at,
        time_source=["device"] * count,
        device_ts=list(numbers),
        received_at=[moment + 1 for moment in at],
        raw=[n * 0.1 for n in numbers],
        value=[None if n % 13 == 0 else n * 0.1 + 0.3 for n in numbers],
        unit=["°C"] * count,
        quality=["good" if n % 5 else "fair" for n in numbers],
        zone_id=["north"] * count,
        subzone_id=[""] * count,
        pending=[False] * count,
        flags=[""] * count,
    )


def event(number: int, rows: int = ROWS) -> Event:
    """A batch as an event."""
    return Event(
        subject=subjects.telemetry_reading("god", 0),
        type=Readings.TYPE,
        data=encode(batch(number, rows)),
        source="test",
        id=f"batch-{number}",
    )


class Site:
    """Log, database and archive; ``record`` is what ingest does with them."""

    def __init__(self, log: EventLog, nats: Nats, postgres: Postgres, archive: Path) -> None:
        self.log = log
        self.archive = archive
        self.postgres = postgres
        self.said: list[str] = []
        self._nats = nats
        self._running: list[tuple[BatchConsumer, asyncio.Task[None]]] = []
        self._pool: Pool | None = None
        self._recorder: Recorder | None = None

    def database(self, role: str = "kaiser_ingest") -> Database:
        return Database(dsn=self.postgres.dsn(role), application_name="test")

    async def record(self) -> None:
        """Migrate, and run the consumers that write the tables, until :meth:`stop`."""
        database = msgspec.structs.replace(self.database(), schema="ingest")
        await migrate(database, package="kaiser.ingest", schema="ingest")
        self._pool = Pool(database, statement_s=30.0)
        await self._pool.open()
        self._recorder = Recorder(database)
        write = Standings(self._pool)
        self._run(consumers.RECORDER, consumers.RecordReadings(self._recorder, IngestMetrics()).handle)
        self._run(consumers.DEVICE_EVENTS, consumers.WriteDevices(Presence(self._pool), "devices").handle)
        self._run(consumers.HEARTBEAT_EVENTS, consumers.WriteDevices(Presence(self._pool), "presence").handle)
        self._run(consumers.DECISIONS, consumers.WriteStandings(write).handle)

    def _run(self, spec: ConsumerSpec, handler: Handler) -> None:
        consumer = BatchConsumer(self.log, spec, handler, service="ingest")
        self._running.append((consumer, asyncio.create_task(consumer.run())))

    async def stop(self) -> None:
        """Stop recording."""
        for consumer, task in self._running:
            await consumer.stop()
            await task
        self._running.clear()
        if self._recorder is not None and self._pool is not None:
            await self._recorder.close()
            await self._pool.close()
            self._recorder = self._pool = None

    async def say(self, first: int, last: int, rows: int = ROWS) -> None:
        """Batches into the log."""
        for begin in range(first, last, 500):
            await self.log.publish_all([event(number, rows) for number in range(begin, min(begin + 500, last))])

    async def recorded(self, readings: int, *, within_s: float = 200.0) -> None:
        """Return when so many readings are in the table."""
        await eventually(lambda: self.ask("SELECT count(*) FROM ingest.readings") == [(readings,)], within_s=within_s)

    async def archive_all(self, *, within_s: float = 200.0) -> None:
        """Copy what the stream of readings holds into the archive, and let it go there but for the last ten."""
        lease = Lease(self.log, "ingest", "archiving", holder="test", ttl_s=30)
        archiver = Archiver(self.log, self.archive, TELEMETRY.name, lease, segment_bytes=100_000, segment_s=0.1)
        last = int((await self.log.js.stream_info(TELEMETRY.name)).state.last_seq)
        task = asyncio.create_task(archiver.run())
        folder = await folder_of(self.log, self.archive, TELEMETRY.name)
        await eventually(lambda: folder.last_seq() == last, within_s=within_s)
        task.cancel()
        await asyncio.wait([task])
        await self.log.js.purge_stream(TELEMETRY.name, seq=last - 9)

    def rebuild(self, name: str = "ingest", **environ: str) -> Rebuild:
        """A rebuild in this process."""
        where = Where(
            log=self.log,
            archive=self.archive,
            database=self.database("kaiser_admin"),
            volume=Path("/"),
            environ={"KAISER_RETENTION_READINGS_DAYS": "0", "KAISER_RETENTION_MINUTES_DAYS": "0", **environ},
        )
        return Rebuild(where, name, opener_of(name), digest_of(name), self.said.append)

    def process(self, *words: str) -> "subprocess.Popen[str]":
        """A rebuild as a process of its own."""
        environ = {
            **os.environ,
            "KAISER_NATS_URL": self._nats.url,
            "KAISER_PG_DSN": self.postgres.dsn("kaiser_admin"),
            "KAISER_ARCHIVE_FOLDER": str(self.archive),
            "KAISER_RETENTION_READINGS_DAYS": "0",
            "KAISER_RETENTION_MINUTES_DAYS": "0",
            "KAISER_LOG_FORMAT": "json",
        }
        command = [sys.executable, "-m", "kaiser.service", "rebuild", "ingest", *words]
        return subprocess.Popen(command, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def ask(self, query: str) -> list[tuple]:
        """Rows of a query, as the owner."""
        with psycopg.connect(self.postgres.dsn("kaiser_admin"), autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def content(self, schema: str = "ingest") -> dict[str, list[tuple]]:
        """Everything that follows from the log."""
        wanted = {
            "readings": "sensor_id, measured_at, reading_id, received_at, device_ts, context_id, raw, value",
            "rollup_1m": "sensor_id, bucket, count, errors, round(total::numeric, 6), minimum, maximum, last, last_id",
            "rollup_1h": "sensor_id, bucket, count, errors, round(total::numeric, 6), minimum, maximum, last, last_id",
            "latest": "sensor_id, measured_at, reading_id, value",
            "contexts": "*",
            "sensors": "*",
            "devices": "*",
            "health": "*",
        }
        return {
            table: self.ask(f"SELECT {columns} FROM {schema}.{table} ORDER BY 1, 2, 3")
            for table, columns in wanted.items()
        }


async def eventually(check: Callable[[], bool], *, within_s: float = 200.0) -> None:
    """Return once it is so."""
    until = time.monotonic() + within_s
    while not await asyncio.to_thread(check):
        assert time.monotonic() < until, "it never came true"
        await asyncio.sleep(0.05)


def end(process: "subprocess.Popen[str]") -> None:
    """As by ``kill -9``."""
    process.send_signal(signal.SIGKILL)
    process.communicate()
