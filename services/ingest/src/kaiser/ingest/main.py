"""Wires ingest: the converter, which needs the log alone, and everything that needs the database, when it is there."""

import os
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
import structlog

from kaiser.contracts.streams import DEVICES, DOWNLINK, HEARTBEATS, TELEMETRY, TELEMETRY_RAW
from kaiser.eventlog import (
    EventLog,
    Lease,
    connect,
    ensure_streams,
    replay_batches,
)
from kaiser.eventlog.archive import Archiver
from kaiser.ingest import consumers, zoning
from kaiser.ingest.api import answerer, bygone, calibrated, commanded, questions
from kaiser.ingest.as_of import AsOf
from kaiser.ingest.calibrations import Calibrations
from kaiser.ingest.configuring import Configuring
from kaiser.ingest.directory import Directory, Registrar
from kaiser.ingest.metrics import IngestMetrics
from kaiser.ingest.orders import Orders
from kaiser.ingest.presence import Presence
from kaiser.ingest.processing import Processing
from kaiser.ingest.projections import Recorder
from kaiser.ingest.queries import Queries
from kaiser.ingest.recomputing import Recomputing, Steps
from kaiser.ingest.restarting import Restarts
from kaiser.ingest.settings import ArchiveSettings, IngestSettings, ProcessingSettings
from kaiser.ingest.silence import note_silence
from kaiser.ingest.standings import Standings
from kaiser.ingest.trimming import Archive, keep_trimmed
from kaiser.ingest.window import SPAN_US, Window
from kaiser.physics import families
from kaiser.service import Frame, State
from kaiser.service.consuming import Consumers
from kaiser.service.database import DatabaseWatch, prepare
from kaiser.service.health import Finding
from kaiser.storage import Store
from kaiser.timescale import Pool, Retention

_log = structlog.get_logger(__name__)

BUCKET: Final = "ingest"
LEASE_TTL_S: Final = 5
CATCH_UP_S: Final = 5.0
BUCKET_LOOK_S: Final = 60.0
TAIL_MESSAGES: Final = 5000
"""Finished batches read back for the window: seconds of a full load, ten minutes of a quiet one."""


class _Tail(msgspec.Struct):
    """What the window needs of a finished batch."""

    reading_id: list[int]
    time_source: list[str]
    received_at: list[int]


async def serve(frame: Frame, settings: IngestSettings) -> None:
    """Run ingest until it is told to stop."""
    pool = Pool(settings.database())
    meanwhile = "readings go on, and are recorded when it is back"
    watch = DatabaseWatch(pool, "SELECT 1 FROM progress", meanwhile=meanwhile)
    frame.health.add("event log", lambda: Finding(State.STARTING, "waiting for NATS; nothing is done without it"))
    watch.show(frame)
    nats = settings.nats
    async with await connect(nats.url, name="ingest", user=nats.user, password=nats.password) as log:
        frame.health.event_log(log, meanwhile="readings wait in the broker, and history cannot be asked for")
        await pool.open()
        directory, known = Directory(), families()
        secret = settings.device_key.secret.encode()
        orders = Orders(log, secret, lambda esp_id: directory.place(esp_id)[0])
        asked = Queries(pool, directory.interval_s)
        calibrations = Calibrations(log, orders, known, asked.latest)
        api = answerer(questions(asked), commanded(orders), calibrated(calibrations))
        for answers in (api, bygone(AsOf(log, known))):
            await answers.serve(log.nc)
            frame.on_stop(answers.close)
        store = settings.archive.store()
        # Its age limit would ask the archive as little as anybody else
        telemetry = msgspec.structs.replace(TELEMETRY, max_age_s=0) if store else TELEMETRY
        await ensure_streams(log, (telemetry, DEVICES, DOWNLINK))
        wiring = _Wiring(frame, log)
        wiring.frame.spawn("watch", watch.run())
        wiring.frame.spawn("recording", _record(wiring, settings, pool))
        lease = partial(Lease, log, BUCKET, holder=f"{socket.gethostname()}.{os.getpid()}", ttl_s=LEASE_TTL_S)
        archives = _archive(wiring, settings.archive, store, lease) if store else {}
        frame.spawn("trimming", keep_trimmed(log, (TELEMETRY_RAW, TELEMETRY), archives))
        again = Recomputing(
            Steps(pool, known, directory.sensors), directory.sensors, calibrations, lease("recomputing")
        )
        frame.spawn("recomputing", again.run())
        await _convert(wiring, directory, orders, lease, settings.processing)
        await frame.until_stopped()
        await pool.close()


class _Wiring:
    """What is wired together."""

    def __init__(self, frame: Frame, log: EventLog) -> None:
        self.frame = frame
        self.log = log
        self.metrics = IngestMetrics()
        frame.registry.register(self.metrics)
        self.consume = Consumers(frame, log, "ingest").run


