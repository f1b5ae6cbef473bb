"""Wires logic: what follows the log on every instance, what only the leader does, and what needs the database."""

import asyncio
import os
import socket
import time
from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from kaiser.contracts.streams import DEADLETTER, LOGIC
from kaiser.eventlog import BatchConsumer, EventLog, Lease, connect, ensure_consumer, ensure_streams
from kaiser.logic.api import asked, offered, ordered, patiently, recorded
from kaiser.logic.checkpoints import Checkpoints
from kaiser.logic.conditions import Evaluator
from kaiser.logic.conditions.plugin import PluginError, plugins
from kaiser.logic.deciding import Deciding
from kaiser.logic.delivering.mail import Mail
from kaiser.logic.delivering.webhook import Hook, HooksError, Webhooks, hooks_of
from kaiser.logic.effects import EFFECTS, Effects
from kaiser.logic.hindsight import Hindsight
from kaiser.logic.metrics import LogicMetrics
from kaiser.logic.notifying import MAX_TRIES, NOTIFICATIONS, Notifying
from kaiser.logic.orders import Orders
from kaiser.logic.past.processes import Processes
from kaiser.logic.projections import Projections
from kaiser.logic.queries import Queries
from kaiser.logic.questions import Questions
from kaiser.logic.recording import REST_S, RUNS, Recording
from kaiser.logic.retaining import SizeLimit
from kaiser.logic.rules import Rules
from kaiser.logic.settings import DAY_S, LogicSettings
from kaiser.logic.site import Surroundings
from kaiser.logic.surveyor import Surveyor
from kaiser.logic.trials import Trials
from kaiser.logic.trials import answerer as patient
from kaiser.service import Frame, State
from kaiser.service.answering import Answerer
from kaiser.service.consuming import Consumers, progress
from kaiser.service.database import DatabaseWatch, prepare
from kaiser.service.frame import CannotStartError
from kaiser.service.health import Finding
from kaiser.service.leading import Leader, Work
from kaiser.timescale import Pool, Retention

_log = structlog.get_logger(__name__)

SERVICE: Final = "logic"
MEANWHILE: Final = "rules go on, and what they decide is there again when it is back"
STUCK_S: Final = 3.0
"""Decisions that wait so long for the log show that this instance decides nothing."""


async def serve(frame: Frame, settings: LogicSettings) -> None:
    """Run logic until it is told to stop."""
    conditions, hooks = _given(settings)
    pool = Pool(settings.database())
    watch = DatabaseWatch(pool, "SELECT 1 FROM logic.progress", meanwhile=MEANWHILE)
    frame.health.add("event log", lambda: Finding(State.STARTING, "waiting for NATS"))
    frame.health.add("database", watch.finding)
    nats = settings.nats
    async with (
        Webhooks(hooks, timeout_s=settings.notify.timeout_s) as webhooks,
        await connect(nats.url, name=SERVICE, user=nats.user, password=nats.password) as log,
    ):
        frame.health.connected("event log", lambda: log.connected, whom="NATS")
        await ensure_streams(log, (LOGIC, DEADLETTER))
        await pool.open()
        frame.spawn("database watch", watch.run())
        metrics, rules = LogicMetrics(), Rules(log)
        frame.registry.register(metrics)
        deciding = Deciding(
            log,
            conditions,
            Checkpoints(log, SERVICE),
            metrics,
            ttl_s=settings.logic.runs_days * DAY_S,
            checkpoint_s=settings.logic.checkpoint_s,
        )
        consumers = Consumers(frame, log, SERVICE)
        frame.spawn("recording", _record(frame, consumers, settings, pool))
        notifying = Notifying({"webhook": webhooks, "email": Mail(settings.smtp)}, settings.notify)
        frame.registry.register(notifying)
        frame.spawn("rules", rules.run())
        for spec in (EFFECTS, NOTIFICATIONS):
            await ensure_consumer(log, spec)
        consumers.run("notifications", NOTIFICATIONS, notifying.handle, max_tries=MAX_TRIES)
        await rules.wait_caught_up()
        for answerer in _answerers(frame, log, settings, rules, deciding, conditions, pool):
            await answerer.serve(log.nc)
            frame.on_stop(answerer.close)
        _lead(frame, log, deciding, Effects(log, rules, metrics), metrics, settings.logic.lease_s)
        await frame.until_stopped()
        await pool.close()


