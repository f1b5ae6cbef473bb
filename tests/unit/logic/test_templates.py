"""Rules that most greenhouses want, and that they do what growers expect of them."""

import pytest

from kaiser.contracts.events.logic import AlarmCleared, AlarmRaised
from kaiser.contracts.events.safeguards import SensorRef
from kaiser.contracts.rules import Place
from kaiser.logic.templates import TEMPLATES, co2_dosing, fault_alarm, heating, irrigation, venting
from kaiser.logic.validating import Site as Known
from kaiser.logic.validating import check

from .builders import AIR, ESP, FAN, MINUTE, PUMP, SECOND, SOIL, Site

RAIN = SensorRef(ESP, 36, "rain")
PLACE = Place(52.52, 13.405)
MADE = {
    "irrigation": irrigation(soil=SOIL, pump=PUMP, rain=RAIN),
    "heating": heating(air=AIR, heater=PUMP, day_end="13:00"),
    "venting": venting(air=AIR, vent=FAN),
    "co2_dosing": co2_dosing(co2=SOIL, valve=PUMP, place=PLACE),
    "fault_alarm": fault_alarm(sensor=SOIL),
}


def running(name):
    site = Site()
    site.define(MADE[name])
    return site


@pytest.mark.parametrize("name", list(TEMPLATES))
def test_every_template_makes_a_rule_without_faults(name) -> None:
    assert check(name, MADE[name], Known()) == []


def test_it_waters_when_it_is_dry_and_not_while_it_rains() -> None:
    site = running("irrigation")
    site.measures(5.0, RAIN)
    site.measures(20.0)
    assert site.commands() == []
    site.measures(0.0, RAIN)
    assert site.commands() == ["r ON 25"]
    site.answers("succeeded")
    site.measures(50.0)
    assert site.commands() == ["r ON 25", "r OFF 25"]


def test_it_heats_to_another_temperature_by_night() -> None:
    site = running("heating")
    site.measures(19.0, AIR)
    assert site.commands() == ["r ON 25"]
    site.answers("succeeded")
    for _ in range(65):
        site.measures(19.0, AIR)
        site.passes(MINUTE - SECOND)
    assert site.commands() == ["r ON 25", "r OFF 25"]


def test_it_opens_the_vent_step_by_step() -> None:
    site = running("venting")
    site.measures(28.0, AIR)
    site.passes(MINUTE)
    for _ in range(6):
        site.answers("succeeded")
        site.passes(24 * SECOND)
    assert len(site.commands()) == 6
    assert site.commands()[-1] == "r PWM 1 26"


def test_it_doses_in_daylight_only() -> None:
    site = running("co2_dosing")
    site.measures(500.0)
    assert site.commands() == ["r ON 25"]
    site.answers("succeeded")
    for _ in range(6 * 60):
        site.passes(MINUTE - SECOND)
        site.measures(500.0)
    assert site.commands() == ["r ON 25", "r OFF 25"]


def test_a_sensor_that_is_silent_raises_an_alarm_and_clears_it() -> None:
    site = running("fault_alarm")
    site.passes(20 * MINUTE)
    site.measures(1.0)
    assert (len(site.of(AlarmRaised)), len(site.of(AlarmCleared))) == (1, 1)
