"""Each limit by itself."""

import pytest

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import DutyCycle, Hours, Limits
from kaiser.safety.limits import (
    LEVEL_TOLERANCE,
    check_duty,
    check_hours,
    check_level,
    check_pause,
    check_run,
    check_starts,
    check_type,
    duty_ends_at,
    fault,
    used_us,
)
from kaiser.safety.state import Run

from .builders import NOW, SECOND

HALF = Limits(duty_cycle=DutyCycle(0.5, 100))


def s(seconds: float) -> int:
    return NOW + round(seconds * SECOND)


@pytest.mark.parametrize(("kind", "fits"), [("pump", False), ("relay", False), ("pwm", True), ("valve", True)])
def test_pwm_is_for_what_has_levels(kind, fits):
    objection = check_type(kind, "PWM")
    assert (objection is None) is fits
    assert check_type(kind, "ON") is None
    if objection is not None:
        assert objection.code == Code.COMMAND_NOT_FOR_TYPE
        assert objection.saw == {"type": kind, "action": "PWM"}


@pytest.mark.parametrize(
    ("action", "kind", "level", "fits"),
    [
        ("PWM", "pwm", 0.2, True), ("PWM", "pwm", 0.8, True), ("PWM", "pwm", 0.19, False), ("PWM", "pwm", 0.81, False),
        ("ON", "pwm", 1.0, False), ("ON", "pump", 1.0, True), ("ON", "valve", 1.0, False), ("PWM", "valve", 1.0, False),
        ("PWM", "pwm", 0.0, False), ("PWM", "pwm", 1.01, False), ("PWM", "pwm", -0.5, False),
        ("PWM", "pwm", float("nan"), False), ("ON", "pump", 2.0, False),
    ],
)  # fmt: skip
def test_a_level_is_inside_of_its_limits_and_on_means_full_power_of_pwm(action, kind, level, fits):
    objection = check_level(Limits(min_level=0.2, max_level=0.8), kind, action, level)
    assert (objection is None) is fits
    if objection is not None:
        assert objection.code == Code.LEVEL_NOT_ALLOWED
        assert objection.saw["min_level"] == 0.2
        assert objection.saw["max_level"] == 0.8


def test_a_level_may_miss_its_limits_by_what_arithmetic_loses():
    limits = Limits(min_level=0.2, max_level=0.8)
    assert check_level(limits, "pwm", "PWM", 0.2 - LEVEL_TOLERANCE) is None
    assert check_level(limits, "pwm", "PWM", 0.8 + LEVEL_TOLERANCE) is None
    assert check_level(limits, "pwm", "PWM", 0.2 - 3 * LEVEL_TOLERANCE) is not None
    assert check_level(limits, "pwm", "PWM", 0.8 + 3 * LEVEL_TOLERANCE) is not None


def test_no_level_is_off():
    for level in (0.0, -0.1, 1.5, float("nan")):
        objection = check_level(Limits(), "pump", "ON", level)
        assert objection is not None
        assert "more than 0 and at most 1" in objection.detail


def test_any_level_is_allowed_where_nobody_set_limits():
    for level in (1 / 255, 0.5, 1.0):
        assert check_level(Limits(), "pwm", "PWM", level) is None
    assert check_level(Limits(), "pwm", "ON", 1.0) is None


def test_the_detail_says_which_end_of_the_limits_it_is():
    limits = Limits(min_level=0.2, max_level=0.8)
    assert "below the lowest, 0.2" in check_level(limits, "pwm", "PWM", 0.1).detail
    assert "level 0.9 is above" in check_level(limits, "pwm", "PWM", 0.9).detail
    assert "ON means full power" in check_level(limits, "pwm", "ON", 1.0).detail


def test_outside_of_its_hours_it_is_told_when_they_begin():
    limits = Limits(allowed_hours=(Hours("08:00", "20:00"),), time_zone="Europe/Berlin")
    night = 1_767_142_800 * SECOND  # 2025-12-31T02:00 in Berlin
    objection = check_hours(limits, night)
    assert objection is not None
    assert objection.code == Code.OUTSIDE_ALLOWED_HOURS
    assert objection.retry_at == night + 6 * 3600 * SECOND
    assert objection.saw["time_zone"] == "Europe/Berlin"
    assert check_hours(limits, objection.retry_at) is None
    assert check_hours(limits, objection.retry_at - SECOND) is not None


