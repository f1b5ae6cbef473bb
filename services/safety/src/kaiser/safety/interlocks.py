"""Interlocks: a small declarative language, each rule of which becomes two predicates. Pure.

:func:`why_not` says why an actuator may not be switched on; there, what is not known counts as what is unsafe: an
actuator of which nothing is known is on where it must be off, and off where it must be on. :func:`broken` says why one
that is on has to be stopped; there, what must be off is on only where something says so. The model in
:mod:`kaiser.safety.model` explores these very functions.
"""

from collections.abc import Iterable
from typing import Final

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import ActuatorRef, AtMost, OnlyWhile, PowerBudget, Rule, SensorBand
from kaiser.safety.latching import latch_over
from kaiser.safety.objecting import SECOND, Objection
from kaiser.safety.state import State, sensor_key
from kaiser.safety.views import MW_PER_W

NEVER: Final = 0


def why_not(state: State, ref: ActuatorRef, level: float, now: int) -> Objection | None:
    """Why an actuator may not be switched to a level by its interlocks; None where it may.

    Args:
        state: What is known.
        ref: The actuator.
        level: More than 0.0, to 1.0.
        now: Unix microseconds.
    """
    for interlock_id, rule in rules_for(state, ref):
        objection = _forbids(state, interlock_id, rule, ref, level, now)
        if objection is not None:
            return objection
    return None


def broken(state: State, ref: ActuatorRef, now: int) -> Objection | None:
    """Why an actuator that is on has to be stopped by its interlocks; None where it may stay on.

    Of several that are on together and may not be, those go that came last.
    """
    for interlock_id, rule in rules_for(state, ref):
        objection = _breaks(state, interlock_id, rule, ref, now)
        if objection is not None:
            return objection
    return None


def breaks_at(state: State, ref: ActuatorRef) -> int:
    """When an interlock will be broken if nothing happens: a reading becomes too old. 0 for never."""
    times = []
    for _, rule in state.rules_of.get(ref, ()):
        if isinstance(rule, SensorBand) and (reading := state.readings.get(sensor_key(rule.sensor))) is not None:
            times.append(reading.at + rule.fresh_s * SECOND + 1)
    return min(times, default=NEVER)


def rules_for(state: State, ref: ActuatorRef) -> Iterable[tuple[str, Rule]]:
    """Interlocks that restrict an actuator: those that name it, and the power budgets of its zones."""
    yield from state.rules_of.get(ref, ())
    if state.budgets:
        for zone in sorted(state.member(ref.esp_id).zones):
            yield from state.budgets.get(zone, ())


def words(ref: ActuatorRef) -> str:
    """An actuator in words."""
    return f"{ref.esp_id}/{ref.gpio}"


def _forbids(state: State, interlock_id: str, rule: Rule, ref: ActuatorRef, level: float, now: int) -> Objection | None:
    match rule:
        case AtMost():
            return _too_many(state, interlock_id, rule, ref)
        case OnlyWhile():
            return _not_while(state, interlock_id, rule, now)
        case SensorBand():
            return _outside(state, interlock_id, rule, now)
        case PowerBudget():
            return _over_budget(state, interlock_id, rule, ref, level)


def _breaks(state: State, interlock_id: str, rule: Rule, ref: ActuatorRef, now: int) -> Objection | None:
    match rule:
        case AtMost():
            return _one_too_many(state, interlock_id, rule, ref)
        case OnlyWhile():
            return _not_while(state, interlock_id, rule, None)
        case SensorBand():
            return _outside(state, interlock_id, rule, now)
        case PowerBudget():
            return _last_over_budget(state, interlock_id, rule, ref)


def _too_many(state: State, interlock_id: str, rule: AtMost, ref: ActuatorRef) -> Objection | None:
    others = [other for other in dict.fromkeys(rule.actuators) if other != ref and state.view(other).possible]
    if len(others) < rule.most:
        return None
    unknown = [words(other) for other in others if not state.view(other).evident]
    on = [words(other) for other in others if state.view(other).evident]
    detail = f"at most {rule.most} of {len(rule.actuators)} may be on; on: {', '.join(on) or 'none'}"
    if unknown:
        detail += f"; not known to be off: {', '.join(unknown)}"
    return _interlocked(interlock_id, detail, {"most": rule.most, "on": on, "unknown": unknown})


def _one_too_many(state: State, interlock_id: str, rule: AtMost, ref: ActuatorRef) -> Objection | None:
    on = _oldest_first(state, dict.fromkeys(rule.actuators))
    if ref not in on[rule.most :]:
        return None
    detail = f"at most {rule.most} of {len(rule.actuators)} may be on, and {len(on)} are; this one came last"
    return _interlocked(interlock_id, detail, {"most": rule.most, "on": [words(other) for other in on]})


