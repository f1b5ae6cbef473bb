"""An emergency stop: what its scope may be, and what is written."""

import msgspec
import pytest

from kaiser.contracts.events.safeguards import EmergencyRequested, Scope
from kaiser.gateway.stopping import fault, stop_event


@pytest.mark.parametrize(
    "scope",
    [
        Scope(kind="site"),
        Scope(kind="kaiser", kaiser_id=""),
        Scope(kind="zone", zone_id="north tent, bench 2"),
        Scope(kind="device", esp_id="ESP_9F03D4"),
        Scope(kind="actuator", esp_id="ESP_9F03D4", gpio=0),
    ],
)
def test_every_kind_of_scope_may_be_stopped(scope):
    assert fault(scope) == ("", "")


@pytest.mark.parametrize(
    ("scope", "field"),
    [
        (Scope(kind="site", gpio=25), "gpio"),
        (Scope(kind="zone"), "zone_id"),
        (Scope(kind="zone", zone_id=""), "zone_id"),
        (Scope(kind="device", esp_id="ESP_9F03D4", gpio=25), "gpio"),
        (Scope(kind="device", esp_id="esp_9f03d4"), "esp_id"),
        (Scope(kind="device", esp_id="ESP_9F03D"), "esp_id"),
        (Scope(kind="actuator", esp_id="ESP_9F03D4"), "gpio"),
        (Scope(kind="actuator", esp_id="ESP_9F03D4", gpio=49), "gpio"),
        (Scope(kind="actuator", esp_id="ESP_9F03D4", gpio=-1), "gpio"),
    ],
)
def test_a_stop_of_what_cannot_be_there_is_refused_and_says_which_field(scope, field):
    found, words = fault(scope)
    assert found == field
    assert words


def test_a_stop_is_written_where_the_bridge_listens_for_it():
    requested = EmergencyRequested(
        emergency_id="e-1", scope=Scope(kind="site"), reason="water", at=1_777_500_031_250_000, by="eva"
    )
    event = stop_event(requested)
    assert (event.subject, event.type, event.time) == (
        "safety.emergency.requested",
        "io.kaiser.safety.emergency_requested.v1",
        requested.at,
    )
    assert msgspec.json.decode(event.data, type=EmergencyRequested) == requested
