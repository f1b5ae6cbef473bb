"""One small check a limit: may an actuator be switched to a level, and how long may it stay on. Pure.

Each takes what it needs and gives an objection, or None. A start is a command to an actuator that is not on; what only
changes the level of one that is on goes on with its run.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import DutyCycle, Limits
from kaiser.contracts.wire.actuators import ActuatorType
from kaiser.safety import hours
from kaiser.safety.guards import HOUR_US
from kaiser.safety.objecting import SECOND, Objection
from kaiser.safety.state import Run

LEVEL_TOLERANCE: Final = 1e-9
HAS_LEVELS: Final = frozenset({"pwm", "valve"})
REPORTED_TOLERANCE: Final = 1 / 255 + LEVEL_TOLERANCE
"""A device reports its level in 255 steps."""


def fault(limits: Limits) -> str:
    """What makes no sense about limits, in words; empty where nothing does."""
    if limits.min_level > limits.max_level or limits.max_level == 0:
        return f"no level is at least {limits.min_level:g} and at most {limits.max_level:g}, but off"
    if limits.allowed_hours and hours.zone(limits.time_zone) is None:
        return f"there is no time zone {limits.time_zone!r}"
    if any(not each.days for each in limits.allowed_hours):
        return "hours without a weekday"
    return ""


def check_type(actuator_type: ActuatorType, action: str) -> Objection | None:
    """PWM on what can only be on or off would be a surprise at any level (wire contract, section 5.1)."""
    if action == "PWM" and actuator_type in {"pump", "relay"}:
        detail = f"a {actuator_type} is switched on and off, it has no level"
        saw = {"type": actuator_type, "action": action}
        return Objection(rule="type", code=Code.COMMAND_NOT_FOR_TYPE, detail=detail, saw=saw)
    return None


def check_level(limits: Limits, actuator_type: ActuatorType, action: str, level: float) -> Objection | None:
    """The level of PWM is inside of the limits, and so is the full power or the whole way that ON means."""
    saw = {"level": level, "min_level": limits.min_level, "max_level": limits.max_level}
    if not 0 < level <= 1:
        detail = f"a level is more than 0 and at most 1, this is {level}"
    elif action != "PWM" and actuator_type not in HAS_LEVELS:
        return None
    elif level < limits.min_level - LEVEL_TOLERANCE:
        detail = f"level {level:g} is below the lowest, {limits.min_level:g}"
    elif level > limits.max_level + LEVEL_TOLERANCE:
        what = "ON means full power, which" if action == "ON" else f"level {level:g}"
        detail = f"{what} is above the highest, {limits.max_level:g}"
    else:
        return None
    return Objection(rule="level", code=Code.LEVEL_NOT_ALLOWED, detail=detail, saw=saw)


def check_reported(limits: Limits, actuator_type: str, level: float) -> Objection | None:
    """What an actuator says that it is at is not above the highest level, which may have been lowered meanwhile."""
    if actuator_type not in HAS_LEVELS or level <= limits.max_level + REPORTED_TOLERANCE:
        return None
    saw = {"level": level, "max_level": limits.max_level}
    detail = f"it is at {level:g}, above the highest level, {limits.max_level:g}"
    return Objection(rule="level", code=Code.LEVEL_NOT_ALLOWED, detail=detail, saw=saw)


def check_hours(limits: Limits, now: int) -> Objection | None:
    """It is a time of day at which the actuator may be on; in a time zone that nobody knows it is never."""
    if not limits.allowed_hours:
        return None
    place = hours.zone(limits.time_zone)
    if place is not None and hours.allowed(limits.allowed_hours, place, now):
        return None
    spans = [f"{each.start}-{each.end} {','.join(each.days)}" for each in limits.allowed_hours]
    saw = {"allowed_hours": spans, "time_zone": limits.time_zone}
    if place is None:
        detail, retry_at = f"there is no time zone {limits.time_zone}", 0
    else:
        detail = "it may not be on at this time of day"
        retry_at = hours.opens_at(limits.allowed_hours, place, now)
    return Objection(rule="allowed_hours", code=Code.OUTSIDE_ALLOWED_HOURS, detail=detail, saw=saw, retry_at=retry_at)


def check_run(limits: Limits, duration_s: int, since: int, now: int) -> Objection | None:
    """The run is not longer than it may be, counted from its start.

    Args:
        limits: Of the actuator.
        duration_s: How long it is to be on from now; 0 for until it is stopped.
        since: Since when it is on; 0 for a start.
        now: Unix microseconds.
    """
    if limits.max_on_s is None:
        return None
    ran_us = now - since if since else 0
    saw = {"max_on_s": limits.max_on_s, "duration_s": duration_s, "on_s": ran_us / SECOND}
    if ran_us >= limits.max_on_s * SECOND:
        detail = f"it has been on for {ran_us / SECOND:g} s, and may be for {limits.max_on_s} s"
    elif ran_us + duration_s * SECOND > limits.max_on_s * SECOND:
        detail = f"it would be on for {ran_us / SECOND + duration_s:g} s, and may be for {limits.max_on_s} s"
    else:
        return None
    return Objection(rule="max_on", code=Code.RUN_TOO_LONG, detail=detail, saw=saw)


def check_pause(limits: Limits, off_since: int, now: int, *, known: bool) -> Objection | None:
    """A start comes long enough after the last run; where nobody knows when that ended, it cannot be told.

    Args:
        limits: Of the actuator.
        off_since: When it became known to be off, unix microseconds; 0 for never.
        now: Unix microseconds.
        known: Whether it is known to be off now.
    """
    if limits.min_off_s == 0:
        return None
    saw = {"min_off_s": limits.min_off_s, "off_since": off_since, "known": known}
    if not known or off_since == 0:
        detail = "it is not known since when it is off"
        return Objection(rule="min_off", code=Code.STATE_UNKNOWN, detail=detail, saw=saw)
    retry_at = off_since + limits.min_off_s * SECOND
    if now >= retry_at:
        return None
    detail = f"it has been off for {(now - off_since) / SECOND:g} s, and has to be for {limits.min_off_s} s"
    return Objection(rule="min_off", code=Code.COOLING_DOWN, detail=detail, saw=saw, retry_at=retry_at)


def check_starts(limits: Limits, approved: Sequence[int], seen: Iterable[int], now: int) -> Objection | None:
    """Not too many starts in the last hour.

    Args:
        limits: Of the actuator.
        approved: When starts were allowed, oldest first. One that came to nothing counts, too.
        seen: When runs began, oldest first, whoever switched it on.
        now: Unix microseconds.
    """
    if limits.starts_per_hour is None:
        return None
    lately = max(
        [at for at in approved if at > now - HOUR_US],
        [at for at in seen if at > now - HOUR_US],
        key=len,
    )
    if len(lately) < limits.starts_per_hour:
        return None
    retry_at = lately[len(lately) - limits.starts_per_hour] + HOUR_US
    saw = {"starts_per_hour": limits.starts_per_hour, "starts": len(lately)}
    detail = f"it was started {len(lately)} times in the last hour, and may be {limits.starts_per_hour} times"
    return Objection(rule="starts_per_hour", code=Code.TOO_MANY_STARTS, detail=detail, saw=saw, retry_at=retry_at)


def check_duty(limits: Limits, runs: Sequence[Run], since: int, duration_s: int, now: int) -> Objection | None:
    """Not on for too large a share of the window that ends when the run would.

    Args:
        limits: Of the actuator.
        runs: Runs that are over, oldest first.
        since: Since when it is on; 0 where it is not.
        duration_s: How long it is to be on from now; 0 for until it is stopped, which the share does in time.
        now: Unix microseconds.
    """
    if limits.duty_cycle is None or limits.duty_cycle.share >= 1:
        return None
    duty, all_runs = limits.duty_cycle, (*runs, Run(since, now)) if since else runs
    asked = duration_s * SECOND
    used = used_us(duty, all_runs, now + asked) + min(asked, duty.window_s * SECOND)
    if used + (0 if asked else 1) <= budget_us(duty):
        return None
    saw = {"share": duty.share, "window_s": duty.window_s, "on_s": used / SECOND}
    detail = (
        f"it would have been on for {used / SECOND:g} s of {duty.window_s} s, and may be for {duty.share:.0%} of it"
    )
    return Objection(
        rule="duty_cycle",
        code=Code.DUTY_CYCLE_EXCEEDED,
        detail=detail,
        saw=saw,
        retry_at=0 if since else _frees_at(duty, all_runs, asked, now),
    )


def duty_ends_at(duty: DutyCycle, runs: Sequence[Run], since: int, now: int) -> int:
    """When an actuator that stays on will have used its share, unix microseconds; 0 for never.

    Time passes into the window, and out of it at its other end: while a run of before leaves, nothing is used up.

    Args:
        duty: The share.
        runs: Runs that are over, oldest first.
        since: Since when it is on.
        now: Unix microseconds.
    """
    if duty.share >= 1:
        return 0
    window, at = duty.window_s * SECOND, now
    left = budget_us(duty) - used_us(duty, (*runs, Run(since, now)), now)
    for run in runs:
        if run.until + window <= at:
            continue
        leaves = max(run.since + window, at)
        if left <= leaves - at:
            return at + left
        left -= leaves - at
        at = run.until + window
    return at + left


def budget_us(duty: DutyCycle) -> int:
    """How long it may be on in a window, microseconds."""
    return round(duty.share * duty.window_s * SECOND)


def used_us(duty: DutyCycle, runs: Iterable[Run], end: int) -> int:
    """How long it was on in the window that ends at ``end``, microseconds."""
    start = end - duty.window_s * SECOND
    return sum(max(0, min(run.until, end) - max(run.since, start)) for run in runs)


def _frees_at(duty: DutyCycle, runs: Sequence[Run], asked: int, now: int) -> int:
    """When the window will have let go of enough of the runs; 0 where it never will."""
    # A run of given length may use the share up; one without has to find something left of it
    wanted = budget_us(duty) - (asked or 1)
    if wanted < 0:
        return 0
    end = now + asked
    over, window = used_us(duty, runs, end) - wanted, duty.window_s * SECOND
    for run in runs:
        start = max(run.since, end - window)
        inside = run.until - start
        if inside > 0:
            if over <= inside:
                return start + over + window - asked
            over -= inside
    return now