def test_in_a_time_zone_that_nobody_knows_it_is_never_time():
    objection = check_hours(Limits(allowed_hours=(Hours("00:00", "00:00"),), time_zone="Mars/Base"), NOW)
    assert objection is not None
    assert objection.retry_at == 0
    assert "Mars/Base" in objection.detail
    assert check_hours(Limits(time_zone="Mars/Base"), NOW) is None


@pytest.mark.parametrize(
    ("duration_s", "ran_s", "fits"),
    [(0, None, True), (60, None, True), (61, None, False), (0, 59, True), (0, 60, False), (1, 59, True), (2, 59, False),
     (0, 61, False)],
)  # fmt: skip
def test_a_run_is_counted_from_its_start(duration_s, ran_s, fits):
    since = 0 if ran_s is None else s(-ran_s)
    objection = check_run(Limits(max_on_s=60), duration_s, since, NOW)
    assert (objection is None) is fits
    if objection is not None:
        assert objection.code == Code.RUN_TOO_LONG
        assert objection.saw == {"max_on_s": 60, "duration_s": duration_s, "on_s": ran_s or 0}
        whole = (ran_s or 0) + duration_s
        words = f"has been on for {ran_s} s" if ran_s and ran_s >= 60 else f"would be on for {whole} s"
        assert objection.detail == f"it {words}, and may be for 60 s"


def test_without_a_longest_run_any_is_allowed():
    assert check_run(Limits(max_on_s=None), 86_400, s(-86_400), NOW) is None


def test_a_pause_is_over_with_its_last_moment():
    limits = Limits(min_off_s=30)
    objection = check_pause(limits, s(-29.999999), NOW, known=True)
    assert objection is not None
    assert objection.code == Code.COOLING_DOWN
    assert objection.retry_at == s(0.000001)
    assert objection.saw == {"min_off_s": 30, "off_since": s(-29.999999), "known": True}
    assert objection.detail == "it has been off for 30 s, and has to be for 30 s"
    assert check_pause(limits, s(-30), NOW, known=True) is None


@pytest.mark.parametrize(("off_since", "known"), [(0, True), (s(-100), False)])
def test_a_pause_that_cannot_be_told_is_not_over(off_since, known):
    objection = check_pause(Limits(min_off_s=1), off_since, NOW, known=known)
    assert objection is not None
    assert objection.code == Code.STATE_UNKNOWN
    assert check_pause(Limits(), off_since, NOW, known=known) is None


def test_starts_are_counted_over_the_last_hour():
    limits = Limits(starts_per_hour=3)
    starts = (s(-3600), s(-3599), s(-1800), s(-10))
    objection = check_starts(limits, starts, (), NOW)
    assert objection is not None
    assert objection.code == Code.TOO_MANY_STARTS
    assert objection.saw == {"starts_per_hour": 3, "starts": 3}
    assert objection.detail == "it was started 3 times in the last hour, and may be 3 times"
    assert objection.retry_at == s(1)
    assert check_starts(limits, starts, (), s(1)) is None
    assert check_starts(limits, starts[1:3], (), NOW) is None
    assert check_starts(Limits(), starts * 10, starts, NOW) is None


def test_starts_that_nobody_asked_for_count_as_well():
    limits = Limits(starts_per_hour=1)
    assert check_starts(limits, (), (s(-5),), NOW) is not None
    assert check_starts(limits, (s(-5),), (), NOW) is not None
    assert check_starts(limits, (), (s(-3600),), NOW) is None
    four = check_starts(limits, (s(-5),), (s(-400), s(-300), s(-200)), NOW)
    assert four is not None
    assert four.retry_at == s(-200) + 3600 * SECOND


def test_a_share_of_time_is_used_up_by_what_ran_inside_of_the_window():
    assert (
        used_us(DutyCycle(0.5, 100), [Run(s(-150), s(-90)), Run(s(-60), s(-40)), Run(s(-10), s(5))], NOW) == 40 * SECOND
    )
    assert check_duty(HALF, [Run(s(-50.000001), NOW)], 0, 0, NOW) is not None
    assert check_duty(HALF, [Run(s(-49), NOW)], 0, 0, NOW) is None
    while_on = check_duty(HALF, [], s(-50), 0, NOW)
    assert while_on is not None
    assert while_on.retry_at == 0
    assert check_duty(HALF, [], s(-49.999999), 0, NOW) is None
    assert check_duty(Limits(), [Run(s(-1000), NOW)], 0, 0, NOW) is None


