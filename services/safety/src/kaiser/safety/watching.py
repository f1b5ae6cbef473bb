"""Watches what runs: what has to be stopped now, what has become safe, and when to look again. Pure.

The shell looks at an actuator and at those that it concerns whenever an event changes it, and at the time that a look
names; a look at all of them gives the same.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import ActuatorRef, ActuatorStopped, Limits, StopConfirmed
from kaiser.safety import hours
from kaiser.safety import limits as limiting
from kaiser.safety.deciding import BY
from kaiser.safety.interlocks import breaks_at, broken
from kaiser.safety.latching import is_off, latch_over
from kaiser.safety.objecting import SECOND, Objection
from kaiser.safety.state import Guard, State, Stop, View

EMERGENCY_GRACE_US: Final = 5 * SECOND
"""The bridge switches off what an emergency stop covers, and again; what is still on then is stopped from here, too."""

REPEAT_AFTER_S: Final = (2, 4, 8, 15, 30)
"""Until an actuator says that it is off it is told so again after so many seconds; the last one goes on for ever."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at one actuator shows.

    Attributes:
        ref: The actuator.
        stop: Why it has to be stopped now; None where it has not.
        confirms: Stop that its status has confirmed; None where none is open, or not yet.
        next_at: When to look again if nothing happens, unix microseconds; 0 for never.
    """

    ref: ActuatorRef
    stop: Objection | None = None
    confirms: Stop | None = None
    next_at: int = 0


def look(state: State, ref: ActuatorRef, now: int) -> Look:
    """Look at one actuator."""
    view, guard = state.view(ref), state.guard(ref)
    if guard.stop is not None:
        done = is_off(state, ref, guard.stop.at)
        return Look(ref=ref, confirms=guard.stop if done else None)
    if not view.evident:
        return Look(ref=ref)
    due = [*_due(state, ref, view, now)]
    for at, why in due:
        if at <= now and (objection := why()) is not None:
            return Look(ref=ref, stop=objection)
    return Look(ref=ref, next_at=min((at for at, _ in due if at > now), default=0))


def due(state: State, now: int) -> tuple[tuple[Look, ...], int]:
    """Look at every actuator: those with something to do, in order, and when to look again; 0 for never."""
    looks = [look(state, ref, now) for ref in sorted(state.actuators())]
    next_at = min((each.next_at for each in looks if each.next_at), default=0)
    return tuple(each for each in looks if each.stop is not None or each.confirms is not None), next_at


def concerned(state: State, refs: Iterable[ActuatorRef]) -> frozenset[ActuatorRef]:
    """Those actuators and what an interlock ties to them: all that a change of ``refs`` can bring to a stop."""
    found: set[ActuatorRef] = set()
    for ref in refs:
        found.add(ref)
        found |= state.dependants.get(ref, frozenset())
        if state.budgets:
            for zone in state.member(ref.esp_id).zones & state.budgets.keys():
                found |= state.zones.get(zone, frozenset())
    return frozenset(found)


def stopped(
    state: State, seen: Look, now: int, *, stop_id: str, correlation_id: str = "", by: str = BY
) -> ActuatorStopped:
    """The event of a stop that is due."""
    assert seen.stop is not None, seen
    return ActuatorStopped(
        at=now,
        by=by,
        correlation_id=correlation_id,
        stop_id=stop_id,
        kaiser_id=state.member(seen.ref.esp_id).kaiser_id,
        esp_id=seen.ref.esp_id,
        gpio=seen.ref.gpio,
        rule=seen.stop.rule,
        code=seen.stop.code.value,
        detail=seen.stop.detail,
        saw=seen.stop.saw,
    )


def confirmed(seen: Look, now: int, *, tries: int, correlation_id: str = "") -> StopConfirmed:
    """The event of a stop that the actuator's status has confirmed."""
    assert seen.confirms is not None, seen
    return StopConfirmed(
        at=now,
        by=BY,
        correlation_id=correlation_id,
        stop_id=seen.confirms.stop_id,
        esp_id=seen.ref.esp_id,
        gpio=seen.ref.gpio,
        tries=tries,
    )


def repeat_after_s(tries: int) -> int:
    """Seconds from one OFF to the next while a stop is not confirmed; ``tries`` is how many there were."""
    return REPEAT_AFTER_S[min(tries, len(REPEAT_AFTER_S)) - 1]


def stop_id(ref: ActuatorRef, guard: Guard, view: View, rule: str) -> str:
    """An id that is the same for whoever finds the same reason for the same run; a run is stopped once for it."""
    return f"stop.{ref.esp_id}.{ref.gpio}.{view.since}.{guard.approved_seq}.{rule.replace(' ', '-')}"


Why = Callable[[], Objection | None]


def _due(state: State, ref: ActuatorRef, view: View, now: int) -> Iterable[tuple[int, Why]]:
    """What can bring an actuator that is on to a stop: from when on, and the check that says whether it does."""
    limits, level = state.limits(ref), state.output(ref).level
    wanted = state.member(ref.esp_id).actuators.get(ref.gpio)
    latch = latch_over(state, ref)
    if latch is not None:
        yield latch.request.at + EMERGENCY_GRACE_US, lambda: _latched(latch.request.scope.words())
    if view.interrupted and limits.when_safety_is_silent == "safe" and state.member(ref.esp_id).online:
        yield now, lambda: _returned(view)
    if wanted is not None and level:
        yield now, lambda: limiting.check_reported(limits, wanted.actuator_type, level)
    if limits.max_on_s is not None:
        yield view.since + limits.max_on_s * SECOND, lambda: limiting.check_run(limits, 0, view.since, now)
    if limits.allowed_hours:
        yield _closing(limits, now), lambda: limiting.check_hours(limits, now)
    if limits.duty_cycle is not None:
        runs = state.output(ref).runs
        ends_at = limiting.duty_ends_at(limits.duty_cycle, runs, view.since, now)
        yield ends_at, lambda: limiting.check_duty(limits, runs, view.since, 0, now)
    yield now, lambda: broken(state, ref, now)
    stale_at = breaks_at(state, ref)
    if stale_at > now:
        yield stale_at, lambda: None


def _closing(limits: Limits, now: int) -> int:
    place = hours.zone(limits.time_zone)
    if place is None:
        return now
    return hours.closes_at(limits.allowed_hours, place, now)


def _latched(scope: str) -> Objection:
    detail = f"an emergency stop of {scope} is in force, and it is still on"
    return Objection(rule="emergency", code=Code.EMERGENCY_ACTIVE, detail=detail, saw={"scope": scope})


def _returned(view: View) -> Objection:
    detail = "its device was away while it was on; it is made safe before anything else"
    return Objection(rule="returned", code=Code.STATE_UNKNOWN, detail=detail, saw={"on_since": view.since})
