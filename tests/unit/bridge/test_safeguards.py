"""Stops that were released long ago are not said when the log is read from the start."""

from kaiser.bridge.safeguards import take_emergencies
from kaiser.bridge.stopping import Stopping
from kaiser.contracts.events.safeguards import EmergencyReleased, EmergencyRequested, Scope

SITE = Scope(kind="site")


def requested(name: str) -> EmergencyRequested:
    return EmergencyRequested(at=1, by="anna", emergency_id=name, scope=SITE, reason="smoke")


def released(name: str) -> EmergencyReleased:
    return EmergencyReleased(at=2, by="anna", emergency_id=name, scope=SITE, reason="over")


def test_only_what_is_in_force_at_the_end_is_said() -> None:
    stopping = Stopping()
    take_emergencies(stopping, [requested("a"), requested("b"), released("a")], 0.0)
    assert list(stopping.latches) == ["b"]
    assert [order.emergency_id for order in stopping.due(0.0)] == ["b"]  # type: ignore[union-attr]


def test_a_release_that_comes_later_ends_it() -> None:
    stopping = Stopping()
    take_emergencies(stopping, [requested("a")], 0.0)
    take_emergencies(stopping, [released("a"), released("unknown")], 1.0)
    assert not stopping.due(1.0)


def test_an_event_that_is_read_twice_changes_nothing() -> None:
    stopping = Stopping()
    take_emergencies(stopping, [requested("a")], 0.0)
    stopping.due(0.0)
    take_emergencies(stopping, [requested("a")], 0.1)
    assert not stopping.due(0.1)