def _given(settings: LogicSettings) -> tuple[dict[str, Evaluator], dict[str, Hook]]:
    """What is installed, and what the operator has said."""
    try:
        return plugins(), hooks_of(settings.notify.webhooks)
    except PluginError as error:
        raise CannotStartError(str(error)) from error
    except HooksError as error:
        raise CannotStartError(f"KAISER_NOTIFY_WEBHOOKS: {error}") from error


def _answerers(
    frame: Frame,
    log: EventLog,
    settings: LogicSettings,
    rules: Rules,
    deciding: Deciding,
    conditions: Mapping[str, Evaluator],
    pool: Pool,
) -> Iterable[Answerer]:
    """Those that answer at once, and those that look at the past and take their time."""
    surveyor = Surveyor(log)
    for name, surveying in surveyor.spawnable().items():
        frame.spawn(name, surveying)
    surroundings = Surroundings(log, surveyor)
    gated, time_zone = settings.logic.backtest_required, settings.logic.time_zone
    orders = Orders(rules, surroundings, conditions, gated=gated, time_zone=time_zone)
    processes, queries = Processes(settings.trial.at_once), Queries(pool)
    hindsight = Hindsight(queries, log, processes, settings.nats)
    questions = Questions(rules, deciding, surroundings, conditions, hindsight.explain)
    trials = Trials(rules, processes, settings.nats, settings.trial, conditions)
    yield Answerer(SERVICE, ordered(orders), asked(questions), offered(), recorded(queries))
    yield patient(patiently(questions, trials), settings.trial)


async def _record(frame: Frame, consumers: Consumers, settings: LogicSettings, pool: Pool) -> None:
    """Wait for the database, bring its schema up to date, and start everything that writes to it."""
    await prepare(settings.database(), package="kaiser.logic", schema=SERVICE)
    write = Recording(Projections(pool), lambda: frame.stopping)
    consumers.run("runs", RUNS, write.runs, rest_s=lambda: REST_S)
    kept, every_s = settings.retention, settings.retention.every_s
    retention = Retention(settings.database(), kept.lifetimes(settings.logic.runs_days), every_s=every_s)
    await asyncio.gather(retention.run(), SizeLimit(pool, kept.most_bytes).run(every_s))


def _lead(
    frame: Frame, log: EventLog, deciding: Deciding, effects: Effects, metrics: LogicMetrics, lease_s: int
) -> None:
    """Follow the leader, and lead whenever nobody else does."""
    holder = f"{socket.gethostname()}.{os.getpid()}"
    leader = Leader(Lease(log, SERVICE, "leader", holder=holder, ttl_s=lease_s))
    leader.works += [deciding.run, _effects(frame, log, effects)]
    metrics.gauge("leads", "1 while this instance decides.", lambda: float(deciding.leads))
    metrics.gauge("clock_lag_seconds", "How far the engine is behind the clock.", deciding.lag_s)
    frame.health.add("deciding", lambda: _deciding(leader.leads, deciding))
    frame.spawn("standing by", deciding.stand_by())
    frame.spawn("leading", leader.run())
    frame.on_stop(deciding.close)


def _effects(frame: Frame, log: EventLog, effects: Effects) -> Work:
    """The consumer of decisions, for a term of the leader, each with one of its own."""

    async def consume() -> None:
        consumer = BatchConsumer(log, EFFECTS, effects.handle, service=SERVICE)
        frame.health.add("effects", progress(consumer))
        try:
            await consumer.run()
        finally:
            frame.health.add("effects", lambda: Finding(State.OK, "another instance leads"))

    return consume


def _deciding(leads: bool, deciding: Deciding) -> Finding:
    if not leads:
        return Finding(State.OK, "another instance leads, or will in a moment")
    if not deciding.leads:
        return Finding(State.STARTING, deciding.missing)
    waits_s = time.monotonic() - deciding.busy_since if deciding.busy_since else 0.0
    return (
        Finding(State.FAILING, f"decisions wait for the log, for {waits_s:.0f} s")
        if waits_s > STUCK_S
        else Finding(State.OK)
    )
