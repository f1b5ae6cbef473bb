"""What has to be stopped, what has become safe, and when to look again."""

import pytest

from kaiser.contracts.events.safeguards import (
    ActuatorRef,
    AtMost,
    DutyCycle,
    Hours,
    OnlyWhile,
    PowerBudget,
    Scope,
    SensorBand,
)
from kaiser.safety.latching import in_scope, unconfirmed
from kaiser.safety.watching import EMERGENCY_GRACE_US, concerned, due, repeat_after_s, stop_id, stopped

from .builders import ESP, FAN, HEATER, LAMP, NOW, PUMP, SECOND, SENSOR, Site


def test_what_is_off_needs_no_watching():
    site = Site()
    look = site.look(PUMP)
    assert (look.stop, look.confirms, look.next_at) == (None, None, 0)
    assert due(site.state, NOW) == ((), 0)


def test_a_run_is_cut_at_its_longest():
    site = Site()
    site.limits(PUMP, max_on_s=60)
    site.switch(PUMP)
    assert site.look(PUMP).next_at == NOW + 60 * SECOND
    assert site.after(59.999999).watch(PUMP) == ""
    assert site.after(0.000001).watch(PUMP) == "stopped by max_on"


def test_a_run_without_a_limit_goes_on():
    site = Site()
    site.limits(PUMP, max_on_s=None)
    site.switch(PUMP)
    assert site.look(PUMP).next_at == 0
    assert site.after(10**6).watch(PUMP) == ""


def test_a_run_that_nobody_asked_for_is_cut_too():
    site = Site()
    site.status(PUMP, 1.0)
    assert site.after(3600).watch(PUMP) == "stopped by max_on"


def test_a_command_after_the_other_does_not_prolong_a_run_even_where_nothing_is_ever_heard():
    site = Site()
    site.limits(LAMP, max_on_s=60)
    for _ in range(5):
        site.ask(LAMP)
        site.dispatch(LAMP)
        site.after(10).end(LAMP, "expired")
    assert site.after(9).watch(LAMP) == ""
    assert site.after(1).watch(LAMP) == "stopped by max_on"


def test_a_stop_is_not_made_twice_and_is_confirmed_by_a_status_after_it():
    site = Site()
    site.limits(PUMP, max_on_s=60)
    site.switch(PUMP)
    site.after(60).watch(PUMP)
    assert site.watch(PUMP) == ""
    site.status(PUMP, 0.0)
    assert site.watch(PUMP) == ""
    site.after(1).status(PUMP, 1.0)
    assert site.watch(PUMP) == ""
    site.after(1).status(PUMP, 0.0)
    assert site.watch(PUMP) == "confirmed"
    assert site.watch(PUMP) == ""


def test_a_stop_is_not_confirmed_by_a_device_that_is_away():
    site = Site()
    site.limits(PUMP, max_on_s=60)
    site.switch(PUMP)
    site.after(60).watch(PUMP)
    site.after(1).status(PUMP, 0.0)
    site.after(1).lose()
    assert site.watch(PUMP) == ""
    site.after(1).come_back()
    assert site.watch(PUMP) == ""
    site.after(1).status(PUMP, 0.0)
    assert site.watch(PUMP) == "confirmed"


def test_what_is_above_a_highest_level_that_was_lowered_is_stopped():
    site = Site()
    site.switch(LAMP, "PWM", 0.8)
    site.limits(LAMP, max_level=0.8)
    assert site.after(1).watch(LAMP) == ""
    site.limits(LAMP, max_level=0.5)
    assert site.watch(LAMP) == "stopped by level"


def test_a_highest_level_is_nothing_to_what_has_no_levels():
    site = Site()
    site.switch(PUMP)
    site.limits(PUMP, max_level=0.5)
    assert site.after(1).watch(PUMP) == ""


def test_hours_that_end_stop_what_runs():
    site = Site()
    day = 86_400 * SECOND
    noon = NOW - NOW % day + day + day // 2
    site.now = noon
    site.limits(PUMP, max_on_s=None, allowed_hours=(Hours("08:00", "12:10"),))
    site.switch(PUMP)
    assert site.look(PUMP).next_at == noon + 600 * SECOND
    assert site.after(599).watch(PUMP) == ""
    assert site.after(1).watch(PUMP) == "stopped by allowed_hours"


def test_hours_in_a_time_zone_that_nobody_knows_stop_what_runs():
    site = Site()
    site.switch(PUMP)
    site.limits(PUMP, allowed_hours=(Hours("00:00", "00:00"),), time_zone="Mars/Base")
    assert site.watch(PUMP) == "stopped by allowed_hours"


