"""Wires safety: what follows the log on every instance, what only the leader does, and what needs the database."""

import asyncio
import os
import socket
import time
from typing import Final

import nats.errors
import structlog

from kaiser.contracts.streams import DEADLETTER, DOWNLINK, SAFETY
from kaiser.eventlog import (
    ConsumerSpec,
    EventLog,
    Lease,
    connect,
    ensure_consumer,
    ensure_streams,
    now_us,
)
from kaiser.safety import consumers
from kaiser.safety.api import Orders, asked, bygone, ordered
from kaiser.safety.as_of import AsOf
from kaiser.safety.checkpointing import Checkpoints
from kaiser.safety.clearing import Clearing
from kaiser.safety.consumers import ActAtAlerts, WriteViolations
from kaiser.safety.decider import Decider
from kaiser.safety.following import Followed
from kaiser.safety.leading import say_alive
from kaiser.safety.metrics import SafetyMetrics
from kaiser.safety.projections import Violations
from kaiser.safety.queries import Queries
from kaiser.safety.settings import SafetySettings
from kaiser.safety.stopping import Stopping
from kaiser.safety.watch import Watch
from kaiser.safety.writing import Writer
from kaiser.service import Frame, State
from kaiser.service.answering import Answerer
from kaiser.service.consuming import Consumers
from kaiser.service.database import DatabaseWatch, prepare
from kaiser.service.health import Finding
from kaiser.service.leading import Leader
from kaiser.service.room import RoomWatch
from kaiser.timescale import Pool

_log = structlog.get_logger(__name__)

SERVICE: Final = "safety"
MEANWHILE: Final = "decisions, stops and emergency stops go on, and violations are recorded when it is back"
FULL: Final = "what is decided or stopped waits, and the bridge switches off when safety is silent for too long"
SILENT_S: Final = 5.0
"""A log that says nothing for so long, not even its heartbeats, tells this instance nothing new."""
STUCK_S: Final = 3.0
"""A stop that waits so long for the log shows that safety stops nothing: the bridge has to."""
COUNTS_EVERY_S: Final = 5.0
AGAIN_S: Final = 0.5


async def serve(frame: Frame, settings: SafetySettings) -> None:
    """Run safety until it is told to stop."""
    pool = Pool(settings.database())
    watch = DatabaseWatch(pool, "SELECT 1 FROM progress", meanwhile=MEANWHILE)
    frame.health.add("event log", lambda: Finding(State.STARTING, "waiting for NATS; nothing is done without it"))
    watch.show(frame)
    nats = settings.nats
    async with await connect(nats.url, name=SERVICE, user=nats.user, password=nats.password) as log:
        frame.health.event_log(
            log, meanwhile="nothing is decided, so nothing is switched on, and the bridge switches off what may be on"
        )
        RoomWatch(log, SERVICE, FULL).show(frame)
        await ensure_streams(log, (SAFETY, DOWNLINK, DEADLETTER))
        await pool.open()
        followed = Followed(log)
        writer = Writer(log, followed, followed.trace_of)
        frame.health.add("state", lambda: _state(followed))
        kept = Checkpoints(log, SERVICE)
        if (checkpoint := await kept.last()) is not None:
            followed.go_on_from(checkpoint)
        frame.spawn("following", followed.run())
        answerer = Answerer(SERVICE, ordered(Orders(followed, writer)), asked(Queries(pool, log)), bygone(AsOf(log)))
        frame.spawn("watch", watch.run())
        consuming = Consumers(frame, log, SERVICE)
        frame.spawn("recording", _record(frame, consuming, settings, pool))
        await _ensure(log, consumers.ALERTS)
        await followed.wait_caught_up()
        await answerer.serve(log.nc)  # before, it would only say that it is starting, where another instance can answer
        frame.on_stop(answerer.close)
        leader = _lead(frame, log, followed, writer, consuming, settings.safety.lease_s)
        leader.works.append(lambda: kept.keep(followed, settings.safety.checkpoint_s))
        frame.spawn("leading", leader.run())
        await frame.until_stopped()
        await pool.close()


def _lead(
    frame: Frame, log: EventLog, followed: Followed, writer: Writer, consuming: Consumers, lease_s: int
) -> Leader:
    """Everything that only the leader does."""
    holder = f"{socket.gethostname()}.{os.getpid()}"
    leader = Leader(Lease(log, SERVICE, "leader", holder=holder, ttl_s=lease_s))
    metrics = SafetyMetrics(followed, writer, leader)
    frame.registry.register(metrics)
    decider = Decider(followed, writer, metrics, lambda: leader.until(now_us()))
    alert = ActAtAlerts(followed, writer, metrics)
    watch, stopping = Watch(followed, writer, metrics), Stopping(log, followed, writer)

    def falters() -> str:
        """Why this instance does not decide although it leads; empty while it does."""
        if followed.silent_s > SILENT_S:
            return "the log says nothing"
        if max(watch.stint.lasts_s(time.monotonic()), stopping.stint.lasts_s(time.monotonic())) > STUCK_S:
            return "stops cannot be stored"
        return "requests wait for a decision" if decider.limps() else ""

    frame.health.add("deciding", lambda: _deciding(log, leader.leads, falters()))
    leader.works += [
        decider.run,
        watch.run,
        stopping.run,
        Clearing(log, followed, writer).run,
        consuming.term("alerts", consumers.ALERTS, alert.handle),
        lambda: alert.tell_counts(COUNTS_EVERY_S),
        lambda: say_alive(log, falters),
    ]
    return leader


async def _record(frame: Frame, consuming: Consumers, settings: SafetySettings, pool: Pool) -> None:
    """Wait for the database, bring its schema up to date, and write what belongs there."""
    await prepare(settings.database(), package="kaiser.safety", schema=SERVICE)
    write = WriteViolations(Violations(pool), lambda: frame.stopping)
    consuming.run("violations", consumers.VIOLATIONS, write.handle, rest_s=lambda: consumers.REST_S)


def _deciding(log: EventLog, leads: bool, falters: str) -> Finding:
    if not leads and not log.connected:
        return Finding(State.FAILING, "without NATS nobody knows who leads, and this instance decides nothing")
    if not leads:
        return Finding(State.OK, "another instance leads, or will in a moment")
    return Finding(State.FAILING, falters) if falters else Finding(State.OK)


async def _ensure(log: EventLog, spec: ConsumerSpec) -> None:
    """Make a consumer, and so the place in the stream from which on nothing is missed."""
    while True:
        try:
            await ensure_consumer(log, spec)
        except (nats.errors.Error, TimeoutError) as error:
            _log.warning("a stream is not there yet, waiting", stream=spec.stream, reason=str(error))
            await asyncio.sleep(AGAIN_S)
        else:
            return


def _state(followed: Followed) -> Finding:
    missing = followed.missing
    return Finding(State.STARTING, missing) if missing else Finding(State.OK)
