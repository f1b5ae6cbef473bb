"""Hours hold in any time zone and at any time: openings and closings are exactly where the answer changes."""

from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kaiser.contracts.events.safeguards import Hours
from kaiser.safety.hours import WEEKDAYS, allowed, closes_at, opens_at

SECOND = 1_000_000
DAY = 86_400 * SECOND

clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
days = st.sets(st.sampled_from(WEEKDAYS), min_size=1).map(tuple)
hours = st.lists(st.builds(Hours, clocks, clocks, days), min_size=1, max_size=3).map(tuple)
places = st.sampled_from(
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "Pacific/Apia"]
).map(ZoneInfo)
# Every time of 2026, and often one near the days on which Berlin sets its clocks
times = st.integers(1_767_225_600, 1_798_761_599) | st.integers(1_774_656_000, 1_774_828_800)
times |= st.integers(1_792_800_000, 1_792_972_800)
moments = times.map(lambda seconds: seconds * SECOND)


@settings(max_examples=150, deadline=None)
@given(hours, places, moments)
def test_what_is_closed_opens_at_the_moment_that_is_named_and_not_before(hours, place, now):
    opens = opens_at(hours, place, now)
    if allowed(hours, place, now):
        assert opens == now
    elif opens:
        assert now < opens < now + 8 * DAY
        assert allowed(hours, place, opens)
        assert not any(allowed(hours, place, now + (opens - 1 - now) * i // 20) for i in range(21))


@settings(max_examples=150, deadline=None)
@given(hours, places, moments)
def test_what_is_open_closes_at_the_moment_that_is_named_and_not_before(hours, place, now):
    closes = closes_at(hours, place, now)
    if not allowed(hours, place, now):
        assert closes == now
    elif closes:
        assert closes > now
        assert not allowed(hours, place, closes)
        assert all(allowed(hours, place, now + (closes - 1 - now) * i // 20) for i in range(21))


@settings(max_examples=150, deadline=None)
@given(hours, places, moments)
def test_on_a_day_without_a_change_of_clocks_the_wall_decides(hours, place, now):
    wall = datetime.fromtimestamp(now / SECOND, place)
    offsets = {datetime.fromtimestamp(now / SECOND + i * 3600, place).utcoffset() for i in range(-48, 49)}
    assume(len(offsets) == 1)
    assert allowed(hours, place, now) is any(by_the_wall(each, wall) for each in hours)


def by_the_wall(hours: Hours, wall: datetime) -> bool:
    clock, today = f"{wall:%H:%M}", WEEKDAYS[wall.weekday()]
    yesterday = WEEKDAYS[wall.weekday() - 1]
    if hours.start < hours.end:
        return today in hours.days and hours.start <= clock < hours.end
    return (today in hours.days and clock >= hours.start) or (yesterday in hours.days and clock < hours.end)
