"""Interlocks: what may not be switched on, and what has to be stopped."""

import pytest

from kaiser.contracts.events.safeguards import ActuatorRef, AtMost, OnlyWhile, PowerBudget, SensorBand, SensorRef
from kaiser.safety.interlocks import breaks_at, broken, why_not

from .builders import ESP, FAN, HEATER, LAMP, NOW, PUMP, SECOND, SENSOR, Site

ELSEWHERE = ActuatorRef("ESP_FFFFFF", 5)


def no(site: Site, ref: ActuatorRef, level: float = 1.0) -> str:
    objection = why_not(site.state, ref, level, site.now)
    return "" if objection is None else objection.code.value


def breaks(site: Site, ref: ActuatorRef) -> str:
    objection = broken(site.state, ref, site.now)
    return "" if objection is None else objection.code.value


def test_never_both_while_one_is_on():
    site = Site()
    site.interlock(AtMost(1, (PUMP, HEATER)))
    assert no(site, PUMP) == ""
    site.switch(HEATER)
    assert no(site, PUMP) == "INTERLOCKED"
    assert no(site, HEATER) == ""
    site.after(1).switch(HEATER, "OFF")
    assert no(site, PUMP) == ""


def test_one_that_is_approved_counts_as_on_before_anybody_has_heard_of_it():
    site = Site()
    site.interlock(AtMost(1, (PUMP, HEATER)))
    site.ask(HEATER)
    assert no(site, PUMP) == "INTERLOCKED"


def test_unknown_counts_as_on():
    site = Site()
    site.interlock(AtMost(1, (PUMP, ELSEWHERE)))
    objection = why_not(site.state, PUMP, 1.0, NOW)
    assert objection is not None
    assert objection.saw == {"most": 1, "on": [], "unknown": ["ESP_FFFFFF/5"]}
    assert objection.detail == "at most 1 of 2 may be on; on: none; not known to be off: ESP_FFFFFF/5"
    assert objection.retry_at == 0
    assert breaks(site, PUMP) == ""


def test_one_whose_device_is_away_counts_as_on_until_it_says_otherwise():
    site = Site()
    site.member(esp_id="ESP_FFFFFF", heard_at=NOW - SECOND)
    site.status(ELSEWHERE, 0.0)
    site.interlock(AtMost(1, (PUMP, ELSEWHERE)))
    assert no(site, PUMP) == ""
    site.after(1).member(esp_id="ESP_FFFFFF", lost_at=site.now)
    assert no(site, PUMP) == "INTERLOCKED"
    site.after(1).member(esp_id="ESP_FFFFFF", heard_at=site.now)
    assert no(site, PUMP) == "INTERLOCKED"
    site.status(ELSEWHERE, 0.0)
    assert no(site, PUMP) == ""


def test_one_that_does_not_know_itself_counts_as_on():
    site = Site()
    site.interlock(AtMost(1, (PUMP, HEATER)))
    site.status(HEATER, None)
    assert no(site, PUMP) == "INTERLOCKED"


def test_at_most_so_many_of_a_group():
    site = Site()
    site.interlock(AtMost(2, (PUMP, HEATER, LAMP, FAN)))
    site.switch(PUMP)
    assert no(site, HEATER) == ""
    site.switch(HEATER)
    assert no(site, LAMP) == "INTERLOCKED"
    assert no(site, PUMP) == ""


def test_one_that_is_named_twice_counts_once():
    site = Site()
    site.interlock(AtMost(2, (PUMP, HEATER, HEATER, LAMP)))
    site.switch(HEATER)
    assert no(site, PUMP) == ""
    assert breaks(site, HEATER) == ""


def test_of_those_that_are_on_together_and_may_not_be_the_last_ones_are_stopped():
    site = Site()
    site.interlock(AtMost(1, (PUMP, HEATER, LAMP)))
    site.switch(HEATER)
    site.after(1).status(PUMP, 1.0)
    site.after(1).status(LAMP, 1.0)
    assert [breaks(site, ref) for ref in (HEATER, PUMP, LAMP)] == ["", "INTERLOCKED", "INTERLOCKED"]
    objection = broken(site.state, LAMP, site.now)
    assert objection is not None
    assert objection.saw == {"most": 1, "on": [f"{ESP}/27", f"{ESP}/25", f"{ESP}/26"]}
    assert "3 are" in objection.detail


