"""When time itself makes a condition true: a truth, and until when it stays so."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from kaiser.contracts.events.safeguards import Weekday
from kaiser.contracts.rules import Place
from kaiser.contracts.rules.conditions import WEEK
from kaiser.logic.times import NEVER, SECOND
from kaiser.logic.times.cron import Cron
from kaiser.logic.times.sun import sun_day
from kaiser.logic.times.wall import day_of, instant

Span = tuple[int, int]
Holds = Callable[[int], tuple[bool, int]]
"""Whether it holds at a moment, and until when at least that stays so."""


def hours(start: int, end: int, days: tuple[Weekday, ...], place: ZoneInfo) -> Holds:
    """From one minute of a day to another, on some days of the week; across midnight where the end is not later."""

    def spans(today: date) -> Iterator[Span]:
        for i in range(-1, 9):
            day = today + timedelta(days=i)
            if WEEK[day.weekday()] in days:
                last = day if end > start else day + timedelta(days=1)
                # What begins in the hour that comes twice begins with its first, what ends in it ends with its last
                yield instant(day, start, place), instant(last, end, place, fold=1)

    return lambda at: _within(spans(day_of(at, place)), at)


def minutes(expression: Cron, place: ZoneInfo) -> Holds:
    """The minutes that a cron expression names."""

    def holds(at: int) -> tuple[bool, int]:
        if expression.matches(at, place):
            return True, at - at % (60 * SECOND) + 60 * SECOND
        return False, expression.after(at, place)

    return holds


def daylight(place: Place, sunrise_offset_s: int, sunset_offset_s: int) -> Holds:
    """From sunrise to sunset, each moved by an offset."""

    def spans(today: date) -> Iterator[Span]:
        for i in range(-2, 4):
            sun = sun_day(today + timedelta(days=i), place)
            if sun.sunrise is not None and sun.sunset is not None:
                yield sun.sunrise + sunrise_offset_s * SECOND, sun.sunset + sunset_offset_s * SECOND
            elif sun.light:
                yield sun.starts, sun.ends

    return lambda at: _within(spans(datetime.fromtimestamp(at // SECOND, UTC).date()), at)


def sun_event(event: str, offset_s: int, place: Place, after: int) -> int:
    """The first sunrise or sunset, moved by an offset, after a moment; :data:`NEVER` where none comes within a year."""
    first = datetime.fromtimestamp(after // SECOND, UTC).date() - timedelta(days=2)
    for i in range(370):
        sun = sun_day(first + timedelta(days=i), place)
        at = sun.sunrise if event == "sunrise" else sun.sunset
        if at is not None and at + offset_s * SECOND > after:
            return at + offset_s * SECOND
    return NEVER


def _within(spans: Iterator[Span], at: int) -> tuple[bool, int]:
    upcoming, until = NEVER, 0
    for start, end in sorted(spans):
        if start <= (until or at) and end > at:
            until = max(until, end)  # spans that touch are one
        elif start > at:
            upcoming = min(upcoming, start)
    # Nothing in sight is not nothing for ever: look again in a day
    return (True, until) if until else (False, min(upcoming, at + 86_400 * SECOND))