async def _convert(
    wiring: _Wiring,
    directory: Directory,
    orders: Orders,
    lease: Callable[[str], Lease],
    processing: ProcessingSettings,
) -> None:
    """Start the live path."""
    log = wiring.log
    register = consumers.RegisterDevices(Registrar(log, directory))
    wiring.frame.spawn("directory", directory.follow(log))
    await directory.wait_caught_up(CATCH_UP_S)
    converter = consumers.Converter(
        log,
        directory.standings,
        await _remembered(log),
        metrics=wiring.metrics,
        sensors=directory.sensors,
        met=register.met,
        largest_bytes=int(log.nc.max_payload),
    )
    if processing.port:
        endpoint = Processing(converter.sensor, lambda: int(time.time()))
        wiring.frame.spawn("processing", endpoint.serve(processing.host, processing.port))
    wiring.frame.spawn("meetings", register.run())
    wiring.consume("registry", consumers.REGISTRY, register.handle)
    wiring.consume("converter", consumers.CONVERTER, converter.handle, each_traced=True)
    wiring.frame.spawn("silence", note_silence(log, directory, lease("silence")))
    wiring.frame.spawn("restarts", Restarts(log, directory).run())
    wiring.frame.spawn("configuring", Configuring(log, directory, orders, lease("configuring")).run())
    zones = zoning.Zoning(log, directory, orders, lease("zoning"))
    wiring.consume("zones", zoning.SPEC, zones.handle)
    wiring.frame.spawn("zoning", zones.run())


async def _record(wiring: _Wiring, settings: IngestSettings, pool: Pool) -> None:
    """Wait for the database, bring its schema up to date, and start everything that writes to it."""
    database = settings.database()
    await prepare(database, package="kaiser.ingest", schema="ingest")
    record = consumers.RecordReadings(Recorder(database), wiring.metrics, lambda: wiring.frame.stopping)
    wiring.consume("recorder", consumers.RECORDER, record.handle, rest_s=record.rest_s)
    for name, spec in (("devices", consumers.DEVICE_EVENTS), ("presence", consumers.HEARTBEAT_EVENTS)):
        write = consumers.WriteDevices(Presence(pool), name, lambda: wiring.frame.stopping)
        wiring.consume(name, spec, write.handle)
    decisions = consumers.WriteStandings(Standings(pool), lambda: wiring.frame.stopping)
    wiring.consume("standings", consumers.DECISIONS, decisions.handle)
    retention = Retention(database, settings.retention.lifetimes(), every_s=settings.retention.every_s)
    wiring.frame.spawn("retention", retention.run())


def _archive(
    wiring: _Wiring, settings: ArchiveSettings, store: Store, lease: Callable[[str], Lease]
) -> dict[str, Archive]:
    """Start the archive; returns what has to hold a stream's messages before it may let them go.

    Heartbeats are copied so that the health of devices can be rebuilt. Their stream lets the oldest go after seven
    days, whether they are archived or not: after an outage of all instances that is longer, some are missing.
    """
    # Each look at a bucket is paid for
    floors_s = BUCKET_LOOK_S if settings.bucket else 0.0
    archiving = partial(Archiver, wiring.log, store, segment_s=settings.segment_s, floors_s=floors_s)
    telemetry = archiving(TELEMETRY.name, lease("archiving"))
    heartbeats = archiving(HEARTBEATS.name, lease("archiving-heartbeats"))

    def finding() -> Finding:
        # Readings go on without it: what is not archived stays in the stream
        return Finding(State.OK, f"not archived now: {telemetry.problem}" if telemetry.problem else "")

    wiring.metrics.archive_fails = lambda: bool(telemetry.problem or heartbeats.problem)
    wiring.frame.health.add("archive", finding)
    wiring.frame.spawn("archiving", telemetry.run())
    wiring.frame.spawn("archiving heartbeats", heartbeats.run())
    return {TELEMETRY.name: telemetry}


async def _remembered(log: EventLog) -> Window:
    """The window as the log has it: server-dated readings at the end of the finished ones."""
    window = Window()
    decode = msgspec.json.Decoder(_Tail).decode
    since = time.time_ns() // 1000 - SPAN_US
    last = int((await log.js.stream_info(TELEMETRY.name)).state.last_seq)
    async for batch in replay_batches(log, TELEMETRY.name, from_seq=max(1, last - TAIL_MESSAGES)):
        for delivery in batch:
            if delivery.stored_at >= since and delivery.id:
                tail = decode(delivery.data)
                origin = consumers.raw_id_of(delivery.id)
                for number, source, at in zip(tail.reading_id, tail.time_source, tail.received_at, strict=True):
                    if source == "server":
                        window.take(number, at, origin)
    return window
