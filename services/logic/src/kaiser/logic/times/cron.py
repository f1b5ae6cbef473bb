"""Cron expressions of five fields: minute, hour, day of the month, month, day of the week.

As in Vixie's cron: lists, ranges and steps; names of months and days; 7 is Sunday, too; where both days are restricted,
either suffices. A fixed hour that is left out in spring comes when the clock has been set, one that comes twice in
autumn comes once; with ``*`` for the hour the minutes that there are count.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from kaiser.logic.times import NEVER, SECOND
from kaiser.logic.times.wall import day_of, instant, occurrences

MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS: Final[tuple[tuple[str, int, int, dict[str, int]], ...]] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(MONTHS, start=1)}),
    ("day of the week", 0, 7, {name: number for number, name in enumerate(DAYS)}),
)
LOOK_AHEAD_DAYS: Final = 366 * 8 + 2
"""The 29th of February can be eight years away, around a century that is no leap year."""


class CronError(ValueError):
    """This is no cron expression; the message says which field is wrong."""


class Cron:
    """A parsed expression; equal texts are the same object."""

    def __init__(self, text: str) -> None:
        parts = text.split()
        if len(parts) != len(FIELDS):
            raise CronError(f"{len(parts)} fields instead of five: minute hour day month weekday")
        sets = [_field(part, *field) for part, field in zip(parts, FIELDS, strict=True)]
        self.text = text
        self._minutes = tuple(sorted(sets[0]))
        self._hours = tuple(sorted(sets[1]))
        self._days, self._months = sets[2], sets[3]
        self._weekdays = {number % 7 for number in sets[4]}
        self._any_hour = parts[1].startswith("*")
        self._either_day = not parts[2].startswith("*") and not parts[4].startswith("*")
        if not any(self._on(date(2028, 1, 1) + timedelta(days=i)) for i in range(366)):
            raise CronError("there is no such day")

    def after(self, at: int, place: ZoneInfo) -> int:
        """The first moment after ``at``; :data:`NEVER` where none is in sight."""
        first = day_of(at, place) - timedelta(days=1)
        for i in range(LOOK_AHEAD_DAYS):
            day = first + timedelta(days=i)
            if self._on(day):
                moments = _moments(self, day, place)
                found = bisect_right(moments, at)
                if found < len(moments):
                    return moments[found]
        return NEVER

    def matches(self, at: int, place: ZoneInfo) -> bool:
        """Whether the minute of ``at`` begins with one of its moments."""
        minute = at - at % (60 * SECOND)
        day = day_of(at, place)
        return self._on(day) and _has(_moments(self, day, place), minute)

    def moments(self, day: date, place: ZoneInfo) -> Iterator[int]:
        """Its moments on a day on which it has some, in no order."""
        for hour in self._hours:
            for minute in self._minutes:
                if self._any_hour:
                    yield from occurrences(day, hour * 60 + minute, place)
                else:
                    yield instant(day, hour * 60 + minute, place)

    def _on(self, day: date) -> bool:
        if day.month not in self._months:
            return False
        by_date, by_weekday = day.day in self._days, day.isoweekday() % 7 in self._weekdays
        return by_date or by_weekday if self._either_day else by_date and by_weekday


@lru_cache(maxsize=512)
def cron(text: str) -> Cron:
    """An expression.

    Raises:
        CronError: It is none.
    """
    return Cron(text)


@lru_cache(maxsize=1024)
def _moments(expression: Cron, day: date, place: ZoneInfo) -> tuple[int, ...]:
    return tuple(sorted(set(expression.moments(day, place))))


def _has(moments: tuple[int, ...], moment: int) -> bool:
    found = bisect_left(moments, moment)
    return found < len(moments) and moments[found] == moment


def _field(text: str, name: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    found: set[int] = set()
    for item in text.split(","):
        span, _, step = item.partition("/")
        if step and not (step.isdecimal() and int(step) > 0):
            raise CronError(f"{name}: {item!r} has no number above zero for its step")
        if span == "*":
            first, last = low, high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, name, low, high, names)
            last = _number(end, name, low, high, names) if dash else (high if step else first)
        if first > last:
            raise CronError(f"{name}: {item!r} ends before it starts")
        found.update(range(first, last + 1, int(step) if step else 1))
    return found


def _number(text: str, name: str, low: int, high: int, names: dict[str, int]) -> int:
    number = names.get(text.lower(), -1)
    if text.isascii() and text.isdecimal():
        number = int(text)
    if not low <= number <= high:
        raise CronError(f"{name}: {text!r} is none from {low} to {high}")
    return number
