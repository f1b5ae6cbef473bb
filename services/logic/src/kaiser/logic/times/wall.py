"""What the clock on the wall shows, in zones that set it forward and back."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kaiser.logic.times import SECOND


@lru_cache(maxsize=512)
def zone(name: str) -> ZoneInfo | None:
    """A time zone by its IANA name; None where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def day_of(at: int, place: ZoneInfo) -> date:
    """The day that it is there."""
    return datetime.fromtimestamp(at // SECOND, place).date()


def minute_of(clock: str) -> int:
    """Minutes since midnight of ``HH:MM``."""
    return int(clock[:2]) * 60 + int(clock[3:])


def instant(day: date, minute: int, place: ZoneInfo, *, fold: int = 0) -> int:
    """The moment at which the wall shows a minute of a day.

    Args:
        day: Day of the place.
        minute: Minutes since midnight.
        place: Its zone.
        fold: Which of the two where it comes twice: 0 for the first.

    Returns:
        Where the clock is set forward over it, the moment after that.
    """
    wall = _wall(day, minute, place, fold)
    utc = wall.astimezone(UTC)
    if not _shows(utc, wall, place):
        utc = _after_gap(wall, place)
    return int(utc.timestamp()) * SECOND


def occurrences(day: date, minute: int, place: ZoneInfo) -> tuple[int, ...]:
    """Every moment at which the wall shows a minute of a day: mostly one, none in a gap, two in a fold."""
    found = []
    for fold in (0, 1):
        wall = _wall(day, minute, place, fold)
        utc = wall.astimezone(UTC)
        if _shows(utc, wall, place):
            found.append(int(utc.timestamp()) * SECOND)
    return tuple(sorted(set(found)))


def _wall(day: date, minute: int, place: ZoneInfo, fold: int) -> datetime:
    return datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=place, fold=fold)


def _shows(utc: datetime, wall: datetime, place: ZoneInfo) -> bool:
    return utc.astimezone(place).replace(tzinfo=None) == wall.replace(tzinfo=None)


def _after_gap(wall: datetime, place: ZoneInfo) -> datetime:
    utc = wall.replace(fold=1).astimezone(UTC)  # by the offset after the gap, which is before it
    while utc.astimezone(place).replace(tzinfo=None) < wall.replace(tzinfo=None):
        utc += timedelta(minutes=1)
    return utc
