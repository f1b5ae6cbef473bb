"""How events about devices are shown to WebSocket clients."""

import json
from pathlib import Path

import msgspec
import pytest

from kaiser.contracts.events.catalogue import CATALOGUE
from kaiser.gateway.showing import NOT_SHOWN, SHOWN, show

SAMPLES = Path(__file__).parents[3] / "contracts" / "samples"
STREAMS = {"DEVICES", "HEARTBEATS", "ACTUATORS"}
MONOLITH = {
    "actuator_status": "esp_id gpio actuator_type state value emergency timestamp",
    "actuator_response": "esp_id gpio command value success message timestamp",
    "actuator_alert": "esp_id gpio alert_type severity message zone_id timestamp",
    "esp_health": "esp_id status timestamp",
    "config_response": "esp_id config_type status count message timestamp error_code error_description failed_item",
}
"""Fields that section 14 of the wire contract lists."""


def shown(event_type: str) -> dict:
    esp_id, at, fields = show(event_type, (SAMPLES / f"{event_type}.json").read_bytes())
    assert esp_id.startswith("ESP_")
    assert at > 1_700_000_000_000_000
    return json.loads(msgspec.json.encode(fields))


def test_every_event_about_devices_is_shown_or_left_out_on_purpose():
    events = {event.name for event in CATALOGUE if event.stream in STREAMS}
    assert events == SHOWN.keys() | NOT_SHOWN
    assert not SHOWN.keys() & NOT_SHOWN


@pytest.mark.parametrize("event_type", sorted(SHOWN))
def test_an_event_has_the_fields_that_frontends_of_the_monolith_read(event_type):
    wanted = MONOLITH.get(SHOWN[event_type].name, "esp_id timestamp").split()
    assert set(wanted) <= shown(event_type).keys()


def test_a_heartbeat_says_online_and_a_last_will_offline():
    assert shown("io.kaiser.heartbeat.v1")["status"] == "online"
    assert {"heap_free", "wifi_rssi", "uptime", "sensor_count"} <= shown("io.kaiser.heartbeat.v1").keys()
    assert shown("io.kaiser.device.lost.v1")["status"] == "offline"


def test_what_is_about_safety_does_not_wait_for_a_frame():
    urgent = {shown.name for shown in SHOWN.values() if shown.urgent}
    assert urgent == {
        "actuator_alert",
        "actuator_lease_lost",
        "emergency_acked",
        "emergency_answered",
        "recovery_confirmed",
    }
