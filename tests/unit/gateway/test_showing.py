"""How events about devices and about safety are shown to WebSocket clients."""

import json
from pathlib import Path

import msgspec
import pytest

from kaiser.contracts.events.catalogue import CATALOGUE
from kaiser.gateway.filters import Filters
from kaiser.gateway.showing import NOT_SHOWN, SHOWN, show

SAMPLES = Path(__file__).parents[3] / "contracts" / "samples"
STREAMS = {"DEVICES", "HEARTBEATS", "ACTUATORS", "SAFETY"}
OF_NO_DEVICE = {"emergency_stop", "interlock_changed"}
MONOLITH = {
    "actuator_status": "esp_id gpio actuator_type state value emergency timestamp",
    "actuator_response": "esp_id gpio command value success message timestamp",
    "actuator_alert": "esp_id gpio alert_type severity message zone_id timestamp",
    "esp_health": "esp_id status timestamp",
    "config_response": "esp_id config_type status count message timestamp error_code error_description failed_item",
}
"""Fields that section 14 of the wire contract lists."""


def news(event_type: str):
    return show(event_type, (SAMPLES / f"{event_type}.json").read_bytes())


def shown(event_type: str) -> dict:
    esp_id, at, fields, _ = news(event_type)
    assert esp_id.startswith("ESP_") is (SHOWN[event_type].name not in OF_NO_DEVICE)
    assert fields.get("esp_id", "") == esp_id
    assert at > 1_700_000_000_000_000
    return json.loads(msgspec.json.encode(fields))


def test_every_event_about_devices_and_safety_is_shown_or_left_out_on_purpose():
    events = {event.name for event in CATALOGUE if event.stream in STREAMS}
    assert events == SHOWN.keys() | NOT_SHOWN
    assert not SHOWN.keys() & NOT_SHOWN


@pytest.mark.parametrize("event_type", sorted(SHOWN))
def test_an_event_has_the_fields_that_frontends_of_the_monolith_read(event_type):
    name = SHOWN[event_type].name
    wanted = MONOLITH.get(name, "timestamp" if name in OF_NO_DEVICE else "esp_id timestamp").split()
    assert set(wanted) <= shown(event_type).keys()


def test_a_heartbeat_says_online_and_a_last_will_offline():
    assert shown("io.kaiser.heartbeat.v1")["status"] == "online"
    assert {"heap_free", "wifi_rssi", "uptime", "sensor_count"} <= shown("io.kaiser.heartbeat.v1").keys()
    assert shown("io.kaiser.device.lost.v1")["status"] == "offline"


def test_what_is_about_safety_does_not_wait_for_a_frame():
    urgent = {shown.name for event_type, shown in SHOWN.items() if news(event_type).urgent}
    assert urgent == {
        "actuator_alert",
        "actuator_lease_lost",
        "actuator_stopped",
        "alert",
        "emergency_acked",
        "emergency_answered",
        "emergency_stop",
        "recovery_confirmed",
    }


@pytest.mark.parametrize(
    ("severity", "urgent"), [("info", False), ("warning", False), ("error", True), ("critical", True)]
)
def test_an_alert_hurries_from_error_up(severity, urgent):
    event_type = "io.kaiser.safety.alert_raised.v1"
    body = json.loads((SAMPLES / f"{event_type}.json").read_bytes()) | {"severity": severity}
    assert show(event_type, json.dumps(body).encode()).urgent is urgent


def test_a_command_has_one_name_through_its_whole_life():
    states = {
        shown(event_type)["state"]: "outcome" in shown(event_type)
        for event_type, shown_as in SHOWN.items()
        if shown_as.name == "command" and "ended" not in event_type
    }
    assert states == dict.fromkeys(("requested", "approved", "rejected", "dispatched", "acknowledged"), False)
    ended = shown("io.kaiser.command.ended.v1")
    assert ended["state"] == ended["outcome"]


def test_a_decision_names_its_rule_and_what_it_saw():
    rejected = shown("io.kaiser.safety.command_rejected.v1")
    assert {"command_id", "rule", "saw", "code", "detail", "retry_at"} <= rejected.keys()
    assert rejected["saw"]


def test_an_emergency_stop_says_its_scope_and_whether_it_is_in_force():
    requested, released = (shown(f"io.kaiser.safety.emergency_{event}.v1") for event in ("requested", "released"))
    assert (requested["state"], released["state"]) == ("requested", "released")
    assert requested["scope"]["kind"]
    assert requested["emergency_id"] == released["emergency_id"]


def test_whoever_watches_one_device_hears_of_emergency_stops_too():
    watching = Filters(esp_ids=frozenset({"ESP_000001"}))
    assert watching.wants("emergency_stop", "")
    assert not watching.wants("actuator_stopped", "ESP_000002")
    assert not Filters(types=frozenset({"sensor_data"})).wants("emergency_stop", "")
