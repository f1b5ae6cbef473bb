"""What safety would say to a command in the past: by the limits and the stops that were in force then.

An estimate: interlocks and power budgets hang on all actuators of a site, so only the safety service can judge them.
"""

from typing import Final

import msgspec

from kaiser.contracts.events.logic import CommandAsked
from kaiser.contracts.events.safeguards import (
    DEFAULT_LIMITS,
    EmergencyReleased,
    EmergencyRequested,
    Limits,
    LimitsSet,
    Scope,
)
from kaiser.logic.state import ActuatorKey
from kaiser.logic.times import SECOND, spans
from kaiser.logic.times.wall import minute_of, zone

HOUR: Final = 3600 * SECOND


class Veto(msgspec.Struct, frozen=True):
    """Safety says no."""

    code: str
    detail: str


class Vetting:
    """Limits and stops, followed through the log; and when each actuator was started and stopped."""

    def __init__(self) -> None:
        self._limits: dict[ActuatorKey, Limits] = {}
        self._latches: dict[str, Scope] = {}
        self._starts: dict[ActuatorKey, list[int]] = {}
        self._off_since: dict[ActuatorKey, int] = {}

    def take(self, event: object) -> None:
        """Take in an event of SAFETY."""
        match event:
            case LimitsSet(esp_id=esp_id, gpio=gpio, limits=limits):
                self._limits[esp_id, gpio] = limits or DEFAULT_LIMITS
            case EmergencyRequested(emergency_id=emergency_id, scope=scope):
                self._latches[emergency_id] = scope
            case EmergencyReleased(emergency_id=emergency_id):
                self._latches.pop(emergency_id, None)

    def longest(self, key: ActuatorKey) -> int | None:
        """How long an actuator may be on at a time, seconds; None for as long as it likes."""
        return self._limits.get(key, DEFAULT_LIMITS).max_on_s

    def switched(self, key: ActuatorKey, now: int, *, on: bool) -> None:
        """An actuator was started or stopped."""
        if on:
            self._starts[key] = [*(at for at in self._starts.get(key, ()) if at > now - HOUR), now]
        else:
            self._off_since[key] = now

    def judge(self, asked: CommandAsked, level: float, now: int, *, running: bool) -> Veto | None:
        """What safety would say; None for yes.

        Args:
            asked: The command; to one that switches off nobody says no.
            level: Level that it asks for.
            now: When.
            running: Whether the actuator is on already.
        """
        key = (asked.esp_id, asked.gpio)
        limits = self._limits.get(key, DEFAULT_LIMITS)
        if level <= 0:
            return None
        if any(_covers(scope, asked) for scope in self._latches.values()):
            return Veto("EMERGENCY_ACTIVE", "an emergency stop is in force")
        if level > limits.max_level or level < limits.min_level:
            return Veto("LEVEL_NOT_ALLOWED", f"{level:g} is not from {limits.min_level:g} to {limits.max_level:g}")
        if limits.max_on_s is not None and asked.duration_s > limits.max_on_s:
            return Veto("RUN_TOO_LONG", f"{asked.duration_s} s of {limits.max_on_s}")
        if not _within_hours(limits, now):
            return Veto("OUTSIDE_ALLOWED_HOURS", "not at this time of day")
        return None if running else self._start(key, limits, now)

    def _start(self, key: ActuatorKey, limits: Limits, now: int) -> Veto | None:
        off = self._off_since.get(key)
        if off is not None and now < off + limits.min_off_s * SECOND:
            return Veto("COOLING_DOWN", f"paused for {(now - off) / SECOND:.0f} s of {limits.min_off_s}")
        starts = [at for at in self._starts.get(key, ()) if at > now - HOUR]
        if limits.starts_per_hour is not None and len(starts) >= limits.starts_per_hour:
            return Veto("TOO_MANY_STARTS", f"{len(starts)} starts in the last hour")
        return None


def _covers(scope: Scope, asked: CommandAsked) -> bool:
    # Which zone and kaiser id a device had then is not known here; what may cover it does
    return scope.kind in {"zone", "kaiser"} or scope.covers(
        kaiser_id="", zones=(), esp_id=asked.esp_id, gpio=asked.gpio
    )


def _within_hours(limits: Limits, now: int) -> bool:
    place = zone(limits.time_zone)
    if place is None:
        return False
    return not limits.allowed_hours or any(
        spans.hours(minute_of(hours.start), minute_of(hours.end), hours.days, place)(now)[0]
        for hours in limits.allowed_hours
    )
