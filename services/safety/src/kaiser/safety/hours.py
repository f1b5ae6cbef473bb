"""Hours of the day at which an actuator may be on, in the time of its place. Pure.

A span that ends before it starts goes across midnight and belongs to its first day; one that ends when it starts is a
whole day. Wall time decides: in the hour that comes twice in autumn both count, and what begins in the hour that spring
leaves out begins with the hour after it.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kaiser.contracts.events.safeguards import Hours, Weekday
from kaiser.safety.objecting import SECOND

WEEKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

LOOK_AHEAD_DAYS: Final = 8
"""Every weekday comes within a week; one more for spans that began yesterday."""

Span = tuple[int, int]
"""From, until: unix microseconds, the end not included."""


def zone(name: str) -> ZoneInfo | None:
    """A time zone by its IANA name; None where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def allowed(hours: Sequence[Hours], place: ZoneInfo, now: int) -> bool:
    """Whether one of the spans holds now; always where there are none."""
    return not hours or any(start <= now < end for start, end in _around(hours, place, now))


def opens_at(hours: Sequence[Hours], place: ZoneInfo, now: int) -> int:
    """When a span begins next, unix microseconds; now where one holds, 0 where none ever does."""
    if allowed(hours, place, now):
        return now
    return min((start for start, _ in _around(hours, place, now) if start > now), default=0)


def closes_at(hours: Sequence[Hours], place: ZoneInfo, now: int) -> int:
    """When no span holds any more, unix microseconds; now where none does, 0 where that is not in sight."""
    if not hours:
        return 0
    at = now
    for start, end in sorted(_around(hours, place, now)):
        if start <= at < end:
            at = end
    beyond = _day(now, place) + timedelta(days=LOOK_AHEAD_DAYS)
    return 0 if _local(at, place).date() >= beyond else at


def _around(hours: Sequence[Hours], place: ZoneInfo, now: int) -> Iterator[Span]:
    """Every span from that of yesterday to those of a week from now."""
    return iter(_spans(tuple(hours), place, _day(now, place)))


@lru_cache(maxsize=4096)
def _spans(hours: tuple[Hours, ...], place: ZoneInfo, today: date) -> tuple[Span, ...]:
    days = [today + timedelta(days=i) for i in range(-1, LOOK_AHEAD_DAYS)]
    return tuple(_span(each, place, day) for day in days for each in hours if WEEKDAYS[day.weekday()] in each.days)


def _span(hours: Hours, place: ZoneInfo, day: date) -> Span:
    last = day if hours.end > hours.start else day + timedelta(days=1)
    # What begins in the hour that comes twice begins with the first of the two, and what ends in it ends with the last
    return _instant(day, hours.start, place, fold=0), _instant(last, hours.end, place, fold=1)


def _instant(day: date, clock: str, place: ZoneInfo, *, fold: int) -> int:
    wall = datetime(day.year, day.month, day.day, int(clock[:2]), int(clock[3:]), tzinfo=place, fold=fold)
    utc = wall.astimezone(UTC)
    if utc.astimezone(place).replace(tzinfo=None) != wall.replace(tzinfo=None):
        utc = _after_gap(wall, place)
    return round(utc.timestamp()) * SECOND


def _after_gap(wall: datetime, place: ZoneInfo) -> datetime:
    """The first moment after the clock was set forward over ``wall``."""
    start = wall.replace(tzinfo=None)
    utc = wall.replace(fold=1).astimezone(UTC)  # by the offset after the gap, which is before it
    while utc.astimezone(place).replace(tzinfo=None) < start:
        utc += timedelta(minutes=1)
    return utc


def _day(now: int, place: ZoneInfo) -> date:
    return _local(now, place).date()


def _local(at: int, place: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at / SECOND, place)
