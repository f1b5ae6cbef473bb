"""Wires logic: what follows the log on every instance, what only the leader does, and what needs the database."""

import os
import socket
import time
from collections.abc import Mapping
from typing import Final

import structlog

from kaiser.contracts.streams import DEADLETTER, LOGIC
from kaiser.eventlog import (
    EventLog,
    Lease,
    connect,
    ensure_consumer,
    ensure_streams,
)
from kaiser.logic.api import asked, offered, ordered
from kaiser.logic.checkpoints import Checkpoints
from kaiser.logic.conditions import Evaluator
from kaiser.logic.conditions.plugin import PluginError, plugins
from kaiser.logic.deciding import Deciding
from kaiser.logic.delivering.mail import Mail
from kaiser.logic.delivering.webhook import HooksError, Webhooks, hooks_of
from kaiser.logic.effects import EFFECTS, Effects
from kaiser.logic.metrics import LogicMetrics
from kaiser.logic.notifying import MAX_TRIES, NOTIFICATIONS, Notifying
from kaiser.logic.orders import Orders
from kaiser.logic.past.wiring import Past
from kaiser.logic.questions import Questions
from kaiser.logic.rules import Rules
from kaiser.logic.settings import DAY_S, LogicSettings
from kaiser.logic.site import Surroundings
from kaiser.logic.surveyor import Surveyor
from kaiser.service import Frame, State
from kaiser.service.answering import Answerer
from kaiser.service.consuming import Consumers
from kaiser.service.frame import CannotStartError
from kaiser.service.health import Finding
from kaiser.service.leading import Leader

_log = structlog.get_logger(__name__)

SERVICE: Final = "logic"
STUCK_S: Final = 3.0
"""Decisions that wait so long for the log show that this instance decides nothing."""


async def serve(frame: Frame, settings: LogicSettings) -> None:
    """Run logic until it is told to stop."""
    try:
        conditions, hooks = plugins(), hooks_of(settings.notify.webhooks)
    except (PluginError, HooksError) as error:
        raise CannotStartError(str(error)) from error
    frame.health.add("event log", lambda: Finding(State.STARTING, "waiting for NATS; nothing is done without it"))
    nats = settings.nats
    async with await connect(nats.url, name=SERVICE, user=nats.user, password=nats.password) as log:
        frame.health.event_log(log, meanwhile="no rule runs; what came meanwhile is looked at when it is back")
        await ensure_streams(log, (LOGIC, DEADLETTER))
        metrics = LogicMetrics()
        frame.registry.register(metrics)
        rules, surveyor = Rules(log), Surveyor(log)
        deciding = Deciding(
            log,
            conditions,
            Checkpoints(log, SERVICE),
            surveyor.measured,
            metrics,
            ttl_s=settings.logic.runs_days * DAY_S,
            checkpoint_s=settings.logic.checkpoint_s,
        )
        consuming = Consumers(frame, log, SERVICE)
        past = Past(frame, log, settings, rules, conditions, consuming)
        await past.open()
        frame.spawn("rules", rules.run())
        for name, surveying in surveyor.spawnable().items():
            frame.spawn(name, surveying)
        for consumer in (EFFECTS, NOTIFICATIONS):
            await ensure_consumer(log, consumer)
        await rules.wait_caught_up()
        surroundings = Surroundings(log, surveyor, frozenset(hooks))
        for answerer in _answerers(rules, deciding, past, conditions, surroundings, settings):
            await answerer.serve(log.nc)
            frame.on_stop(answerer.close)
        leader = _lead(frame, log, deciding, metrics, settings.logic.lease_s)
        told = settings.notify
        async with Webhooks(hooks, timeout_s=told.timeout_s, ca_file=told.ca_file) as webhooks:
            effects = Effects(log, rules, metrics, ttl_s=settings.logic.runs_days * DAY_S, traces=deciding.traces)
            deciding.on_written.append(effects.begin)
            notifying = Notifying({"webhook": webhooks, "email": Mail(settings.smtp)}, told)
            frame.registry.register(notifying)
            leader.works += [
                effects.term,
                consuming.term("effects", EFFECTS, effects.handle),
                consuming.term("notifications", NOTIFICATIONS, notifying.handle, max_tries=MAX_TRIES),
            ]
            frame.spawn("leading", leader.run())
            await frame.until_stopped()
        await past.close()


def _answerers(
    rules: Rules,
    deciding: Deciding,
    past: Past,
    conditions: Mapping[str, Evaluator],
    surroundings: Surroundings,
    settings: LogicSettings,
) -> tuple[Answerer, Answerer]:
    """Who answers: at once, and with patience."""
    orders = Orders(
        rules,
        surroundings,
        conditions,
        gated=settings.logic.backtest_required,
        time_zone=settings.logic.time_zone,
    )
    questions = Questions(rules, deciding, surroundings, conditions, past.hindsight.explain)
    at_once = Answerer(SERVICE, ordered(orders), asked(questions), offered(), past.listed())
    return at_once, past.answerer(questions)


def _lead(frame: Frame, log: EventLog, deciding: Deciding, metrics: LogicMetrics, lease_s: int) -> Leader:
    """Follow the leader, and be ready to lead whenever nobody else does."""
    holder = f"{socket.gethostname()}.{os.getpid()}"
    leader = Leader(Lease(log, SERVICE, "leader", holder=holder, ttl_s=lease_s))
    leader.works.append(deciding.run)
    metrics.gauge("leads", "1 while this instance decides.", lambda: float(deciding.leads))
    metrics.gauge("clock_lag_seconds", "How far the engine is behind the clock.", deciding.lag_s)
    frame.health.add("deciding", lambda: _deciding(log, leader.leads, deciding))
    frame.spawn("standing by", deciding.stand_by())
    frame.on_stop(deciding.close)
    return leader


def _deciding(log: EventLog, leads: bool, deciding: Deciding) -> Finding:
    if not leads and not log.connected:
        return Finding(State.FAILING, "without NATS nobody knows who leads, and this instance runs no rule")
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