def test_as_many_as_may_be_on_break_nothing():
    site = Site()
    site.interlock(AtMost(2, (PUMP, HEATER, LAMP)))
    site.switch(HEATER)
    site.after(1).switch(PUMP)
    assert breaks(site, PUMP) == breaks(site, HEATER) == ""


def test_of_those_that_came_at_the_same_time_one_stays_on():
    site = Site()
    site.interlock(AtMost(1, (PUMP, HEATER)))
    site.status(PUMP, 1.0)
    site.status(HEATER, 1.0)
    assert sorted(breaks(site, ref) for ref in (PUMP, HEATER)) == ["", "INTERLOCKED"]


def test_only_while_another_is_on():
    site = Site()
    site.interlock(OnlyWhile(HEATER, FAN))
    objection = why_not(site.state, HEATER, 1.0, site.now)
    assert objection is not None
    assert objection.saw == {"requires": f"{ESP}/14", "on": False, "known": True, "for_s": 0}
    assert "which is not on" in objection.detail
    site.switch(FAN)
    assert no(site, HEATER) == ""
    assert no(site, FAN) == ""


def test_only_after_another_has_been_on_for_so_long():
    site = Site()
    site.interlock(OnlyWhile(HEATER, FAN, 60))
    site.switch(FAN)
    objection = why_not(site.after(59.999999).state, HEATER, 1.0, site.now)
    assert objection is not None
    assert objection.retry_at == NOW + 60 * SECOND
    assert objection.detail == f"{ESP}/14 has been on for 60 s, and has to be for 60 s"
    assert objection.saw["on_since"] == NOW
    assert no(site.after(0.000001), HEATER) == ""
    assert breaks(site, HEATER) == ""


def test_a_requirement_that_is_only_approved_is_not_on_yet():
    site = Site()
    site.interlock(OnlyWhile(HEATER, FAN))
    site.ask(FAN)
    assert no(site, HEATER) == "INTERLOCKED"
    site.dispatch(FAN)
    assert no(site, HEATER) == "INTERLOCKED"
    site.status(FAN, 1.0)
    assert no(site, HEATER) == ""


def test_a_requirement_of_which_nothing_is_known_is_not_on():
    site = Site()
    site.interlock(OnlyWhile(HEATER, FAN))
    site.switch(FAN)
    site.after(1).lose()
    objection = why_not(site.state, HEATER, 1.0, site.now)
    assert objection is not None
    assert "not known to be on" in objection.detail
    assert breaks(site, HEATER) == "INTERLOCKED"


def test_a_requirement_that_was_away_begins_anew():
    site = Site()
    site.interlock(OnlyWhile(HEATER, FAN, 60))
    site.switch(FAN)
    site.after(100).lose()
    site.after(1).come_back()
    site.after(1).status(FAN, 1.0)
    assert no(site, HEATER) == "INTERLOCKED"
    assert no(site.after(60), HEATER) == ""


def test_a_requirement_that_is_about_to_go_off_is_not_on():
    site = Site()
    site.interlock(OnlyWhile(HEATER, FAN))
    site.switch(FAN)
    assert breaks(site, HEATER) == ""
    site.after(1).request(FAN, "OFF")
    assert no(site, HEATER) == "INTERLOCKED"
    assert breaks(site, HEATER) == "INTERLOCKED"


def test_a_requirement_inside_of_an_emergency_stop_is_not_on():
    site = Site()
    site.interlock(OnlyWhile(HEATER, FAN))
    site.switch(FAN)
    site.emergency(kind="actuator", esp_id=ESP, gpio=FAN.gpio)
    assert no(site, HEATER) == "INTERLOCKED"
    assert breaks(site, HEATER) == "INTERLOCKED"


def powered(*watts: float) -> Site:
    site = Site()
    for ref, power in zip((PUMP, HEATER, LAMP, FAN), watts, strict=False):
        site.limits(ref, power_w=power)
    site.interlock(PowerBudget("north", 1000))
    return site


def test_a_zone_draws_no_more_than_its_budget():
    site = powered(400, 600, 1)
    site.switch(PUMP)
    assert no(site, HEATER) == ""
    site.switch(HEATER)
    objection = why_not(site.state, LAMP, 1.0, NOW)
    assert objection is not None
    assert objection.code == "POWER_BUDGET_EXCEEDED"
    assert objection.saw == {"zone": "north", "watts": 1000, "own_w": 1.0, "others_w": 1000.0}
    assert objection.detail == "zone north would draw 1001 W, and may draw 1000 W"
    assert no(site, PUMP) == ""


