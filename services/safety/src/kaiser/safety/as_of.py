"""What limits, interlocks, emergency stops, alerts and stops were at a past time: by the folds of today."""

from typing import Any, Final

import msgspec
from nats.js.errors import NotFoundError

from kaiser.contracts import subjects
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.safeguards import (
    ActuatorRef,
    ActuatorStopped,
    AlertCleared,
    AlertFolded,
    AlertRaised,
    EmergencyReleased,
    EmergencyRequested,
    InterlockRemoved,
    InterlockSet,
    LimitsSet,
    StopConfirmed,
)
from kaiser.contracts.past import StateAt, StateAtQuery
from kaiser.contracts.safeguarding import Alert, Interlock
from kaiser.contracts.streams import ACTUATORS, SAFETY
from kaiser.contracts.wire import ActuatorAlert
from kaiser.eventlog import EventLog, message_at
from kaiser.roster import member_at
from kaiser.safety import alerts
from kaiser.safety.alerts import Alerts, seq_of
from kaiser.safety.events import Fact, fact_of
from kaiser.safety.settled import Settled
from kaiser.safety.state import defaults
from kaiser.service.past import Fold, Past, never, pin_of, told, unknown_kind

ALERTS: Final = "safety.alert.>"
STOPS: Final = "safety.stop.>"
EMERGENCIES: Final = subjects.emergency("*")

_decode_alert = msgspec.json.Decoder(DeviceSaid[ActuatorAlert]).decode


class InterlockThen(Interlock, frozen=True, kw_only=True):
    """An interlock, and whether it had been removed; then it is as it was last."""

    removed: bool = False


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """Who ended something, when and why."""

    at: int
    by: str
    reason: str = ""


class EmergencyThen(msgspec.Struct, frozen=True, kw_only=True):
    """An emergency stop, and how it was released; null while it was in force."""

    requested: EmergencyRequested
    seq: int
    released: Ended | None = None


class AlertThen(Alert, frozen=True, kw_only=True):
    """An alert, and how it was cleared; null while it was open."""

    cleared: Ended | None = None


class StopThen(msgspec.Struct, frozen=True, kw_only=True):
    """A stop, and when its actuator said that it is off; null while it had not."""

    stopped: ActuatorStopped
    confirmed: StopConfirmed | None = None


class AsOf:
    """Says what was.

    Args:
        log: The connection.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._past = Past(log)

    async def state_at(self, asked: StateAtQuery, now: int) -> StateAt:  # noqa: ARG002  # one face for all
        """What ``limits``, an ``interlock``, an ``emergency``, an ``alert`` or a ``stop`` were.

        Raises:
            Refusal: VALUE_OUT_OF_RANGE, EVENT_NOT_FOUND, EVENTS_GONE, TOO_MANY_EVENTS, SERVICE_ERROR.
        """
        match asked.kind:
            case "limits":
                return await self._limits(asked)
            case "interlock":
                return await self._past.answer(asked, _interlock(asked.name), lambda interlock: interlock)
            case "emergency":
                return await self._past.answer(asked, _emergency(asked.name), _emergency_shown)
            case "alert":
                return await self._past.answer(asked, await self._alert(asked), _alert_shown)
            case "stop":
                return await self._past.answer(asked, _stop(asked.name), _stop_shown)
            case _:
                raise unknown_kind(asked, "safety")

    async def _limits(self, asked: StateAtQuery) -> StateAt:
        """As ``query.safety.limits`` has them: those that were set, else those that held for the equipment of then."""
        esp_id, gpio = pin_of(asked)
        fold: Fold[Settled] = Fold(
            stream=SAFETY.name,
            subjects=(subjects.safety("limits", esp_id, gpio),),
            initial=Settled(),
            decode=fact_of,
            evolve=_into,
            begins=lambda fact: isinstance(fact, LimitsSet),
        )
        async with self._past.looking(asked):
            was = await self._past.folded(asked, fold)
            member = (await member_at(self._log, esp_id, asked.at)).member
        before = was.state.limits_set(esp_id, gpio)
        if before is None and gpio not in member.actuators:
            raise never(asked)
        in_force = (before.limits if before is not None else None) or defaults(member, gpio)
        return told(SAFETY.name, was.seq, was.events, was.state.limits(esp_id, gpio, in_force))

    async def _alert(self, asked: StateAtQuery) -> "Fold[tuple[AlertThen | None, Alerts]]":
        place = await self._place(asked.name)
        return Fold(
            stream=SAFETY.name,
            subjects=(ALERTS if place is None else subjects.safety("alert", place.esp_id, place.gpio),),
            initial=(None, Alerts()),
            decode=fact_of,
            evolve=_alerted,
            begins=lambda fact: isinstance(fact, AlertRaised),
            about=lambda fact: getattr(fact, "alert_id", "") == asked.name,
        )

    async def _place(self, alert_id: str) -> ActuatorRef | None:
        """Where the device's message of an alert says that it is; None where no message has it, or not any more."""
        seq = seq_of(alert_id)
        if not seq:
            return None
        try:
            said = _decode_alert((await message_at(self._log, ACTUATORS.name, seq)).event.data)
        except (NotFoundError, msgspec.DecodeError):
            return None
        return ActuatorRef(said.esp_id, said.message.gpio)


