"""What somebody sees who is confined to zones, on plain values."""

from types import SimpleNamespace

import msgspec
import pytest

from kaiser.contracts.events.safeguards import Scope
from kaiser.contracts.refusals import Refusal
from kaiser.gateway import places
from kaiser.gateway.filters import Filters
from kaiser.gateway.places import ASKING, Confined, Places

WHERE = {"ESP_0000A1": "tent", "ESP_0000B2": "attic"}


class _Of(msgspec.Struct):
    esp_id: str


class _Zone(msgspec.Struct):
    zone_id: str


class _Stop(msgspec.Struct):
    scope: Scope


def _confined(*zones: str) -> Confined:
    roster = SimpleNamespace(get=lambda esp_id: SimpleNamespace(zone_id=WHERE.get(esp_id, "")))
    return Confined(frozenset(zones or ("tent",)), Places(roster))


def test_things_are_seen_by_their_device_by_their_zone_or_by_the_scope_of_a_stop() -> None:
    seen = [_Of("ESP_0000A1"), _Zone("tent"), _Stop(Scope(kind="site")), _Stop(Scope(kind="zone", zone_id="tent"))]
    hidden = [
        _Of("ESP_0000B2"),
        _Of(""),
        _Zone("attic"),
        _Zone(""),
        _Stop(Scope(kind="device", esp_id="ESP_0000B2")),
        msgspec.defstruct("Other", ["name"])("x"),
    ]
    assert all(_confined().sees(item) for item in seen)
    assert not any(_confined().sees(item) for item in hidden)


def test_a_stop_of_the_whole_site_is_seen_but_not_theirs() -> None:
    assert not _confined("tent", "attic").covers(Scope(kind="site"))
    assert not _confined().covers(Scope(kind="kaiser", kaiser_id="god"))
    assert _confined().covers(Scope(kind="actuator", esp_id="ESP_0000A1", gpio=4))


def test_nothing_is_refused_to_who_is_not_confined() -> None:
    assert ASKING.get() is None
    places.must_reach("ESP_0000B2")
    places.must_be_in("attic")
    places.must_cover(Scope(kind="site"))


def test_who_is_confined_is_refused_what_is_outside() -> None:
    token = ASKING.set(_confined())
    try:
        places.must_reach("ESP_0000A1")
        places.must_be_in("tent")
        with pytest.raises(Refusal, match="no device"):
            places.must_reach("ESP_0000B2")
        with pytest.raises(Refusal, match="none of your zones"):
            places.must_be_in("attic")
        with pytest.raises(Refusal, match="more than your zones"):
            places.must_cover(Scope(kind="site"))
    finally:
        ASKING.reset(token)


def test_filters_of_who_is_confined_are_cut_down_to_their_zones() -> None:
    tent = frozenset({"tent"})
    assert Filters().confined(tent).zones == tent
    assert Filters(zones=frozenset({"tent", "attic"})).confined(tent).zones == tent
    assert Filters(zones=frozenset({"attic"})).confined(tent) is None


def test_who_is_confined_gets_of_what_is_about_no_device_emergency_stops_only() -> None:
    filters = Filters().confined(frozenset({"tent"}))
    assert filters.wants("alert", "ESP_0000A1", "", "tent")
    assert not filters.wants("alert", "ESP_0000B2", "", "attic")
    assert filters.wants("emergency_stop", "")
    assert not filters.wants("interlock_changed", "")
    assert not filters.wants("logic_execution", "", "rule-1")
    assert not filters.wants("logic_execution", "ESP_0000A1", "rule-1", "tent")
