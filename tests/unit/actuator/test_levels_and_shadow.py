"""Levels of each type, and what statuses make of a shadow."""

import pytest

from kaiser.actuator.levels import reported, same
from kaiser.actuator.shadow import UNSEEN, is_known, take, type_of
from kaiser.contracts.events.equipment import WantedActuator
from kaiser.contracts.wire import ActuatorStatus
from kaiser.roster import Member


def status(kind: str, state: bool | None, pwm: int | None = None, **more) -> ActuatorStatus:
    said = {"ts": 0} | more
    return ActuatorStatus(esp_id="ESP_0A1B2C", gpio=25, actuator_type=kind, state=state, pwm=pwm, **said)


@pytest.mark.parametrize(
    ("kind", "state", "pwm", "level"),
    [
        ("pump", True, 255, 1.0),
        ("relay", False, 0, 0.0),
        ("pwm", True, 51, 0.2),
        ("pwm", True, None, 1.0),
        ("valve", True, 127, 0.5),
        ("valve", True, 254, 1.0),
        ("valve", False, 0, 0.0),
        ("pump", None, 255, None),
    ],
)
def test_a_status_tells_a_level(kind, state, pwm, level):
    assert reported(status(kind, state, pwm)) == level


@pytest.mark.parametrize(
    ("wanted", "said", "kind", "agree"),
    [
        (0.35, 89 / 255, "pwm", True),
        (0.35, 0.37, "pwm", False),
        (0.0, 1 / 255, "pwm", False),
        (0.5, 0.5, "valve", True),
        (1.0, 0.5, "valve", False),
        (1.0, 1.0, "pump", True),
        (1.0, 0.0, "relay", False),
        (0.0, 0.0, "pump", True),
    ],
)
def test_levels_agree_as_finely_as_the_type_can_do(wanted, said, kind, agree):
    assert same(wanted, said, kind) == agree


def test_a_shadow_has_the_last_status_and_knows_since_when():
    first = take(UNSEEN, status("pump", True, 255, runtime_ms=10), seq=7, at=100)
    again = take(first, status("pump", True, 255, runtime_ms=30), seq=9, at=200)
    assert (again.level, again.at, again.changed_at, again.version, again.runtime_ms) == (1.0, 200, 100, 7, 30)
    off = take(again, status("pump", False, 0), seq=12, at=300)
    assert (off.level, off.changed_at, off.version) == (0.0, 300, 12)
    assert take(off, status("pump", True, 255), seq=11, at=400) is off


def test_what_was_said_before_a_device_went_or_was_started_anew_does_not_count():
    shadow = take(UNSEEN, status("pump", True, 255), seq=7, at=100)
    assert is_known(shadow, Member(heard_at=100))
    assert not is_known(shadow, Member(heard_at=100, lost_at=150))
    assert not is_known(shadow, Member(heard_at=200, lost_at=150))
    assert not is_known(shadow, Member(heard_at=200, booted_at=150))
    assert not is_known(UNSEEN, Member(heard_at=200))


def test_a_status_that_the_device_said_before_another_changes_nothing():
    shadow = take(UNSEEN, status("pump", True, 255, ts=1000), seq=7, at=100)
    assert take(shadow, status("pump", False, 0, ts=999), seq=8, at=101) is shadow
    assert take(shadow, status("pump", False, 0, ts=1000), seq=8, at=101).level == 0.0
    assert take(shadow, status("pump", False, 0), seq=8, at=101).level == 0.0
    set_back = take(shadow, status("pump", False, 0, ts=900), seq=8, at=101)
    assert (set_back.level, set_back.ts) == (0.0, 900)


def test_the_configured_type_counts_before_the_reported_one():
    shadow = take(UNSEEN, status("relay", True, 255), seq=7, at=100)
    member = Member(actuators={25: WantedActuator(gpio=25, actuator_type="pump", name="Pump")})
    assert type_of(shadow, member, 25) == "pump"
    assert type_of(shadow, Member(), 25) == "relay"
    assert type_of(UNSEEN, Member(), 25) == ""