def test_a_run_of_given_length_may_use_the_share_up_and_no_more():
    assert check_duty(HALF, [], 0, 50, NOW) is None
    assert check_duty(HALF, [], 0, 51, NOW) is not None
    assert check_duty(HALF, [Run(s(-20), s(-10))], 0, 40, NOW) is None
    assert check_duty(HALF, [Run(s(-20), s(-10))], 0, 41, NOW) is not None
    assert check_duty(HALF, [Run(s(-100), s(-80))], 0, 50, NOW) is None


def test_an_objection_of_the_share_says_what_it_saw_and_when_it_ends():
    objection = check_duty(HALF, [Run(s(-70), s(-10))], 0, 0, NOW)
    assert objection is not None
    assert objection.code == Code.DUTY_CYCLE_EXCEEDED
    assert objection.saw == {"share": 0.5, "window_s": 100, "on_s": 60}
    assert objection.detail == "it would have been on for 60 s of 100 s, and may be for 50% of it"
    assert objection.retry_at == s(40.000001)
    assert check_duty(HALF, [Run(s(-70), s(-10))], 0, 0, s(40)) is not None
    assert check_duty(HALF, [Run(s(-70), s(-10))], 0, 0, s(40.000001)) is None


@pytest.mark.parametrize("asked", [0, 1, 10, 30, 50])
def test_what_is_refused_is_allowed_at_the_time_that_is_named_and_not_before(asked):
    runs = [Run(s(-90), s(-65)), Run(s(-60), s(-40)), Run(s(-30), s(-5))]
    objection = check_duty(HALF, runs, 0, asked, NOW)
    assert objection is not None
    assert check_duty(HALF, runs, 0, asked, objection.retry_at) is None
    assert check_duty(HALF, runs, 0, asked, objection.retry_at - 1) is not None


def test_a_run_of_a_microsecond_counts():
    objection = check_duty(HALF, [Run(NOW - 1, NOW)], 0, 50, NOW)
    assert objection is not None
    assert objection.retry_at == s(50)


def test_a_run_that_is_longer_than_the_share_is_never_allowed():
    objection = check_duty(HALF, [], 0, 60, NOW)
    assert objection is not None
    assert objection.retry_at == 0


def test_all_of_the_time_is_no_limit():
    always = Limits(duty_cycle=DutyCycle(1.0, 60))
    assert check_duty(always, [], s(-1000), 0, NOW) is None
    assert duty_ends_at(always.duty_cycle, [], s(-1000), NOW) == 0


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [Run(s(-95), s(-85))],
        [Run(s(-98), s(-90)), Run(s(-80), s(-70)), Run(s(-30), s(-20))],
        [Run(s(-300), s(-200))],
    ],
)
@pytest.mark.parametrize("since", [0, -10])
def test_the_share_ends_exactly_when_it_is_used_up(runs, since):
    ends_at = duty_ends_at(HALF.duty_cycle, runs, s(since), NOW)
    assert ends_at > NOW
    assert check_duty(HALF, runs, s(since), 0, ends_at) is not None
    assert check_duty(HALF, runs, s(since), 0, ends_at - 1) is None


def test_a_share_that_is_used_up_ends_now():
    assert duty_ends_at(HALF.duty_cycle, [], s(-60), NOW) <= NOW


def test_limits_that_make_no_sense_are_told():
    assert fault(Limits()) == ""
    assert fault(Limits(min_level=0.5, max_level=0.5)) == ""
    assert "level" in fault(Limits(min_level=0.6, max_level=0.5))
    assert "level" in fault(Limits(max_level=0.0))
    assert "Mars" in fault(Limits(allowed_hours=(Hours("08:00", "20:00"),), time_zone="Mars/Base"))
    assert fault(Limits(time_zone="Mars/Base")) == ""
    assert "weekday" in fault(Limits(allowed_hours=(Hours("08:00", "20:00", ()),)))
