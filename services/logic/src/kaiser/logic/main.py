"""Wires logic: what follows the log on every instance, what only the leader does, and what needs the database."""

import os
import socket
import time
from typing import Final

import structlog

from kaiser.contracts.streams import DEADLETTER, LOGIC
from kaiser.eventlog import BatchConsumer, EventLog, Lease, connect, ensure_consumer, ensure_streams
from kaiser.logic.api import asked, offered, ordered
from kaiser.logic.checkpoints import Checkpoints
from kaiser.logic.conditions.plugin import PluginError, plugins
from kaiser.logic.deciding import Deciding
from kaiser.logic.effects import EFFECTS, Effects
from kaiser.logic.metrics import LogicMetrics
from kaiser.logic.orders import Orders
from kaiser.logic.questions import Questions
from kaiser.logic.rules import Rules
from kaiser.logic.settings import DAY_S, LogicSettings
from kaiser.logic.site import Surroundings
from kaiser.logic.surveyor import Surveyor
from kaiser.service import Frame, State
from kaiser.service.answering import Answerer
from kaiser.service.consuming import progress
from kaiser.service.frame import CannotStartError
from kaiser.service.health import Finding
from kaiser.service.leading import Leader, Work

_log = structlog.get_logger(__name__)

SERVICE: Final = "logic"
STUCK_S: Final = 3.0
"""Decisions that wait so long for the log show that this instance decides nothing."""


async def serve(frame: Frame, settings: LogicSettings) -> None:
    """Run logic until it is told to stop."""
    try:
        conditions = plugins()
    except PluginError as error:
        raise CannotStartError(str(error)) from error
    frame.health.add("event log", lambda: Finding(State.STARTING, "waiting for NATS"))
    nats = settings.nats
    async with await connect(nats.url, name=SERVICE, user=nats.user, password=nats.password) as log:
        frame.health.connected("event log", lambda: log.connected, whom="NATS")
        await ensure_streams(log, (LOGIC, DEADLETTER))
        metrics = LogicMetrics()
        frame.registry.register(metrics)
        rules = Rules(log)
        deciding = Deciding(
            log,
            conditions,
            Checkpoints(log, SERVICE),
            metrics,
            ttl_s=settings.logic.runs_days * DAY_S,
            checkpoint_s=settings.logic.checkpoint_s,
        )
        surveyor = Surveyor(log)
        surroundings = Surroundings(log, surveyor)
        orders = Orders(
            rules,
            surroundings,
            conditions,
            gated=settings.logic.backtest_required,
            time_zone=settings.logic.time_zone,
        )
        questions = Questions(rules, deciding, surroundings, conditions)
        requests = [ordered(orders), asked(questions), offered()]
        # What needs the database is wired here: it adds to ``requests``, spawns what waits for it, and delays nothing
        frame.spawn("rules", rules.run())
        for name, surveying in surveyor.spawnable().items():
            frame.spawn(name, surveying)
        await ensure_consumer(log, EFFECTS)
        await rules.wait_caught_up()
        answerer = Answerer(SERVICE, *requests)
        await answerer.serve(log.nc)
        frame.on_stop(answerer.close)
        _lead(frame, log, deciding, Effects(log, rules, metrics), metrics, settings.logic.lease_s)
        await frame.until_stopped()


def _lead(
    frame: Frame, log: EventLog, deciding: Deciding, effects: Effects, metrics: LogicMetrics, lease_s: int
) -> None:
    """Follow the leader, and lead whenever nobody else does."""
    holder = f"{socket.gethostname()}.{os.getpid()}"
    leader = Leader(Lease(log, SERVICE, "leader", holder=holder, ttl_s=lease_s))
    leader.works += [deciding.run, _effects(frame, log, effects)]
    deciding.on_written.append(effects.begin)
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
            effects.drop()
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
