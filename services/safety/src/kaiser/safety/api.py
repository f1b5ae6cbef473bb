"""Answers on ``command.safety.*`` and ``query.safety.*``. Any instance answers: the log says who came first."""

from collections.abc import Sequence
from typing import Final

import nats.errors

from kaiser.contracts import cursors, safeguarding, subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import ActuatorRef, InterlockRemoved, InterlockSet, LimitsSet, Severity
from kaiser.contracts.past import StateAtQuery
from kaiser.contracts.queries import Page
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.safeguarding import (
    ActuatorLimits,
    Alert,
    AlertsQuery,
    ClearAlert,
    EmergenciesQuery,
    Emergency,
    Interlock,
    InterlocksQuery,
    LimitsQuery,
    ReleaseEmergency,
    RemoveInterlock,
    SafetyDecided,
    SafetyOrder,
    SetInterlock,
    SetLimits,
)
from kaiser.eventlog import ConcurrencyConflict, new_id
from kaiser.safety import alerts, checking, emergencies
from kaiser.safety.alerts import OpenAlert
from kaiser.safety.as_of import AsOf
from kaiser.safety.contradicting import contradiction, contradiction_of_limits
from kaiser.safety.emergencies import Latch
from kaiser.safety.events import Fact
from kaiser.safety.following import Followed
from kaiser.safety.queries import Queries, page_size
from kaiser.safety.writing import Decide, Writer
from kaiser.service.answering import Requests

WORST: Final[dict[Severity, int]] = {"critical": 0, "error": 1, "warning": 2, "info": 3}


class Orders:
    """Executes what people order, and shows what is in memory.

    Args:
        followed: What is known.
        writer: Where decisions go.
    """

    def __init__(self, followed: Followed, writer: Writer) -> None:
        self._followed = followed
        self._writer = writer

    async def set_limits(self, asked: SetLimits, now: int) -> SafetyDecided:
        """Give an actuator other limits.

        Raises:
            Refusal: INVALID_ESP_ID, INVALID_GPIO_PIN, VALUE_OUT_OF_RANGE, STATE_CHANGED, or INTERLOCK_CONTRADICTION.
        """
        checking.check_place(asked.esp_id, asked.gpio)
        checking.check_limits(asked.limits)

        def decide() -> Sequence[Fact]:
            settled = self._followed.settled
            checking.check_known(asked.known_seq, settled.limits_seq(asked.esp_id, asked.gpio))
            before = settled.limits_set(asked.esp_id, asked.gpio)
            if asked.limits == (None if before is None else before.limits):
                return ()
            ref = ActuatorRef(asked.esp_id, asked.gpio)
            checking.refuse(contradiction_of_limits(self._followed.state, ref, asked.limits), "limits")
            return (
                LimitsSet(
                    at=now,
                    by=asked.by,
                    correlation_id=_correlation(asked),
                    esp_id=asked.esp_id,
                    gpio=asked.gpio,
                    limits=asked.limits,
                    reason=asked.reason,
                ),
            )

        return await self._execute(decide)

    async def set_interlock(self, asked: SetInterlock, now: int) -> SafetyDecided:
        """Make or change an interlock.

        Raises:
            Refusal: INTERLOCK_CONTRADICTION, VALUE_OUT_OF_RANGE, STATE_CHANGED.
        """
        checking.check_rule(asked.rule)

        def decide() -> Sequence[Fact]:
            before = self._followed.settled.interlocks().get(asked.interlock_id)
            checking.check_known(asked.known_seq, 0 if before is None else before.seq)
            if before is not None and before.rule == asked.rule:
                return ()
            checking.refuse(contradiction(self._followed.state, asked.interlock_id, asked.rule), "rule")
            return (
                InterlockSet(
                    at=now,
                    by=asked.by,
                    correlation_id=_correlation(asked),
                    interlock_id=asked.interlock_id,
                    rule=asked.rule,
                    reason=asked.reason,
                ),
            )

        return await self._execute(decide)

    async def remove_interlock(self, asked: RemoveInterlock, now: int) -> SafetyDecided:
        """Take an interlock away.

        Raises:
            Refusal: INTERLOCK_NOT_FOUND, STATE_CHANGED.
        """

        def decide() -> Sequence[Fact]:
            before = self._followed.settled.interlocks().get(asked.interlock_id)
            if before is None:
                words = f"there is no interlock {asked.interlock_id!r}"
                raise Refusal(Code.INTERLOCK_NOT_FOUND, words, "interlock_id")
            checking.check_known(asked.known_seq, before.seq)
            return (
                InterlockRemoved(
                    at=now,
                    by=asked.by,
                    correlation_id=_correlation(asked),
                    interlock_id=asked.interlock_id,
                    reason=asked.reason,
                ),
            )

        return await self._execute(decide)

    async def release_emergency(self, asked: ReleaseEmergency, now: int) -> SafetyDecided:
        """Let actuators be switched on again; none is. What the devices raised alerts about in the stop is over.

        Raises:
            Refusal: EMERGENCY_NOT_FOUND, EMERGENCY_UNCONFIRMED.
        """

        def decide() -> Sequence[Fact]:
            latch = self._followed.latches.get(asked.emergency_id)
            released = emergencies.release(latch, self._followed.actuators(), asked, now)
            over = [
                alerts.cleared(alert, now, by=asked.by, reason=asked.reason, correlation_id=asked.correlation_id)
                for alert in self._followed.alerts.open()
                if alert.raised.kind == "emergency_stop" and self._covers(latch, alert)
            ]
            return (released, *over)

        return await self._execute(decide)

    async def clear_alert(self, asked: ClearAlert, now: int) -> SafetyDecided:
        """Say that an alert is over.

        Raises:
            Refusal: ALERT_NOT_FOUND.
        """

        def decide() -> Sequence[Fact]:
            alert = self._followed.alerts.by_id(asked.alert_id)
            if alert is None:
                raise Refusal(Code.ALERT_NOT_FOUND, f"no alert {asked.alert_id!r} is open", "alert_id")
            return (alerts.cleared(alert, now, by=asked.by, reason=asked.reason, correlation_id=_correlation(asked)),)

        return await self._execute(decide)

    async def limits(self, asked: LimitsQuery, now: int) -> ActuatorLimits:  # noqa: ARG002  # one face for all
        """The limits of an actuator."""
        self._require_caught_up()
        in_force = self._followed.state.limits(ActuatorRef(asked.esp_id, asked.gpio))
        return self._followed.settled.limits(asked.esp_id, asked.gpio, in_force)

    async def interlocks(self, asked: InterlocksQuery, now: int) -> Page[Interlock]:  # noqa: ARG002
        """All interlocks, by id."""
        self._require_caught_up()
        found = self._followed.settled.interlocks()
        return Page(items=[found[name] for name in sorted(found)], next_cursor=None)

    async def emergencies(self, asked: EmergenciesQuery, now: int) -> Page[Emergency]:  # noqa: ARG002
        """Emergency stops in force, oldest first."""
        self._require_caught_up()
        actuators = list(self._followed.actuators())
        items = [emergencies.view(latch, actuators) for latch in self._followed.latches.in_force()]
        return Page(items=items, next_cursor=None)

    async def alerts(self, asked: AlertsQuery, now: int) -> Page[Alert]:  # noqa: ARG002  # one face for all
        """Open alerts, worst first, then the oldest.

        Raises:
            Refusal: VALUE_OUT_OF_RANGE.
        """
        self._require_caught_up()
        limit = page_size(asked.limit)
        after = cursors.read(asked.cursor, (int, int, str))
        found = [
            one
            for one in self._followed.alerts.open()
            if asked.esp_id in (None, one.raised.esp_id) and asked.alert_id in (None, one.raised.alert_id)
        ]
        rest = sorted((one for one in found if after is None or _rank(one) > after), key=_rank)
        more = cursors.write(*_rank(rest[limit - 1])) if len(rest) > limit else None
        return Page(items=[alerts.shown(one) for one in rest[:limit]], next_cursor=more)

    def _covers(self, latch: Latch, alert: OpenAlert) -> bool:
        raised = alert.raised
        known = self._followed.actuator(ActuatorRef(raised.esp_id, raised.gpio))
        return latch.scope.covers(kaiser_id=raised.kaiser_id, zones=known.zones, esp_id=raised.esp_id, gpio=raised.gpio)

    async def _execute(self, decide: Decide) -> SafetyDecided:
        self._require_caught_up()
        try:
            # Somebody may ask right after another instance wrote, so what is refused is refused by what is in the log
            await self._followed.catch_up()
            written = await self._writer.write(decide)
        except ConcurrencyConflict as conflict:
            words = "safety is written to all the time; try again"
            raise Refusal(Code.SERVICE_ERROR, words) from conflict
        except (nats.errors.Error, TimeoutError) as error:
            raise Refusal(Code.SERVICE_ERROR, f"the log does not answer: {error!r}") from error
        seq = written[0][0] if written else self._followed.safety_seq
        return SafetyDecided(seq=seq, changed=bool(written))

    def _require_caught_up(self) -> None:
        if missing := self._followed.missing:
            raise Refusal(Code.SAFETY_UNAVAILABLE, f"safety is starting: {missing}")


