"""How events about devices and about safety are shown to WebSocket clients."""

import json
from pathlib import Path

import msgspec
import pytest

from kaiser.contracts.events.catalogue import CATALOGUE
from kaiser.gateway.filters import Filters
from kaiser.gateway.showing import NOT_SHOWN, SHOWN, show

SAMPLES = Path(__file__).parents[3] / "contracts" / "samples"
STREAMS = {"DEVICES", "HEARTBEATS", "ACTUATORS", "SAFETY", "LOGIC"}
OF_RULES = {"logic_execution", "rule_changed", "rule_alarm", "rule_damped", "notification"}
OF_NO_DEVICE = {"emergency_stop", "interlock_changed"} | OF_RULES
STEPS_OF_NO_DEVICE = {f"io.kaiser.run.step_{event}.v1" for event in ("waiting", "ended", "refused")}
MONOLITH = {
    "actuator_status": "esp_id gpio actuator_type state value emergency timestamp",
    "actuator_response": "esp_id gpio command value success message timestamp",
    "actuator_alert": "esp_id gpio alert_type severity message zone_id timestamp",
    "esp_health": "esp_id status timestamp",
    "logic_execution": "rule_id trigger action success message timestamp",
    "config_response": "esp_id config_type status count message timestamp error_code error_description failed_item",
}
"""Fields that section 14 of the wire contract lists."""


def news(event_type: str, **fields):
    body = json.loads((SAMPLES / f"{event_type}.json").read_bytes()) | fields
    return show(event_type, json.dumps(body).encode())


def shown(event_type: str) -> dict:
    esp_id, rule_id, at, fields, _ = news(event_type, channel="websocket")
    name = SHOWN[event_type].name
    assert esp_id.startswith("ESP_") is (name not in OF_NO_DEVICE and event_type not in STEPS_OF_NO_DEVICE)
    assert bool(rule_id) is (name in OF_RULES or name == "logic_step")
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
    no_device = name in OF_NO_DEVICE or event_type in STEPS_OF_NO_DEVICE
    wanted = MONOLITH.get(name, "timestamp" if no_device else "esp_id timestamp").split()
    assert set(wanted) <= shown(event_type).keys()


def test_a_heartbeat_says_online_and_a_last_will_offline():
    assert shown("io.kaiser.heartbeat.v1")["status"] == "online"
    assert {"heap_free", "wifi_rssi", "uptime", "sensor_count"} <= shown("io.kaiser.heartbeat.v1").keys()
    assert shown("io.kaiser.device.lost.v1")["status"] == "offline"


def test_what_is_about_safety_does_not_wait_for_a_frame():
    urgent = {shown.name for event_type, shown in SHOWN.items() if news(event_type, channel="websocket").urgent}
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


def test_a_run_is_shown_as_it_begins_and_as_it_ends_and_so_is_what_does_not_run():
    states = {event: shown(f"io.kaiser.run.{event}.v1") for event in ("started", "ended", "skipped")}
    assert [states[event]["state"] for event in states] == ["started", states["ended"]["outcome"], "skipped"]
    assert [states[event]["success"] for event in states] == [None, states["ended"]["outcome"] == "succeeded", False]
    assert states["started"]["trigger"]
    assert states["started"]["run_id"] == states["ended"]["run_id"]
    assert states["skipped"]["message"]


def test_only_notifications_for_browsers_are_shown():
    asked = "io.kaiser.run.notification_asked.v1"
    assert [news(asked, channel=channel) is None for channel in ("websocket", "webhook", "email")] == [
        False, True, True,
    ]  # fmt: skip


def test_whoever_names_rules_gets_what_those_do_and_nothing_of_others():
    both = Filters(rule_ids=frozenset({"water"}), esp_ids=frozenset({"ESP_000001"}))
    assert both.wants("logic_execution", "", "water")
    assert both.wants("logic_step", "ESP_000002", "water")
    assert not both.wants("logic_execution", "", "heat")
    assert both.wants("command", "ESP_000001")
    assert both.wants("emergency_stop", "")


def test_whoever_watches_a_device_gets_no_runs_without_asking_for_them():
    of_device = Filters(esp_ids=frozenset({"ESP_000001"}))
    assert not of_device.wants("logic_execution", "", "water")
    assert of_device.wants("logic_step", "ESP_000001", "water")
    asked_for = Filters(esp_ids=frozenset({"ESP_000001"}), types=frozenset({"logic_execution"}))
    assert asked_for.wants("logic_execution", "", "water")
    assert Filters().wants("logic_execution", "", "water")
