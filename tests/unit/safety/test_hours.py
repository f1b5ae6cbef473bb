"""Hours at which an actuator may be on: across midnight, and when clocks are set."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from kaiser.contracts.events.safeguards import Hours
from kaiser.safety.hours import allowed, closes_at, opens_at, zone

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = (Hours("22:00", "06:00"),)
DAY = (Hours("08:00", "20:00"),)


def at(text: str, place: object = BERLIN, *, fold: int = 0) -> int:
    wall = datetime.fromisoformat(text).replace(tzinfo=place, fold=fold)  # type: ignore[arg-type]
    return round(wall.timestamp()) * 1_000_000


def utc(text: str) -> int:
    return at(text, UTC)


@pytest.mark.parametrize(
    ("time", "open_now"),
    [("07:59:59", False), ("08:00:00", True), ("19:59:59", True), ("20:00:00", False), ("00:00:00", False)],
)
def test_a_span_begins_with_its_first_moment_and_ends_before_its_last(time, open_now):
    assert allowed(DAY, BERLIN, at(f"2026-05-04T{time}")) is open_now


@pytest.mark.parametrize(
    ("time", "open_now"),
    [("21:59:59", False), ("22:00:00", True), ("00:30:00", True), ("05:59:59", True), ("06:00:00", False)],
)
def test_a_span_that_ends_before_it_starts_goes_across_midnight(time, open_now):
    assert allowed(NIGHT, BERLIN, at(f"2026-05-04T{time}")) is open_now


def test_a_night_belongs_to_the_day_on_which_it_begins():
    friday_night = (Hours("22:00", "06:00", ("fri",)),)
    assert allowed(friday_night, BERLIN, at("2026-05-08T23:00:00"))
    assert allowed(friday_night, BERLIN, at("2026-05-09T05:00:00"))
    assert not allowed(friday_night, BERLIN, at("2026-05-08T05:00:00"))
    assert not allowed(friday_night, BERLIN, at("2026-05-09T23:00:00"))


def test_a_span_that_ends_when_it_starts_is_a_whole_day():
    monday = (Hours("00:00", "00:00", ("mon",)),)
    assert allowed(monday, BERLIN, at("2026-05-04T00:00:00"))
    assert allowed(monday, BERLIN, at("2026-05-04T23:59:59"))
    assert not allowed(monday, BERLIN, at("2026-05-05T00:00:00"))
    assert not allowed(monday, BERLIN, at("2026-05-03T23:59:59"))


def test_without_hours_it_is_always_time():
    assert allowed((), BERLIN, at("2026-05-04T03:00:00"))
    assert closes_at((), BERLIN, at("2026-05-04T03:00:00")) == 0


def test_the_same_hours_are_other_moments_elsewhere():
    assert allowed(DAY, ZoneInfo("Asia/Tokyo"), utc("2026-05-04T00:00:00"))
    assert not allowed(DAY, BERLIN, utc("2026-05-04T00:00:00"))


def test_spring_opens_what_begins_in_the_hour_that_it_leaves_out_with_the_hour_after():
    gap = (Hours("02:30", "05:00"),)
    assert opens_at(gap, BERLIN, at("2026-03-29T01:00:00")) == utc("2026-03-29T01:00:00")
    assert not allowed(gap, BERLIN, utc("2026-03-29T00:59:59"))
    assert closes_at(gap, BERLIN, utc("2026-03-29T01:30:00")) == utc("2026-03-29T03:00:00")


def test_a_night_in_spring_is_an_hour_shorter_and_one_in_autumn_an_hour_longer():
    hour = 3600 * 1_000_000
    for evening, hours in (("2026-03-28", 7), ("2026-10-24", 9), ("2026-10-25", 8)):
        start = at(f"{evening}T22:00:00")
        assert closes_at(NIGHT, BERLIN, start) - start == hours * hour


def test_both_of_the_hour_that_comes_twice_in_autumn_count():
    twice = (Hours("02:00", "03:00"),)
    assert opens_at(twice, BERLIN, at("2026-10-25T01:00:00")) == utc("2026-10-25T00:00:00")
    assert allowed(twice, BERLIN, at("2026-10-25T02:30:00"))
    assert allowed(twice, BERLIN, at("2026-10-25T02:30:00", fold=1))
    assert closes_at(twice, BERLIN, utc("2026-10-25T00:00:00")) == utc("2026-10-25T02:00:00")


def test_what_ends_in_the_hour_that_comes_twice_ends_with_the_second():
    assert closes_at((Hours("01:00", "02:30"),), BERLIN, at("2026-10-25T01:15:00")) == utc("2026-10-25T01:30:00")


def test_the_next_opening_may_be_days_away():
    sunday = (Hours("10:00", "11:00", ("sun",)),)
    assert opens_at(sunday, BERLIN, at("2026-05-03T11:00:00")) == at("2026-05-10T10:00:00")
    assert opens_at(sunday, BERLIN, at("2026-05-03T10:30:00")) == at("2026-05-03T10:30:00")
    assert opens_at((Hours("10:00", "11:00", ()),), BERLIN, at("2026-05-03T10:30:00")) == 0


def test_spans_that_touch_are_one():
    both = (Hours("08:00", "12:00"), Hours("12:00", "14:00"))
    assert closes_at(both, BERLIN, at("2026-05-04T09:00:00")) == at("2026-05-04T14:00:00")


def test_what_is_always_open_has_no_end_in_sight():
    assert closes_at((Hours("00:00", "00:00"),), BERLIN, at("2026-05-04T09:00:00")) == 0


def test_an_end_is_in_sight_for_a_week():
    rest = ("tue", "wed", "thu", "fri", "sat", "sun")
    from_monday_noon = (Hours("12:00", "00:00", ("mon",)), Hours("00:00", "00:00", rest))
    assert closes_at(from_monday_noon, BERLIN, at("2026-05-04T12:00:00")) == at("2026-05-11T00:00:00")


def test_what_begins_in_a_gap_begins_with_its_end_to_the_minute():
    odd = (Hours("02:31", "05:00"),)
    assert opens_at(odd, BERLIN, at("2026-03-29T01:00:00")) == utc("2026-03-29T01:00:00")


def test_a_span_that_a_gap_swallows_is_none():
    swallowed = (Hours("02:00", "02:30"),)
    gone = utc("2026-03-29T01:00:00")
    assert not allowed(swallowed, BERLIN, gone)
    assert opens_at(swallowed, BERLIN, gone) == at("2026-03-30T02:00:00")


def test_a_closed_span_closes_now():
    now = at("2026-05-04T21:00:00")
    assert closes_at(DAY, BERLIN, now) == now


def test_a_time_zone_is_known_by_its_name():
    assert zone("Europe/Berlin") == BERLIN
    assert zone("Europe/Atlantis") is None
    assert zone("") is None
    assert zone("../etc/passwd") is None
