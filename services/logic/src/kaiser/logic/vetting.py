"""What safety would say to a command in the past: by limits, interlocks and stops that were in force then.

An estimate, by the same rules but with less to go by: not known are which devices had vanished, in which zone a device
believed itself to be, and what safety itself would have stopped meanwhile.
"""

from typing import Final

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.events.logic import CommandAsked
from kaiser.contracts.events.safeguards import AtMost, DutyCycle, Limits, OnlyWhile, PowerBudget, Rule, SensorBand
from kaiser.logic.state import ActuatorKey
from kaiser.logic.times import SECOND, spans
from kaiser.logic.times.wall import minute_of, zone
from kaiser.logic.world import ON
from kaiser.logic.yard import Output, Yard, sensor_key

HOUR: Final = 3600 * SECOND


class Veto(msgspec.Struct, frozen=True):
    """Safety says no."""

    code: str
    detail: str


def judge(yard: Yard, asked: CommandAsked, level: float, now: int) -> Veto | None:
    """What safety would say; None for yes.

    Args:
        yard: What is known.
        asked: The command; to one that switches off nobody says no.
        level: Level that it asks for.
        now: When.
    """
    key = (asked.esp_id, asked.gpio)
    limits, output = yard.limits(key), yard.output(key)
    if level <= 0:
        return None
    if yard.covered(key):
        return Veto(Code.EMERGENCY_ACTIVE, "an emergency stop is in force")
    if level > limits.max_level or level < limits.min_level:
        return Veto(Code.LEVEL_NOT_ALLOWED, f"{level:g} is not from {limits.min_level:g} to {limits.max_level:g}")
    if limits.max_on_s is not None and asked.duration_s > limits.max_on_s:
        return Veto(Code.RUN_TOO_LONG, f"{asked.duration_s} s of {limits.max_on_s}")
    if not _within_hours(limits, now):
        return Veto(Code.OUTSIDE_ALLOWED_HOURS, "not at this time of day")
    veto = None if output.since else _start(output, limits, now)
    return veto or _duty(output, limits, asked.duration_s, now) or _interlocked(yard, key, level, now)


def longest(yard: Yard, key: ActuatorKey, now: int) -> int | None:
    """How long an actuator may be on from now, microseconds, before safety stops it; None for as long as it likes."""
    limits, output = yard.limits(key), yard.output(key)
    lasts = None if limits.max_on_s is None else limits.max_on_s * SECOND
    duty = limits.duty_cycle
    if duty is None or duty.share >= 1:
        return lasts
    # Runs of before leave the window meanwhile, so it is a little longer; an estimate may be on the safe side
    left = max(0, _budget(duty) - _used(output, duty, now))
    return left if lasts is None else min(lasts, left)


def _start(output: Output, limits: Limits, now: int) -> Veto | None:
    if output.off_since and now < output.off_since + limits.min_off_s * SECOND:
        return Veto(Code.COOLING_DOWN, f"paused for {(now - output.off_since) / SECOND:.0f} s of {limits.min_off_s}")
    output.starts = [at for at in output.starts if at > now - HOUR]
    if limits.starts_per_hour is not None and len(output.starts) >= limits.starts_per_hour:
        return Veto(Code.TOO_MANY_STARTS, f"{len(output.starts)} starts in the last hour")
    return None


def _duty(output: Output, limits: Limits, duration_s: int, now: int) -> Veto | None:
    duty = limits.duty_cycle
    if duty is None or duty.share >= 1:
        return None
    output.runs = [run for run in output.runs if run[1] > now - duty.window_s * SECOND]
    asked = duration_s * SECOND
    used = _used(output, duty, now + asked) + min(asked, duty.window_s * SECOND)
    if used + (0 if asked else 1) <= _budget(duty):
        return None
    return Veto(
        Code.DUTY_CYCLE_EXCEEDED, f"on for {used / SECOND:g} s of {duty.window_s} s, {duty.share:.0%} are allowed"
    )


def _budget(duty: DutyCycle) -> int:
    return round(duty.share * duty.window_s * SECOND)


def _used(output: Output, duty: DutyCycle, end: int) -> int:
    """How long it was on in the window that ends at ``end``, microseconds."""
    start = end - duty.window_s * SECOND
    runs = [*output.runs, (output.since, end)] if output.since else output.runs
    return sum(max(0, min(until, end) - max(since, start)) for since, until in runs)


def _interlocked(yard: Yard, key: ActuatorKey, level: float, now: int) -> Veto | None:
    for interlock_id, rule in yard.rules_of(key):
        veto = _forbids(yard, interlock_id, rule, key, level, now)
        if veto is not None:
            return veto
    return None


def _forbids(yard: Yard, interlock_id: str, rule: Rule, key: ActuatorKey, level: float, now: int) -> Veto | None:
    """Why an interlock says no. As for safety, what is not known is what is unsafe."""
    match rule:
        case AtMost(most=most, actuators=group):
            others = {(ref.esp_id, ref.gpio) for ref in group} - {key}
            on = sorted(f"{esp_id}/{gpio}" for esp_id, gpio in others if _may_be_on(yard, (esp_id, gpio)))
            if len(on) >= most:
                return Veto(Code.INTERLOCKED, f"{interlock_id}: at most {most}, and on may be {', '.join(on)}")
        case OnlyWhile(requires=requires, for_s=for_s):
            since = yard.output((requires.esp_id, requires.gpio)).since
            if not since or now < since + for_s * SECOND:
                words = f"{requires.esp_id}/{requires.gpio} has to be on for {for_s} s"
                return Veto(Code.INTERLOCKED, f"{interlock_id}: {words}")
        case SensorBand():
            return _outside(yard, interlock_id, rule, now)
        case PowerBudget(zone_id=zone_id, watts=watts):
            drawn = yard.limits(key).power_w * level
            drawn += sum(_draws(yard, other) for other in yard.in_zone(zone_id) if other != key)
            if drawn > watts and yard.limits(key).power_w:
                words = f"zone {zone_id} would draw {drawn:g} W of {watts:g} W"
                return Veto(Code.POWER_BUDGET_EXCEEDED, f"{interlock_id}: {words}")
    return None


def _outside(yard: Yard, interlock_id: str, band: SensorBand, now: int) -> Veto | None:
    measured = yard.measured.get(sensor_key(band.sensor))
    if measured is None or now - measured.at > band.fresh_s * SECOND:
        return Veto(Code.SENSOR_NOT_FRESH, f"{interlock_id}: no reading of the last {band.fresh_s} s")
    low = band.minimum is not None and measured.value < band.minimum
    high = band.maximum is not None and measured.value > band.maximum
    if low or high:
        return Veto(Code.SENSOR_OUT_OF_BAND, f"{interlock_id}: {measured.value:g} is too {'low' if low else 'high'}")
    return None


def _may_be_on(yard: Yard, key: ActuatorKey) -> bool:
    level = yard.output(key).level
    return level is None or level > ON


def _draws(yard: Yard, key: ActuatorKey) -> float:
    level = yard.output(key).level
    return yard.limits(key).power_w * (1.0 if level is None else level)


def _within_hours(limits: Limits, now: int) -> bool:
    place = zone(limits.time_zone)
    if place is None:
        return False
    return not limits.allowed_hours or any(
        spans.hours(minute_of(hours.start), minute_of(hours.end), hours.days, place)(now)[0]
        for hours in limits.allowed_hours
    )