def test_a_share_that_is_used_up_stops_what_runs():
    site = Site()
    site.limits(PUMP, duty_cycle=DutyCycle(0.5, 100))
    site.switch(PUMP)
    site.after(20).switch(PUMP, "OFF")
    site.after(20).switch(PUMP)
    assert site.look(PUMP).next_at == NOW + 70 * SECOND
    assert site.after(29.999999).watch(PUMP) == ""
    assert site.after(0.000001).watch(PUMP) == "stopped by duty_cycle"


def test_what_was_on_when_its_device_vanished_is_stopped_when_that_is_back():
    site = Site()
    site.limits(PUMP, max_on_s=None)
    site.switch(PUMP)
    site.after(10).lose()
    assert site.watch(PUMP) == ""
    site.after(10).come_back()
    assert site.watch(PUMP) == "stopped by returned"
    site.after(1).status(PUMP, 0.0)
    assert site.watch(PUMP) == "confirmed"
    site.after(1).switch(PUMP)
    assert site.watch(PUMP) == ""


def test_what_says_that_it_is_on_as_soon_as_it_is_back_is_stopped_still():
    site = Site()
    site.switch(PUMP)
    site.after(10).lose()
    site.after(10).come_back()
    site.status(PUMP, 1.0)
    assert site.watch(PUMP) == "stopped by returned"


def test_what_must_not_stop_is_not_stopped_when_its_device_is_back():
    site = Site()
    site.limits(PUMP, when_safety_is_silent="hold")
    site.switch(PUMP)
    site.after(10).lose()
    site.after(10).come_back()
    assert site.watch(PUMP) == ""


def test_the_longest_run_holds_while_a_device_is_away():
    site = Site()
    site.limits(PUMP, max_on_s=60)
    site.switch(PUMP)
    site.after(10).lose()
    assert site.after(50).watch(PUMP) == "stopped by max_on"


def test_an_emergency_stop_is_followed_up_where_something_is_on_still():
    site = Site()
    site.switch(PUMP)
    site.emergency()
    assert site.look(PUMP).next_at == NOW + EMERGENCY_GRACE_US
    assert site.after(4.999999).watch(PUMP) == ""
    assert site.after(0.000001).watch(PUMP) == "stopped by emergency"
    assert site.watch(HEATER) == ""


def test_what_goes_on_inside_of_an_emergency_stop_is_stopped_at_once():
    site = Site()
    site.emergency()
    site.after(60).status(PUMP, 1.0)
    assert site.watch(PUMP) == "stopped by emergency"


def test_a_requirement_that_goes_takes_along_what_requires_it():
    site = Site()
    site.interlock(OnlyWhile(HEATER, FAN))
    site.switch(FAN)
    site.switch(HEATER)
    assert site.watch(HEATER) == ""
    site.after(1).ask(FAN, "OFF")
    assert site.watch(HEATER) == "stopped by interlock x"


def test_a_sensor_that_falls_silent_stops_what_it_watches_over():
    site = Site()
    site.interlock(SensorBand(HEATER, SENSOR, 5, 30, 120))
    site.reading(20)
    site.switch(HEATER)
    assert site.look(HEATER).next_at == NOW + 120 * SECOND + 1
    assert site.after(120).watch(HEATER) == ""
    assert site.after(0.000001).watch(HEATER) == "stopped by interlock x"


def test_a_sensor_that_leaves_its_band_stops_what_it_watches_over():
    site = Site()
    site.interlock(SensorBand(HEATER, SENSOR, 5, 30))
    site.reading(20)
    site.switch(HEATER)
    site.after(1).reading(31)
    assert site.watch(HEATER) == "stopped by interlock x"


def test_the_earliest_of_all_ends_is_the_time_to_look_again():
    site = Site()
    site.limits(HEATER, max_on_s=300, duty_cycle=DutyCycle(0.5, 1000))
    site.interlock(SensorBand(HEATER, SENSOR, 5, 30, 120))
    site.reading(20)
    site.switch(HEATER)
    site.switch(PUMP)
    assert due(site.state, site.now) == ((), NOW + 120 * SECOND + 1)
    site.after(100).reading(20)
    assert due(site.state, site.now) == ((), NOW + 220 * SECOND + 1)
    site.after(100).reading(20)
    assert due(site.state, site.now) == ((), NOW + 300 * SECOND)


