"""Wires the actuator service: what decides, which needs the log alone, and tables, when the database is there."""

import asyncio
import contextlib
import os
import socket
from typing import Final

from kaiser.actuator import recording
from kaiser.actuator.acting import Acting
from kaiser.actuator.api import SERVICE, bygone, commanded, questions
from kaiser.actuator.archive import Archive
from kaiser.actuator.as_of import AsOf
from kaiser.actuator.book import Book
from kaiser.actuator.clockwork import Clockwork
from kaiser.actuator.consumers import REPORTS, RESPONSES, SAFEGUARDS, Answers, Safeguards
from kaiser.actuator.leases import LEASES, Leases
from kaiser.actuator.metrics import ActuatorMetrics
from kaiser.actuator.orders import Orders
from kaiser.actuator.projections import Projections
from kaiser.actuator.queries import Queries
from kaiser.actuator.settings import ActuatorSettings
from kaiser.actuator.snapshotting import Snapshotting
from kaiser.actuator.surroundings import Surroundings
from kaiser.contracts.streams import ACTUATORS, DEADLETTER, DOWNLINK
from kaiser.eventlog import EventLog, Lease, connect, ensure_streams
from kaiser.roster import Roster
from kaiser.service import Frame, State
from kaiser.service.answering import Answerer
from kaiser.service.consuming import Consumers
from kaiser.service.database import DatabaseWatch, prepare
from kaiser.service.health import Finding
from kaiser.service.room import RoomWatch
from kaiser.timescale import Pool, Retention

LEASE_TTL_S: Final = 2
"""What is due waits so long at most when the instance that had the lease was killed."""


EMERGENCIES_S: Final = 5.0
"""Emergency stops are waited for so long at the start."""


FULL: Final = "commands are refused or wait until there is room; an emergency stop goes another way"


async def serve(frame: Frame, settings: ActuatorSettings) -> None:
    """Run the actuator service until it is told to stop."""
    pool = Pool(settings.database())
    meanwhile = "commands go on; their lists and history are there again when it is back"
    watch = DatabaseWatch(pool, "SELECT 1 FROM progress", meanwhile=meanwhile)
    frame.health.add("event log", lambda: Finding(State.STARTING, "waiting for NATS; nothing is done without it"))
    watch.show(frame)
    nats = settings.nats
    async with await connect(nats.url, name=SERVICE, user=nats.user, password=nats.password) as log:
        frame.health.event_log(
            log, meanwhile="no command is taken or sent; an emergency stop goes another way, once it is back"
        )
        RoomWatch(log, SERVICE, FULL).show(frame)
        await ensure_streams(log, (ACTUATORS, DOWNLINK, DEADLETTER))
        await pool.open()
        frame.spawn("database watch", watch.run())
        consumers = Consumers(frame, log, SERVICE)
        frame.spawn("recording", _record(frame, consumers, settings, pool))
        await _act(frame, consumers, settings, log, pool)
        await frame.until_stopped()
        await pool.close()


async def _act(frame: Frame, consumers: Consumers, settings: ActuatorSettings, log: EventLog, pool: Pool) -> None:
    """Learn what the log holds, and start to act on it."""
    metrics, archive, book = ActuatorMetrics(), Archive(), Book(log)
    frame.registry.register(metrics)
    book.on_event.extend((archive.take, metrics.take))
    roster = Roster()
    surroundings = Surroundings(roster, settings.actuator.patience())
    acting = Acting(log, book, surroundings, metrics)
    holder = f"{socket.gethostname()}.{os.getpid()}"
    snapshotting = Snapshotting(log, SERVICE, book, archive)
    await snapshotting.restore()
    clockwork = Clockwork(acting, Lease(log, SERVICE, "timers", holder=holder, ttl_s=LEASE_TTL_S))
    _show(metrics, book, archive, surroundings, clockwork)
    frame.spawn("roster", roster.follow(log))
    frame.spawn("surroundings", surroundings.follow(log))
    frame.spawn("book", book.follow())
    await surroundings.wait_caught_up()
    await book.wait_caught_up()
    with contextlib.suppress(TimeoutError):  # where safety never ran there is no such stream, and OFF is to go through
        async with asyncio.timeout(EMERGENCIES_S):
            await surroundings.wait_emergencies()
    orders = Orders(log, acting, archive)
    queries = Queries(pool, book, surroundings, archive, orders)
    answerer = Answerer(SERVICE, commanded(orders), questions(queries), bygone(AsOf(log, archive, queries)))
    await answerer.serve(log.nc)
    frame.on_stop(clockwork.release)
    frame.on_stop(answerer.close)
    answers = Answers(acting, archive)
    consumers.run("safeguards", SAFEGUARDS, Safeguards(acting, archive).handle, each_traced=True)
    consumers.run("responses", RESPONSES, answers.responses, each_traced=True)
    consumers.run("reports", REPORTS, answers.reports, each_traced=True)
    consumers.run("leases", LEASES, Leases(acting).handle)
    frame.spawn("lead", clockwork.lead())
    frame.spawn("timers", clockwork.run())
    frame.spawn("snapshots", snapshotting.run(lambda: clockwork.leading, settings.actuator.snapshot_s))


async def _record(frame: Frame, consumers: Consumers, settings: ActuatorSettings, pool: Pool) -> None:
    """Wait for the database, bring its schema up to date, and start everything that writes to it."""
    await prepare(settings.database(), package="kaiser.actuator", schema="actuator")
    write = recording.Recording(Projections(pool), lambda: frame.stopping)
    consumers.run("commands", recording.COMMAND_EVENTS_SPEC, write.commands, rest_s=lambda: recording.REST_S)
    consumers.run("states", recording.STATES_SPEC, write.states, rest_s=lambda: recording.REST_S)
    retention = Retention(settings.database(), settings.retention.lifetimes(), every_s=settings.retention.every_s)
    frame.spawn("retention", retention.run())


def _show(
    metrics: ActuatorMetrics, book: Book, archive: Archive, surroundings: Surroundings, clockwork: Clockwork
) -> None:
    metrics.gauges.extend(
        (
            ("kaiser_actuator_actuators", "Actuators that were ever told something.", lambda: len(book)),
            ("kaiser_actuator_commands_held", "Commands in memory.", lambda: len(archive)),
            ("kaiser_actuator_timers", "Moments that are waited for.", lambda: len(clockwork)),
            ("kaiser_actuator_emergencies", "Emergency stops in force.", lambda: len(surroundings.latches)),
            ("kaiser_actuator_leading", "Whether this instance acts on timers.", lambda: float(clockwork.leading)),
        )
    )