def test_power_goes_with_the_level():
    site = powered(0, 800, 400)
    site.switch(HEATER)
    assert no(site, LAMP, 0.5) == ""
    assert no(site, LAMP, 0.51) == "POWER_BUDGET_EXCEEDED"
    site.switch(LAMP, "PWM", 0.5)
    assert no(site, LAMP, 0.4) == ""
    assert site.view(LAMP).draw_mw == pytest.approx(200_000, abs=1000)


def test_what_draws_nothing_is_no_question_of_power():
    site = powered(0, 2000)
    site.status(HEATER, 1.0)
    assert no(site, PUMP) == ""
    assert breaks(site, HEATER) == "POWER_BUDGET_EXCEEDED"


def test_what_is_not_known_draws_all_it_can():
    site = powered(400, 700)
    site.status(HEATER, None)
    assert no(site, PUMP) == "POWER_BUDGET_EXCEEDED"
    assert breaks(site, PUMP) == ""


def test_only_the_zone_counts():
    site = powered(400, 700)
    site.switch(HEATER)
    site.interlock(None)
    site.interlock(PowerBudget("south", 10))
    assert no(site, PUMP) == ""
    site.member(zone_wanted="south")
    assert no(site, PUMP) == "POWER_BUDGET_EXCEEDED"
    site.member(zone_wanted="")
    assert no(site, PUMP) == ""


def test_over_its_budget_a_zone_loses_what_came_last():
    site = powered(400, 500, 300)
    site.switch(HEATER)
    site.after(1).status(PUMP, 1.0)
    assert [breaks(site, ref) for ref in (HEATER, PUMP, LAMP)] == ["", "", ""]
    site.after(1).status(LAMP, 1.0)
    assert [breaks(site, ref) for ref in (HEATER, PUMP, LAMP)] == ["", "", "POWER_BUDGET_EXCEEDED"]
    objection = broken(site.state, LAMP, site.now)
    assert objection is not None
    assert objection.saw == {"zone": "north", "watts": 1000, "drawn_w": 1200.0}
    assert objection.detail == "zone north draws 1200 W, and may draw 1000 W; this one came last"


def test_up_to_its_very_budget_a_zone_loses_nothing():
    site = powered(400, 600, 1)
    site.switch(HEATER)
    site.after(1).status(PUMP, 1.0)
    assert [breaks(site, ref) for ref in (HEATER, PUMP)] == ["", ""]
    site.after(1).status(LAMP, 1.0)
    assert [breaks(site, ref) for ref in (HEATER, PUMP, LAMP)] == ["", "", "POWER_BUDGET_EXCEEDED"]


def test_what_draws_nothing_is_not_stopped_for_power():
    site = powered(0, 2000)
    site.switch(PUMP)
    site.after(1).status(HEATER, 1.0)
    site.after(1).status(FAN, 1.0)
    assert [breaks(site, ref) for ref in (PUMP, HEATER, FAN)] == ["", "POWER_BUDGET_EXCEEDED", ""]


def test_only_while_a_sensor_is_inside_of_its_band():
    site = Site()
    site.interlock(SensorBand(HEATER, SENSOR, 5, 30, 120))
    assert no(site, HEATER) == "SENSOR_NOT_FRESH"
    for value, code in ((5, ""), (30, ""), (4.9, "SENSOR_OUT_OF_BAND"), (30.1, "SENSOR_OUT_OF_BAND"), (20, "")):
        site.after(1).reading(value)
        assert no(site, HEATER) == breaks(site, HEATER) == code
    assert no(site, PUMP) == ""


def test_an_objection_of_a_sensor_says_what_it_saw():
    site = Site()
    site.interlock(SensorBand(HEATER, SENSOR, 5, 30, 120))
    site.reading(31)
    objection = why_not(site.after(2).state, HEATER, 1.0, site.now)
    assert objection is not None
    name = f"{ESP}/4 ds18b20"
    assert objection.saw == {
        "sensor": name, "minimum": 5, "maximum": 30, "fresh_s": 120, "value": 31, "age_s": 2.0,
    }  # fmt: skip
    assert objection.detail == f"{name} is 31, above 30"


