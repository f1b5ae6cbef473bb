"""Wall time in zones that set the clock, cron expressions, and the sun."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiser.contracts.rules import Place
from kaiser.logic.times import NEVER, SECOND
from kaiser.logic.times.cron import CronError, cron
from kaiser.logic.times.spans import daylight, hours, minutes, sun_event
from kaiser.logic.times.sun import sun_day
from kaiser.logic.times.wall import instant, occurrences, zone

BERLIN = zone("Europe/Berlin")
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def at(text, place=BERLIN):
    return int(datetime.fromisoformat(text).replace(tzinfo=place).timestamp()) * SECOND


def utc(text):
    return at(text, UTC)


def shown(moment, place=BERLIN):
    return datetime.fromtimestamp(moment // SECOND, place).isoformat()


def test_a_minute_that_spring_leaves_out_is_the_moment_after_the_gap() -> None:
    assert shown(instant(date(2026, 3, 29), 150, BERLIN)) == "2026-03-29T03:00:00+02:00"
    assert occurrences(date(2026, 3, 29), 150, BERLIN) == ()


def test_a_minute_of_autumn_comes_twice() -> None:
    first, second = occurrences(date(2026, 10, 25), 150, BERLIN)
    assert second - first == 3600 * SECOND
    assert (instant(date(2026, 10, 25), 150, BERLIN), instant(date(2026, 10, 25), 150, BERLIN, fold=1)) == (
        first,
        second,
    )


@pytest.mark.parametrize(
    ("expression", "after", "comes"),
    [
        ("30 2 * * *", "2026-03-28T12:00", "2026-03-29T03:00:00+02:00"),  # in the gap: when the clock has been set
        ("30 2 * * *", "2026-03-29T04:00", "2026-03-30T02:30:00+02:00"),
        ("30 2 * * *", "2026-10-25T01:00", "2026-10-25T02:30:00+02:00"),  # in the fold: the first, and only it
        ("*/15 * * * *", "2026-03-29T01:50", "2026-03-29T03:00:00+02:00"),  # goes by the minutes that there are
        ("0 6 * * mon-fri", "2026-05-01T07:00", "2026-05-04T06:00:00+02:00"),
        ("0 0 29 2 *", "2026-05-01T07:00", "2028-02-29T00:00:00+01:00"),
        ("0 0 13 * fri", "2026-05-01T07:00", "2026-05-08T00:00:00+02:00"),  # either day suffices
        ("0 12 * jan,jul 7", "2026-05-01T07:00", "2026-07-05T12:00:00+02:00"),
    ],
)
def test_a_cron_expression_comes_next(expression: str, after: str, comes: str) -> None:
    assert shown(cron(expression).after(at(after), BERLIN)) == comes


def test_a_fixed_time_in_the_hour_that_comes_twice_comes_once() -> None:
    first = cron("30 2 * * *").after(at("2026-10-25T01:00"), BERLIN)
    assert shown(cron("30 2 * * *").after(first, BERLIN)) == "2026-10-26T02:30:00+01:00"


def test_every_half_hour_comes_in_both_hours_of_autumn() -> None:
    moment, found = at("2026-10-25T01:45"), []
    for _ in range(5):
        moment = cron("*/30 * * * *").after(moment, BERLIN)
        found.append(shown(moment)[11:])
    assert found == ["02:00:00+02:00", "02:30:00+02:00", "02:00:00+01:00", "02:30:00+01:00", "03:00:00+01:00"]


@pytest.mark.parametrize(
    "text",
    ["* * * *", "60 * * * *", "* 24 * * *", "5-1 * * * *", "*/0 * * * *", "x * * * *", "0 0 31 2 *", "", "٣ * * * *"],
)
def test_what_is_no_cron_expression_is_refused(text: str) -> None:
    with pytest.raises(CronError):
        cron(text)


@given(st.integers(0, 400 * 86_400), st.sampled_from(["7 * * * *", "*/20 3-5 * * *", "15 2 * * sun", "0 22 1 * *"]))
def test_what_comes_next_is_later_matches_and_nothing_is_between(offset: int, text: str) -> None:
    start = utc("2026-01-01T00:00") + offset * SECOND
    comes = cron(text).after(start, BERLIN)
    assert comes > start
    assert cron(text).matches(comes, BERLIN)
    assert cron(text).after(comes - 1, BERLIN) == comes


def test_hours_across_midnight_belong_to_their_first_day() -> None:
    holds = hours(22 * 60, 6 * 60, ("fri",), BERLIN)
    assert holds(at("2026-05-01T23:00")) == (True, at("2026-05-02T06:00"))
    assert holds(at("2026-05-02T05:59"))[0]
    assert holds(at("2026-05-02T23:00"))[0] is False
    assert holds(at("2026-05-01T05:00")) == (False, at("2026-05-01T22:00"))


def test_hours_that_end_when_they_start_are_the_whole_day_without_a_break() -> None:
    assert hours(360, 360, WEEK, BERLIN)(at("2026-05-01T06:00"))[0]
    assert hours(360, 360, WEEK, BERLIN)(at("2026-05-01T05:59"))[0]


def test_hours_in_the_fold_last_until_its_second_end_and_in_the_gap_they_begin_after_it() -> None:
    assert hours(60, 150, WEEK, BERLIN)(at("2026-10-25T01:30")) == (True, utc("2026-10-25T01:30"))
    assert hours(150, 240, WEEK, BERLIN)(utc("2026-03-29T00:59")) == (False, utc("2026-03-29T01:00"))


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 366 * 1440))
def test_hours_say_until_when_they_hold(start: int, end: int, minute: int) -> None:
    holds = hours(start, end, ("mon", "wed", "thu"), BERLIN)
    now = utc("2026-01-01T00:00") + minute * 60 * SECOND
    truth, until = holds(now)
    assert until > now
    assert holds(until - 1)[0] is truth


def test_the_minute_of_a_cron_expression_holds_for_a_minute() -> None:
    holds = minutes(cron("0 6 * * *"), BERLIN)
    assert holds(at("2026-05-01T06:00") + 59 * SECOND) == (True, at("2026-05-01T06:01"))
    assert holds(at("2026-05-01T06:01")) == (False, at("2026-05-02T06:00"))


@pytest.mark.parametrize(
    ("day", "place", "rise", "fall"),
    [  # from the tables of the U.S. Naval Observatory and of timeanddate.com, to the minute
        (date(2026, 6, 21), Place(52.52, 13.405), "2026-06-21T02:43", "2026-06-21T19:33"),
        (date(2026, 12, 21), Place(52.52, 13.405), "2026-12-21T07:15", "2026-12-21T14:54"),
        (date(2026, 3, 20), Place(0.0, 0.0), "2026-03-20T06:04", "2026-03-20T18:11"),
    ],
)
def test_the_sun_rises_and_sets_to_the_minute(day: date, place: Place, rise: str, fall: str) -> None:
    sun = sun_day(day, place)
    assert sun.sunrise is not None
    assert sun.sunset is not None
    assert abs(sun.sunrise - utc(rise)) <= 90 * SECOND
    assert abs(sun.sunset - utc(fall)) <= 90 * SECOND


def test_in_the_far_north_it_is_day_all_day_in_summer_and_never_in_winter() -> None:
    north = Place(75.0, 20.0)
    assert daylight(north, 0, 0)(utc("2026-06-21T00:30"))[0]
    assert daylight(north, 0, 0)(utc("2026-12-21T11:00"))[0] is False
    assert shown(sun_event("sunrise", 0, north, utc("2026-12-21T00:00")), UTC).startswith("2027-02")
    assert sun_event("sunrise", 0, Place(90.0, 0.0), utc("2026-12-21T00:00")) <= NEVER


@given(st.floats(-65, 65), st.floats(-180, 180), st.integers(0, 700))
def test_every_day_has_one_sunrise_after_the_other(latitude: float, longitude: float, day: int) -> None:
    place, now = Place(latitude, longitude), utc("2026-01-01T00:00") + day * 86_400 * SECOND
    first = sun_event("sunrise", 0, place, now)
    second = sun_event("sunrise", 0, place, first)
    assert now < first <= now + 25 * 3600 * SECOND
    assert abs(second - first - 86_400 * SECOND) < 600 * SECOND
    assert daylight(place, 0, 0)(first)[0]
    assert daylight(place, 0, 0)(first - 1) == (False, first)
