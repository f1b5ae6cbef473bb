"""Stops that are told until they are confirmed."""

from kaiser.contracts.events.safeguards import ActuatorStopped
from kaiser.safety.stops import HURRY_AFTER_US, OpenStop, Stops, confirmed

ESP = "ESP_0A1B2C"
NOW = 1_800_000_000_000_000


def stopped(stop_id: str = "s1") -> ActuatorStopped:
    place = {"kaiser_id": "god", "esp_id": ESP, "gpio": 25}
    return ActuatorStopped(at=NOW, by="kaiser", stop_id=stop_id, rule="max_on", code="RUN_TOO_LONG", detail="", **place)


def test_an_actuator_is_told_again_after_growing_pauses_for_ever():
    stop, clock, pauses = OpenStop(stopped()), 100.0, []
    for _ in range(7):
        stop.told(NOW, clock)
        pauses.append(stop.next_at - clock)
        clock = stop.next_at
    assert pauses == [2, 4, 8, 15, 30, 30, 30]


def test_only_what_the_device_says_after_it_was_told_first_counts():
    stop = OpenStop(stopped())
    assert stop.since == NOW
    stop.told(NOW + 3, 0.0)
    stop.told(NOW + 9, 0.0)
    assert stop.since == NOW + 3
    assert confirmed(stop, NOW + 12).tries == 2


def test_a_stop_is_open_until_it_is_confirmed():
    stops = Stops()
    stops.fold(stopped())
    stops.fold(stopped("s2"))
    assert stops.stopping(ESP, 25)
    for stop in stops.open():
        stop.told(NOW + 1, 0.0)
        stops.fold(confirmed(stop, NOW + 9))
    assert not stops.stopping(ESP, 25)
    assert not stops.open()


def test_a_device_that_is_back_is_told_at_once():
    stops = Stops()
    stops.fold(stopped())
    (stop,) = stops.open()
    stop.told(NOW, 100.0)
    assert stops.hurry(ESP)
    assert stop.next_at == 0.0
    assert not stops.hurry("ESP_0A1B2D")


def test_an_actuator_that_says_on_long_after_it_was_told_is_told_at_once():
    stop = OpenStop(stopped())
    for _ in range(6):
        stop.told(NOW, 100.0)
    assert not stop.is_due(101.0, 0)
    assert not stop.is_due(101.0, NOW + HURRY_AFTER_US - 1)
    assert stop.is_due(101.0, NOW + HURRY_AFTER_US)
    assert stop.is_due(130.0, 0)