def test_a_band_may_be_open_at_either_end():
    site = Site()
    site.interlock(SensorBand(HEATER, SENSOR, None, 30), "a")
    site.interlock(SensorBand(PUMP, SENSOR, 5, None), "b")
    site.reading(-300)
    assert (no(site, HEATER), no(site, PUMP)) == ("", "SENSOR_OUT_OF_BAND")
    site.reading(3000)
    assert (no(site, HEATER), no(site, PUMP)) == ("SENSOR_OUT_OF_BAND", "")


def test_a_value_that_is_no_number_is_inside_of_no_band():
    site = Site()
    site.interlock(SensorBand(HEATER, SENSOR, 5, 30))
    site.reading(float("nan"))
    assert no(site, HEATER) == "SENSOR_OUT_OF_BAND"


def test_a_reading_that_is_too_old_counts_no_more():
    site = Site()
    site.interlock(SensorBand(HEATER, SENSOR, 5, 30, 120))
    site.reading(20)
    assert breaks_at(site.state, HEATER) == NOW + 120 * SECOND + 1
    assert no(site.after(120), HEATER) == ""
    objection = why_not(site.after(0.000001).state, HEATER, 1.0, site.now)
    assert objection is not None
    assert objection.code == "SENSOR_NOT_FRESH"
    assert objection.detail == f"the last reading of {ESP}/4 ds18b20 is 120 s old, and may be 120 s"
    assert breaks(site, HEATER) == "SENSOR_NOT_FRESH"
    assert breaks_at(site.state, PUMP) == 0


def test_the_first_reading_that_becomes_too_old_is_the_one_to_wait_for():
    site = Site()
    site.interlock(SensorBand(HEATER, SENSOR, 5, 30, 120), "a")
    site.interlock(SensorBand(HEATER, SENSOR, 5, 30, 60), "b")
    site.interlock(SensorBand(HEATER, SensorRef(ESP, 99, "ds18b20"), 5, 30, 10), "c")
    site.reading(20)
    assert breaks_at(site.state, HEATER) == NOW + 60 * SECOND + 1


@pytest.mark.parametrize(
    "changes", [{"quality": "error"}, {"quality": "bad"}, {"quality": "suspect"}, {"pending": True}]
)
def test_a_reading_that_is_not_good_is_none(changes):
    site = Site()
    site.interlock(SensorBand(HEATER, SENSOR, 5, 30))
    site.reading(20, **changes)
    site.reading(None)
    assert no(site, HEATER) == "SENSOR_NOT_FRESH"


def test_a_reading_that_comes_late_takes_nobodys_place():
    site = Site()
    site.interlock(SensorBand(HEATER, SENSOR, 5, 30))
    site.reading(20)
    site.reading(40, measured_at=NOW - 1)
    assert no(site, HEATER) == ""
    site.reading(40, measured_at=NOW)
    assert no(site, HEATER) == "SENSOR_OUT_OF_BAND"


def test_a_clock_that_is_ahead_does_not_keep_a_reading_fresh():
    site = Site()
    site.interlock(SensorBand(HEATER, SENSOR, 5, 30, 120))
    site.reading(20, measured_at=NOW + 9999 * SECOND)
    assert no(site.after(121), HEATER) == "SENSOR_NOT_FRESH"


def test_an_address_tells_sensors_of_one_pin_apart():
    site = Site()
    site.interlock(SensorBand(HEATER, SensorRef(ESP, 4, "ds18b20", "28ff01"), 5, 30))
    site.reading(20, address="28ff02")
    assert no(site, HEATER) == "SENSOR_NOT_FRESH"
    site.reading(20)
    site.reading(40, address="28ff02")
    assert no(site, HEATER) == ""


def test_every_interlock_has_its_say():
    site = Site()
    site.interlock(AtMost(2, (PUMP, HEATER)), "a")
    site.interlock(SensorBand(PUMP, SENSOR, 5, 30), "b")
    assert no(site, PUMP) == "SENSOR_NOT_FRESH"
    assert breaks(site, PUMP) == "SENSOR_NOT_FRESH"
    site.interlock(None, "b")
    assert no(site, PUMP) == breaks(site, PUMP) == ""


def test_an_interlock_that_is_set_again_is_the_same_one_changed():
    site = Site()
    site.switch(HEATER)
    site.interlock(AtMost(1, (PUMP, HEATER)))
    assert no(site, PUMP) == "INTERLOCKED"
    site.interlock(AtMost(2, (PUMP, HEATER)))
    assert no(site, PUMP) == ""