def test_a_look_at_all_finds_everything_that_is_due():
    site = Site()
    site.limits(PUMP, max_on_s=60)
    site.limits(LAMP, max_on_s=60)
    site.switch(PUMP)
    site.switch(LAMP)
    site.switch(HEATER)
    looks, next_at = due(site.after(60).state, site.now)
    assert [(look.ref, look.stop.rule) for look in looks if look.stop] == [(PUMP, "max_on"), (LAMP, "max_on")]
    assert next_at == NOW + 3600 * SECOND


def test_a_look_concerns_whoever_an_interlock_ties_to_it():
    site = Site()
    assert concerned(site.state, [PUMP]) == {PUMP}
    site.interlock(AtMost(1, (PUMP, HEATER)), "a")
    site.interlock(OnlyWhile(LAMP, FAN), "b")
    assert concerned(site.state, [PUMP]) == {PUMP, HEATER}
    assert concerned(site.state, [FAN]) == {FAN, LAMP}
    assert concerned(site.state, [LAMP]) == {LAMP}
    site.interlock(PowerBudget("south", 10), "d")
    assert concerned(site.state, [LAMP]) == {LAMP}
    site.interlock(PowerBudget("north", 10), "c")
    assert concerned(site.state, [LAMP]) == {PUMP, HEATER, LAMP, FAN}


def test_a_stop_says_what_it_saw():
    site = Site()
    site.limits(PUMP, max_on_s=60)
    site.switch(PUMP)
    event = stopped(site.after(60).state, site.look(PUMP), site.now, stop_id="s1", correlation_id="x")
    assert (event.esp_id, event.gpio, event.kaiser_id, event.at, event.by) == (ESP, 25, "god", site.now, "kaiser")
    assert (event.rule, event.code, event.correlation_id) == ("max_on", "RUN_TOO_LONG", "x")
    assert event.saw == {"max_on_s": 60, "duration_s": 0, "on_s": 60.0}
    assert "60 s" in event.detail


def test_the_same_reason_for_the_same_run_is_the_same_stop():
    site = Site()
    site.switch(PUMP)
    first = stop_id(PUMP, site.state.guard(PUMP), site.view(PUMP), "interlock x")
    assert first == stop_id(PUMP, site.state.guard(PUMP), site.view(PUMP), "interlock x")
    assert " " not in first
    site.after(1).switch(PUMP, "OFF")
    site.after(1).switch(PUMP)
    assert first != stop_id(PUMP, site.state.guard(PUMP), site.view(PUMP), "interlock x")


def test_an_off_is_repeated_ever_more_slowly():
    assert [repeat_after_s(tries) for tries in (1, 2, 3, 4, 5, 6, 100)] == [2, 4, 8, 15, 30, 30, 30]


def test_who_has_not_said_since_a_stop_that_it_is_off_is_named():
    site = Site()
    site.switch(PUMP)
    site.after(1).emergency()
    latch = site.state.latches["e1"]
    assert unconfirmed(site.state, latch) == (FAN, PUMP, LAMP, HEATER)
    for ref in (FAN, LAMP, HEATER):
        site.status(ref, 0.0)
    assert unconfirmed(site.state, latch) == (FAN, PUMP, LAMP, HEATER)
    site.after(1)
    for ref in (FAN, LAMP, HEATER):
        site.status(ref, 0.0)
    assert unconfirmed(site.state, latch) == (PUMP,)
    site.status(PUMP, 0.0)
    assert unconfirmed(site.state, latch) == ()
    site.after(1).lose()
    assert len(unconfirmed(site.state, latch)) == 4


@pytest.mark.parametrize(
    ("scope", "refs"),
    [
        (Scope(kind="site"), 4), (Scope(kind="kaiser", kaiser_id="god"), 4), (Scope(kind="kaiser", kaiser_id="x"), 0),
        (Scope(kind="actuator", esp_id=ESP, gpio=25), 1), (Scope(kind="zone", zone_id="north"), 4),
    ],
)  # fmt: skip
def test_a_scope_is_the_actuators_in_it(scope, refs):
    site = Site()
    assert len(tuple(in_scope(site.state, scope))) == refs
    assert ActuatorRef("ESP_FFFFFF", 1) not in in_scope(site.state, scope)


def test_what_nobody_configured_is_watched_without_limits_of_a_type():
    site, stranger = Site(), ActuatorRef(ESP, 13)
    site.status(stranger, 1.0)
    assert site.view(stranger).evident
    assert site.look(stranger).stop is None


def test_what_is_on_its_way_and_has_said_no_level_yet_is_watched():
    site = Site()
    site.status(PUMP, None)
    site.ask(PUMP)
    assert site.view(PUMP).evident
    assert site.state.output(PUMP).level is None
    assert site.look(PUMP).stop is None