def _into(settled: Settled, fact: Fact, seq: int) -> Settled:
    settled.fold(fact, seq)
    return settled


def _interlock(name: str) -> Fold[InterlockThen | None]:
    def evolve(before: InterlockThen | None, fact: Any, seq: int) -> InterlockThen | None:
        if isinstance(fact, InterlockSet):
            return InterlockThen(
                interlock_id=fact.interlock_id, rule=fact.rule, by=fact.by, reason=fact.reason, at=fact.at, seq=seq
            )
        if before is None:
            return None
        return msgspec.structs.replace(before, by=fact.by, reason=fact.reason, at=fact.at, seq=seq, removed=True)

    return Fold(
        stream=SAFETY.name,
        subjects=(subjects.interlock(name),),
        initial=None,
        decode=fact_of,
        evolve=evolve,
        begins=lambda fact: isinstance(fact, InterlockSet),
        about=lambda fact: isinstance(fact, InterlockSet | InterlockRemoved),
    )


def _emergency(name: str) -> Fold[EmergencyThen | None]:
    def evolve(before: EmergencyThen | None, fact: Any, seq: int) -> EmergencyThen | None:
        if isinstance(fact, EmergencyRequested):
            return before or EmergencyThen(requested=fact, seq=seq)
        if before is None:
            return None
        return msgspec.structs.replace(before, released=Ended(at=fact.at, by=fact.by, reason=fact.reason))

    return Fold(
        stream=SAFETY.name,
        subjects=(EMERGENCIES,),
        initial=None,
        decode=fact_of,
        evolve=evolve,
        begins=lambda fact: isinstance(fact, EmergencyRequested),
        about=lambda fact: isinstance(fact, EmergencyRequested | EmergencyReleased) and fact.emergency_id == name,
    )


def _emergency_shown(then: EmergencyThen | None) -> object:
    """With the names of ``query.safety.emergencies``; who had confirmed it is what actuators were, not what it was."""
    if then is None:
        return {}
    asked = then.requested
    return {
        "emergency_id": asked.emergency_id,
        "scope": asked.scope,
        "by": asked.by,
        "reason": asked.reason,
        "at": asked.at,
        "seq": then.seq,
        "released": then.released,
    }


def _alerted(
    before: tuple[AlertThen | None, Alerts], fact: AlertRaised | AlertFolded | AlertCleared, _: int
) -> tuple[AlertThen | None, Alerts]:
    known, open_alerts = before
    open_alerts.fold(fact)
    if (alert := open_alerts.by_id(fact.alert_id)) is not None:
        return AlertThen(**msgspec.structs.asdict(alerts.shown(alert))), open_alerts
    if known is not None and isinstance(fact, AlertCleared):
        known = msgspec.structs.replace(known, cleared=Ended(at=fact.at, by=fact.by, reason=fact.reason))
    return known, open_alerts


def _alert_shown(state: tuple[AlertThen | None, Alerts]) -> object:
    return state[0] or {}


def _stop(name: str) -> Fold[StopThen | None]:
    def evolve(before: StopThen | None, fact: Any, _: int) -> StopThen | None:
        if isinstance(fact, ActuatorStopped):
            return before or StopThen(stopped=fact)
        return None if before is None else msgspec.structs.replace(before, confirmed=fact)

    return Fold(
        stream=SAFETY.name,
        subjects=(STOPS,),
        initial=None,
        decode=fact_of,
        evolve=evolve,
        begins=lambda fact: isinstance(fact, ActuatorStopped),
        about=lambda fact: isinstance(fact, ActuatorStopped | StopConfirmed) and fact.stop_id == name,
    )


def _stop_shown(then: StopThen | None) -> object:
    if then is None:
        return {}
    confirmed = then.confirmed
    ended = None if confirmed is None else {"at": confirmed.at, "tries": confirmed.tries}
    return msgspec.structs.asdict(then.stopped) | {"confirmed": ended}
