"""Emergency stops: what they cover, who has confirmed them, and what is left to clear."""

import pytest

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import EmergencyRequested, Scope
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.safeguarding import ReleaseEmergency
from kaiser.safety.emergencies import HOLD_US, Known, Latches, release, standing, view

ESP, OTHER = "ESP_0A1B2C", "ESP_0A1B2D"
NOW = 1_800_000_000_000_000
SITE = Scope(kind="site")


def actuator(gpio: int = 25, *, esp_id: str = ESP, level: float | None = 0.0, at: int = NOW + 1, **more) -> Known:
    usual = {"kaiser_id": "god", "generation": "head", "zones": {"north"}}
    return Known(esp_id=esp_id, gpio=gpio, level=level, said_at=at, possible=level != 0.0, **usual | more)


def requested(emergency_id: str = "e1", scope: Scope = SITE, *, at: int = NOW) -> EmergencyRequested:
    return EmergencyRequested(at=at, by="eva", emergency_id=emergency_id, scope=scope, reason="smoke")


def asked(emergency_id: str = "e1", *, unconfirmed: bool = False) -> ReleaseEmergency:
    return ReleaseEmergency(by="eva", reason="fine", emergency_id=emergency_id, unconfirmed=unconfirmed)


def latches(*stops: EmergencyRequested) -> Latches:
    made = Latches()
    for seq, stop in enumerate(stops, 1):
        made.fold(stop, seq)
    return made


def test_an_actuator_has_confirmed_when_it_says_after_the_stop_that_it_is_off():
    (latch,) = latches(requested()).in_force()
    actuators = [
        actuator(25),
        actuator(26, at=NOW),
        actuator(27, level=1.0),
        actuator(28, level=None),
    ]
    assert standing(latch, actuators) == (4, 1, [f"{ESP}/26", f"{ESP}/27", f"{ESP}/28"])


def test_a_stop_covers_its_scope_and_nothing_else():
    (latch,) = latches(requested(scope=Scope(kind="zone", zone_id="north"))).in_force()
    actuators = [actuator(25, at=0), actuator(26, esp_id=OTHER, zones={"south"}, at=0)]
    assert view(latch, actuators).unconfirmed == [f"{ESP}/25"]


def test_a_stop_is_released_when_everything_in_it_is_off():
    (latch,) = latches(requested()).in_force()
    released = release(latch, [actuator(25)], asked(), NOW + 9)
    assert (released.emergency_id, released.scope, released.by, released.reason) == ("e1", SITE, "eva", "fine")


def test_a_stop_is_not_released_while_somebody_may_be_on_unless_that_is_said():
    (latch,) = latches(requested()).in_force()
    with pytest.raises(Refusal) as refused:
        release(latch, [actuator(25, level=None)], asked(), NOW + 9)
    assert refused.value.code == Code.EMERGENCY_UNCONFIRMED
    assert f"{ESP}/25" in refused.value.detail
    assert release(latch, [actuator(25, level=None)], asked(unconfirmed=True), NOW + 9)


def test_nobody_releases_a_stop_that_is_not_in_force():
    made = latches(requested())
    made.fold(release(made.get("e1"), [], asked(), NOW + 9), 2)
    assert not made.in_force()
    with pytest.raises(Refusal) as refused:
        made.get("e1")
    assert refused.value.code == Code.EMERGENCY_NOT_FOUND


def test_a_stop_that_is_requested_twice_is_one():
    assert len(latches(requested(), requested()).in_force()) == 1


def test_a_device_that_still_is_in_its_emergency_is_cleared_after_the_release_but_not_too_soon():
    made = latches(requested())
    made.fold(release(made.get("e1"), [], asked(), NOW + 1), 2)
    devices = [actuator(25, emergency="active"), actuator(26, esp_id=OTHER)]
    assert not made.to_clear(devices, NOW + HOLD_US)
    assert set(made.to_clear(devices, NOW + 2 * HOLD_US)) == {ESP}
    assert made.clearing(devices[0], NOW + HOLD_US)