def ordered(orders: Orders) -> Requests:
    """What may be ordered, and asked of what is in memory."""
    return {
        subjects.command("safety", "set_limits"): (SetLimits, orders.set_limits),
        subjects.command("safety", "set_interlock"): (SetInterlock, orders.set_interlock),
        subjects.command("safety", "remove_interlock"): (RemoveInterlock, orders.remove_interlock),
        subjects.command("safety", "release_emergency"): (ReleaseEmergency, orders.release_emergency),
        subjects.command("safety", "clear_alert"): (ClearAlert, orders.clear_alert),
        subjects.query("safety", "limits"): (LimitsQuery, orders.limits),
        subjects.query("safety", "interlocks"): (InterlocksQuery, orders.interlocks),
        subjects.query("safety", "emergencies"): (EmergenciesQuery, orders.emergencies),
        subjects.query("safety", "alerts"): (AlertsQuery, orders.alerts),
    }


def asked(queries: Queries) -> Requests:
    """What may be asked of the table and of the log."""
    return {
        subjects.query("safety", "violations"): (safeguarding.ViolationsQuery, queries.violations),
        subjects.query("safety", "decision"): (safeguarding.DecisionQuery, queries.decision),
    }


def bygone(as_of: AsOf) -> Requests:
    """What may be asked about the past."""
    return {subjects.query("safety", "state_at"): (StateAtQuery, as_of.state_at)}


def _correlation(asked: SafetyOrder) -> str:
    return asked.correlation_id or new_id()


def _rank(alert: OpenAlert) -> tuple[int, int, str]:
    raised = alert.raised
    return WORST[raised.severity], raised.at, raised.alert_id