def _not_while(state: State, interlock_id: str, rule: OnlyWhile, now: int | None) -> Objection | None:
    required = state.view(rule.requires)
    sure = required.sure and latch_over(state, rule.requires) is None
    saw = {"requires": words(rule.requires), "on": sure, "known": required.known, "for_s": rule.for_s}
    if not sure:
        why = "is not on" if required.known else "is not known to be on"
        return _interlocked(interlock_id, f"only while {words(rule.requires)} is on, which {why}", saw)
    if now is None:
        return None
    since = required.sure_since
    retry_at = since + rule.for_s * SECOND
    if now >= retry_at:
        return None
    detail = f"{words(rule.requires)} has been on for {(now - since) / SECOND:g} s, and has to be for {rule.for_s} s"
    return _interlocked(interlock_id, detail, saw | {"on_since": since}, retry_at)


def _outside(state: State, interlock_id: str, rule: SensorBand, now: int) -> Objection | None:
    sensor = rule.sensor
    name = f"{sensor.esp_id}/{sensor.gpio} {sensor.sensor_type}"
    reading = state.readings.get(sensor_key(sensor))
    saw = {"sensor": name, "minimum": rule.minimum, "maximum": rule.maximum, "fresh_s": rule.fresh_s}
    if reading is None:
        return Objection(
            rule=_name(interlock_id), code=Code.SENSOR_NOT_FRESH, detail=f"{name} has said nothing yet", saw=saw
        )
    age_us = now - reading.at
    saw |= {"value": reading.value, "age_s": age_us / SECOND}
    if age_us > rule.fresh_s * SECOND:
        detail = f"the last reading of {name} is {age_us / SECOND:g} s old, and may be {rule.fresh_s} s"
        return Objection(rule=_name(interlock_id), code=Code.SENSOR_NOT_FRESH, detail=detail, saw=saw)
    if rule.minimum is not None and not reading.value >= rule.minimum:
        detail = f"{name} is {reading.value:g}, below {rule.minimum:g}"
    elif rule.maximum is not None and not reading.value <= rule.maximum:
        detail = f"{name} is {reading.value:g}, above {rule.maximum:g}"
    else:
        return None
    return Objection(rule=_name(interlock_id), code=Code.SENSOR_OUT_OF_BAND, detail=detail, saw=saw)


def _over_budget(
    state: State, interlock_id: str, rule: PowerBudget, ref: ActuatorRef, level: float
) -> Objection | None:
    views = state.views
    own = round(state.limits(ref).power_w * level * MW_PER_W)
    members = state.zones.get(rule.zone_id, frozenset())
    others = sum(views[other].draw_mw for other in members) - state.view(ref).draw_mw
    if own == 0 or own + others <= rule.watts * MW_PER_W:
        return None
    detail = f"zone {rule.zone_id} would draw {(own + others) / MW_PER_W:g} W, and may draw {rule.watts:g} W"
    saw = {"zone": rule.zone_id, "watts": rule.watts, "own_w": own / MW_PER_W, "others_w": others / MW_PER_W}
    return Objection(rule=_name(interlock_id), code=Code.POWER_BUDGET_EXCEEDED, detail=detail, saw=saw)


def _last_over_budget(state: State, interlock_id: str, rule: PowerBudget, ref: ActuatorRef) -> Objection | None:
    members, limit = state.zones.get(rule.zone_id, frozenset()), rule.watts * MW_PER_W
    total = sum(state.views[other].evident_mw for other in members)
    if total <= limit or not state.view(ref).evident_mw:
        return None
    drawn = 0
    for other in _oldest_first(state, members):
        drawn += state.views[other].evident_mw
        if other == ref:
            break
    if drawn <= limit:
        return None
    detail = f"zone {rule.zone_id} draws {total / MW_PER_W:g} W, and may draw {rule.watts:g} W; this one came last"
    saw = {"zone": rule.zone_id, "watts": rule.watts, "drawn_w": total / MW_PER_W}
    return Objection(rule=_name(interlock_id), code=Code.POWER_BUDGET_EXCEEDED, detail=detail, saw=saw)


def _oldest_first(state: State, refs: Iterable[ActuatorRef]) -> list[ActuatorRef]:
    """Those of ``refs`` that are on by what is evident, in the order in which they came."""
    on = [(view.since, ref) for ref in refs if (view := state.view(ref)).evident]
    return [ref for _, ref in sorted(on)]


def _interlocked(interlock_id: str, detail: str, saw: dict[str, object], retry_at: int = 0) -> Objection:
    return Objection(rule=_name(interlock_id), code=Code.INTERLOCKED, detail=detail, saw=saw, retry_at=retry_at)


def _name(interlock_id: str) -> str:
    return f"interlock {interlock_id}"