def test_a_device_that_several_stops_have_stopped_is_cleared_when_the_last_of_them_is_old_enough():
    made = latches(requested(), requested("e2", at=NOW + HOLD_US))
    for seq, name in enumerate(("e1", "e2"), 3):
        made.fold(release(made.get(name), [], asked(), NOW + HOLD_US + seq), seq)
    devices = [actuator(25, emergency="active")]
    assert not made.to_clear(devices, NOW + 2 * HOLD_US), "or it would refuse, and an alarm be raised for that"
    assert set(made.to_clear(devices, NOW + 3 * HOLD_US)) == {ESP}


def test_a_device_under_another_stop_waits_for_the_release_of_that_one():
    made = latches(requested(), requested("e2", Scope(kind="actuator", esp_id=ESP, gpio=26)))
    made.fold(release(made.get("e1"), [], asked(), NOW + 1), 3)
    devices = [actuator(25, emergency="active"), actuator(26, emergency="active")]
    assert not made.to_clear(devices, NOW + 2 * HOLD_US)


def test_an_emergency_that_nobody_ordered_is_not_cleared_by_itself():
    assert not latches().to_clear([actuator(25, emergency="active")], NOW + 2 * HOLD_US)


NORTH = Scope(kind="zone", zone_id="north")


def test_a_device_that_was_stopped_and_is_in_another_zone_by_now_is_cleared_after_the_release():
    made = latches(requested(scope=NORTH))
    made.note([actuator(25), actuator(26, esp_id=OTHER, zones={"south"})])
    made.note([actuator(25, zones={"south"}, emergency="active")])
    anew = Latches()
    anew.fold(requested(scope=NORTH), 1)
    anew.remember(made.released(), made.covered())
    devices = [actuator(pin, esp_id=esp, zones={"south"}, emergency="active") for pin, esp in ((25, ESP), (26, OTHER))]
    for instance in (made, anew):
        assert [instance.clearing(device, NOW) for device in devices] == [True, False], "its alerts are no news"
        assert not instance.clearing(actuator(25, zones={"south"}), NOW)
        assert not instance.to_clear(devices, NOW + 2 * HOLD_US)
        instance.fold(release(instance.get("e1"), [], asked(), NOW + 1), 2)
        assert set(instance.to_clear(devices, NOW + 2 * HOLD_US)) == {ESP}, "nobody stopped the other one"
        assert [instance.clearing(device, NOW + 2 * HOLD_US) for device in devices] == [True, False]
        assert instance.covered() == []


def test_a_button_that_is_pressed_at_a_device_that_left_a_stop_and_was_cleared_by_hand_is_not_taken_for_that_stop():
    made = latches(requested(scope=NORTH))
    made.note([actuator(25)])
    made.note([actuator(25, zones={"south"}, emergency="active", calm_at=NOW + 1)])
    stopped = actuator(25, zones={"south"}, emergency="active", calm_at=NOW + 1)
    pressed = actuator(25, zones={"south"}, emergency="active", calm_at=NOW + 10)
    made.note([pressed])
    assert [made.clearing(each, NOW + 20) for each in (stopped, pressed)] == [True, False]
    made.fold(release(made.get("e1"), [], asked(), NOW + 30), 2)
    assert set(made.to_clear([stopped], NOW + 2 * HOLD_US)) == {ESP}
    assert not made.to_clear([pressed], NOW + 2 * HOLD_US)


def test_an_emergency_that_begins_after_the_one_of_a_stop_is_over_is_not_cleared_by_itself():
    made = latches(requested())
    made.fold(release(made.get("e1"), [], asked(), NOW + 1), 2)
    again = actuator(25, emergency="active", calm_at=NOW + 3 * HOLD_US)
    assert not made.to_clear([again], NOW + 4 * HOLD_US)
    assert not made.clearing(again, NOW + 4 * HOLD_US), "or the alert of who pressed the button there would be nothing"
    before = actuator(25, emergency="active", calm_at=NOW)
    assert set(made.to_clear([before], NOW + 4 * HOLD_US)) == {ESP}
