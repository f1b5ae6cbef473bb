"""Conditions that time alone makes true: hours of the day, cron expressions, the sun."""

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.rules import CronMatches, DuringHours, Sun
from kaiser.logic.conditions.node import Build, ConditionError, Look, Needs, Node, Truth
from kaiser.logic.times import spans
from kaiser.logic.times.cron import CronError, cron
from kaiser.logic.times.spans import Holds
from kaiser.logic.times.wall import minute_of


class Timing:
    """Evaluates whatever holds for spans of time. The span it keeps is no memory: it follows from the time."""

    __slots__ = ("_against", "_from", "_holds", "_inverse", "_kind", "_truth", "_until")

    def __init__(self, kind: str, against: str, holds: Holds, *, inverse: bool = False) -> None:
        self._kind = kind
        self._against = against
        self._holds = holds
        self._inverse = inverse
        self._from = self._until = 0
        self._truth = False

    def truth(self, look: Look) -> Truth:
        """Whether it holds; always known."""
        now = look.now
        if not self._from <= now < self._until:
            holds, self._until = self._holds(now)
            self._from, self._truth = now, holds != self._inverse
        if self._until < look.wake:
            look.wake = self._until
        return self._truth

    def seen(self, look: Look) -> Seen:
        """The same, with the moment that it looked at."""
        return Seen(kind=self._kind, truth=self.truth(look), against=self._against, at=look.now)


def build_hours(condition: DuringHours, needs: Needs, _: Build) -> Node:
    """Hours of the day."""
    if not condition.days:
        raise ConditionError("days", "CONDITION_IMPOSSIBLE", "there is no day on which this could hold")
    place = needs.zone(condition.time_zone)
    days = "" if len(condition.days) == 7 else f" on {', '.join(condition.days)}"
    holds = spans.hours(minute_of(condition.start), minute_of(condition.end), condition.days, place)
    return Timing("hours", f"{condition.start} to {condition.end}{days}, {place.key}", holds)


def build_cron(condition: CronMatches, needs: Needs, _: Build) -> Node:
    """A cron expression."""
    place = needs.zone(condition.time_zone)
    try:
        expression = cron(condition.expression)
    except CronError as error:
        raise ConditionError("expression", "SCHEDULE_INVALID", str(error)) from None
    return Timing("cron", f"{condition.expression}, {place.key}", spans.minutes(expression, place))


def build_sun(condition: Sun, needs: Needs, _: Build) -> Node:
    """Day or night."""
    place = needs.place(condition.place)
    holds = spans.daylight(place, condition.sunrise_offset_s, condition.sunset_offset_s)
    words = f"{condition.phase} at {place.latitude:g}, {place.longitude:g}"
    if condition.sunrise_offset_s or condition.sunset_offset_s:
        words += f", moved by {condition.sunrise_offset_s} s and {condition.sunset_offset_s} s"
    return Timing("sun", words, holds, inverse=condition.phase == "night")
