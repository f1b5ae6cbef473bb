"""Payloads that are not the JSON they should be, topics of every kind, and the messages of every kind."""

import json

import pytest

from kaiser.contracts.codes import Code
from kaiser.contracts.topics import UPLINK_SUFFIXES, UplinkKind
from kaiser.contracts.uplink import Accepted, Ignored, Refused, decode_uplink, looks_like_head

HERE = "kaiser/god/esp/ESP_0A1B2C/"
TOPIC = HERE + "sensor/33/data"
READING = (
    '{"esp_id":"ESP_0A1B2C","zone_id":"%s","subzone_id":"","gpio":33,"sensor_type":"ph","raw":2141,"value":%s,'
    '"unit":"pH","quality":"good","ts":1767100125,"raw_mode":true}'
)


def reading(zone="tent", value="6.3"):
    return READING % (zone, value)


@pytest.mark.parametrize("token", ["nan", "NaN", "-nan", "inf", "-inf", "Infinity", "INF", "ovf"])
def test_a_value_that_is_not_a_number_is_null_and_the_count_is_kept(token):
    outcome = decode_uplink(TOPIC, reading(value=token).encode())
    assert isinstance(outcome, Accepted), outcome
    assert outcome.flags == ("value_not_a_number",)
    assert (outcome.message.raw, outcome.message.value, outcome.message.quality) == (2141, None, "good")


@pytest.mark.parametrize(
    ("zone", "kept"),
    [
        ('north "big" tent', 'north "big" tent'),
        ('north "big"', 'north "big"'),
        ('"', '"'),
        ('5" pipe, 3" pipe', '5" pipe, 3" pipe'),
        ("a\\zone", "a\\zone"),
        ("ends in \\", "ends in \\"),
        ("C:\\x\\", "C:\\x\\"),
        ("\\ud800", "\\ud800"),
    ],
)
def test_a_string_that_nobody_escaped_is_mended_and_said(zone, kept):
    outcome = decode_uplink(TOPIC, reading(zone=zone).encode())
    assert isinstance(outcome, Accepted), outcome
    assert outcome.flags == ("strings_mended",)
    assert outcome.message.zone_id == kept
    assert outcome.message.raw == 2141


def test_a_raw_line_break_in_a_sentence_is_mended():
    text = '{"status":"error","type":"sensor","count":0,"message":"first\nsecond "quoted" word","error_code":"X"}'
    outcome = decode_uplink(HERE + "config_response", text.encode())
    assert isinstance(outcome, Accepted), outcome
    assert outcome.message.message == 'first\nsecond "quoted" word'


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b" ", Code.INVALID_PAYLOAD_FORMAT),
        (b"null", Code.INVALID_PAYLOAD_FORMAT),
        (b"(null)", Code.INVALID_PAYLOAD_FORMAT),
        (b"true", Code.INVALID_PAYLOAD_FORMAT),
        (b"42", Code.INVALID_PAYLOAD_FORMAT),
        (b'"text"', Code.INVALID_PAYLOAD_FORMAT),
        (b"[]", Code.INVALID_PAYLOAD_FORMAT),
        (b"hello", Code.INVALID_PAYLOAD_FORMAT),
        (b"{", Code.INVALID_PAYLOAD_FORMAT),
        (b"{}}", Code.INVALID_PAYLOAD_FORMAT),
        (b"\x00", Code.INVALID_PAYLOAD_FORMAT),
        (b"\x1f\x8b\x08\x00", Code.INVALID_PAYLOAD_FORMAT),
        (b"{}", Code.MISSING_REQUIRED_FIELD),
        (reading().encode()[:-1], Code.INVALID_PAYLOAD_FORMAT),
        (reading().encode()[:40], Code.INVALID_PAYLOAD_FORMAT),
        (reading().encode() + b"\x00", Code.INVALID_PAYLOAD_FORMAT),
        (reading().encode() * 2, Code.INVALID_PAYLOAD_FORMAT),
        (reading().encode() + b"x", Code.INVALID_PAYLOAD_FORMAT),
        (b"\xef\xbb\xbf" + reading().encode(), Code.INVALID_PAYLOAD_FORMAT),
        (reading().encode("utf-16"), Code.INVALID_PAYLOAD_FORMAT),
        (reading(zone="S\xfcd").encode("latin-1"), Code.INVALID_PAYLOAD_FORMAT),
        (reading().replace('"', "'").encode(), Code.INVALID_PAYLOAD_FORMAT),
        (reading().replace("true}", "true,}").encode(), Code.INVALID_PAYLOAD_FORMAT),
        (reading(value="").encode(), Code.INVALID_PAYLOAD_FORMAT),
        (reading(value="06.3").encode(), Code.INVALID_PAYLOAD_FORMAT),
        (reading(value="banana").encode(), Code.INVALID_PAYLOAD_FORMAT),
        (reading(value="0x10").encode(), Code.INVALID_PAYLOAD_FORMAT),
        (reading(value="1e400").encode(), Code.VALUE_OUT_OF_RANGE),
        (reading().replace("2141", "nan").encode(), Code.MISSING_REQUIRED_FIELD),
        (reading().replace('"ts"', '"raw":7,"ts"').encode(), Code.DUPLICATE_FIELD),
        (reading().replace('"ts"', '"raw" :7,"ts"').encode(), Code.DUPLICATE_FIELD),
        (reading(zone='a","raw":7,"q":"z').encode(), Code.DUPLICATE_FIELD),
        (reading(zone='a","raw":7,"q":"b"c').encode(), Code.INVALID_PAYLOAD_FORMAT),
        (reading(zone='a","odd":7,"q":"b"c').encode(), Code.INVALID_PAYLOAD_FORMAT),
        (reading().replace('"ts"', '"x":' + "[" * 11 + "]" * 11 + ',"ts"').encode(), Code.INVALID_PAYLOAD_FORMAT),
        (reading(value='{"a":' * 30 + "1" + "}" * 30).encode(), Code.INVALID_PAYLOAD_FORMAT),
        (b"[" * 16_384, Code.INVALID_PAYLOAD_FORMAT),
        (b'{"a":' * 3_000, Code.INVALID_PAYLOAD_FORMAT),
        (reading().encode() + b" " * 16_384, Code.PAYLOAD_TOO_LARGE),
    ],
)  # fmt: skip
def test_what_cannot_be_read_one_way_only_is_refused(payload, code):
    outcome = decode_uplink(TOPIC, payload)
    assert isinstance(outcome, Refused), outcome
    assert outcome.code == code, outcome


@pytest.mark.parametrize("space", [" ", "\n", "\t", "\r\n"])
def test_white_space_around_json_is_json(space):
    outcome = decode_uplink(TOPIC, f"{space}{reading()}{space}".encode())
    assert isinstance(outcome, Accepted)
    assert outcome.flags == ()


def test_braces_within_a_string_are_no_nesting():
    text = '{"status":"error","type":"sensor","count":0,"message":"%s"}' % ("{[" * 20)
    assert isinstance(decode_uplink(HERE + "config_response", text.encode()), Accepted)


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        ("", Code.INVALID_TOPIC),
        ("homeassistant/status", Code.INVALID_TOPIC),
        ("Kaiser/god/esp/ESP_0A1B2C/system/heartbeat", Code.INVALID_TOPIC),
        ("/kaiser/god/esp/ESP_0A1B2C/system/heartbeat", Code.INVALID_TOPIC),
        ("kaiser/god/ESP_0A1B2C/system/heartbeat", Code.INVALID_TOPIC),
        ("kaiser/god/discovery/esp32_nodes", Code.INVALID_TOPIC),
        ("kaiser/god/esp/ESP_0A1B2C", Code.INVALID_TOPIC),
        (HERE, Code.INVALID_TOPIC),
        (HERE + "status", Code.INVALID_TOPIC),
        (HERE + "safe_mode", Code.INVALID_TOPIC),
        (HERE + "mqtt/auth_update", Code.INVALID_TOPIC),
        (HERE + "sensor/batch", Code.INVALID_TOPIC),
        (HERE + "subzone/status", Code.INVALID_TOPIC),
        (HERE + "sensor/33/data/", Code.INVALID_TOPIC),
        (HERE + "sensor/33/data/more", Code.INVALID_TOPIC),
        (HERE + "sensor/33/DATA", Code.INVALID_TOPIC),
        (HERE + "sensor/{gpio}/data", Code.INVALID_GPIO_PIN),
        (HERE + "sensor//data", Code.INVALID_GPIO_PIN),
        (HERE + "sensor/033/data", Code.INVALID_GPIO_PIN),
        (HERE + "sensor/+33/data", Code.INVALID_GPIO_PIN),
        (HERE + "sensor/-1/data", Code.INVALID_GPIO_PIN),
        (HERE + "sensor/3.0/data", Code.INVALID_GPIO_PIN),
        (HERE + "sensor/٣٣/data", Code.INVALID_GPIO_PIN),
        (HERE + "sensor/49/data", Code.INVALID_GPIO_PIN),
        (HERE + "sensor/255/data", Code.INVALID_GPIO_PIN),
        (HERE + "actuator/255/status", Code.INVALID_GPIO_PIN),
        (HERE + "actuator/254/alert", Code.INVALID_GPIO_PIN),
        ("kaiser/god/esp/ESP_0A1B2/system/heartbeat", Code.INVALID_ESP_ID),
        ("kaiser/god/esp/ESP_0A1B2C3D4/system/heartbeat", Code.INVALID_ESP_ID),
        ("kaiser/god/esp/ESP_0A1B2G/system/heartbeat", Code.INVALID_ESP_ID),
        ("kaiser/god/esp/MOCK_0A1B2C/system/heartbeat", Code.INVALID_ESP_ID),
        ("kaiser/god/esp//system/heartbeat", Code.INVALID_ESP_ID),
        ("kaiser/god/esp/ESP_0A1B2C\n/system/heartbeat", Code.INVALID_ESP_ID),
        ("kaiser/go d/esp/ESP_0A1B2C/system/heartbeat", Code.INVALID_KAISER_ID),
        ("kaiser/../esp/ESP_0A1B2C/system/heartbeat", Code.INVALID_KAISER_ID),
        (f"kaiser/{'k' * 64}/esp/ESP_0A1B2C/system/heartbeat", Code.INVALID_KAISER_ID),
        ("kaiser/" + "k" * 60_000, Code.INVALID_TOPIC),
    ],
)
def test_a_server_bound_topic_that_nobody_knows_is_a_dead_letter(topic, code):
    outcome = decode_uplink(topic, b"{}")
    assert isinstance(outcome, Refused), outcome
    assert outcome.code == code, outcome


@pytest.mark.parametrize("kaiser_id", ["", "god", "null", "site-1_b", "k" * 63])
@pytest.mark.parametrize("esp_id", ["ESP_0A1B2C", "ESP_0A1B2C3", "ESP_0A1B2C3D"])
def test_ids_are_taken_as_they_really_occur(kaiser_id, esp_id):
    payload = b'{"ts":0,"uptime":60,"heap_free":1,"wifi_rssi":-50}'
    outcome = decode_uplink(f"kaiser/{kaiser_id}/esp/{esp_id}/system/heartbeat", payload)
    assert isinstance(outcome, Accepted), outcome
    assert (outcome.topic.kaiser_id, outcome.topic.esp_id) == (kaiser_id, esp_id)


@pytest.mark.parametrize(
    "topic",
    [
        HERE + "actuator/25/command",
        HERE + "actuator/emergency",
        HERE + "config",
        HERE + "system/command",
        HERE + "system/heartbeat/ack",
        HERE + "zone/assign",
        HERE + "subzone/assign",
        HERE + "subzone/remove",
        HERE + "subzone/safe",
        HERE + "sensor/4/command",
        HERE + "sensor/4/processed",
        "kaiser/broadcast/emergency",
        "kaiser/god/server/status",
        "kaiser//server/status",
    ],
)
def test_own_downlink_that_comes_back_is_ignored(topic):
    assert isinstance(decode_uplink(topic, b'{"command":"ON"}'), Ignored)


MESSAGES = {
    "sensor/4/response": {"request_id": "m-1", "gpio": 4, "success": False, "reason_code": "TIMEOUT"},
    "actuator/emergency/ack": {"command": "emergency_stop", "outcome": "executed", "seq": 1},
    "actuator/emergency/response": {"status": "emergency_cleared", "timestamp": 81234, "seq": 1},
    "actuator/emergency/error": {"error": "unauthorized", "message": "no", "seq": 1},
    "actuator/recovery_confirm": {"command": "clear_emergency", "state": "cleared", "seq": 1},
    "zone/ack": {"status": "zone_assigned", "zone_id": "a", "master_zone_id": "b", "ts": 0},
    "subzone/ack": {"status": "subzone_assigned", "subzone_id": "a", "timestamp": 12},
    "session/announce": {"handover_epoch": 3, "reason": "reconnect", "ts_ms": 1, "boot_ts": "1777490000"},
    "system/heartbeat_metrics": {"ts": 1777500120, "handover_contract_reject_count": 4},
    "system/will": {"status": "offline", "reason": "unexpected_disconnect", "timestamp": 0},
    "system/diagnostics": {"ts": 3600, "heap_free": 1, "system_state": "OPERATIONAL"},
    "system/command/response": {"command": "onewire/scan", "status": "ok", "found_count": 1, "pin": 4, "seq": 2},
    "system/error": {"error_code": 1060, "severity": 2, "context": {"esp_id": "ESP_0A1B2C"}, "ts": 0},
    "system/intent_outcome/lifecycle": {"event_type": "entered", "schema": "config_pending_lifecycle_v1", "ts": 1},
    "system/queue_pressure": {"event": "recovered", "fill_level": 1, "ts": 1777500005},
}

SPOILT = [
    ("sensor/4/response", "request_id", Code.MISSING_REQUIRED_FIELD),
    ("actuator/emergency/ack", "outcome", Code.MISSING_REQUIRED_FIELD),
    ("actuator/emergency/response", "status", Code.MISSING_REQUIRED_FIELD),
    ("actuator/emergency/error", "error", Code.MISSING_REQUIRED_FIELD),
    ("actuator/recovery_confirm", "state", Code.MISSING_REQUIRED_FIELD),
    ("zone/ack", "status", Code.MISSING_REQUIRED_FIELD),
    ("zone/ack", "ts", Code.MISSING_REQUIRED_FIELD),
    ("zone/ack", "zone_id", Code.MISSING_REQUIRED_FIELD),
    ("subzone/ack", "subzone_id", Code.MISSING_REQUIRED_FIELD),
    ("subzone/ack", "timestamp", Code.MISSING_REQUIRED_FIELD),
    ("session/announce", "handover_epoch", Code.MISSING_REQUIRED_FIELD),
    ("system/heartbeat_metrics", "ts", Code.MISSING_REQUIRED_FIELD),
    ("system/will", "status", Code.MISSING_REQUIRED_FIELD),
    ("system/diagnostics", "heap_free", Code.MISSING_REQUIRED_FIELD),
    ("system/error", "error_code", Code.MISSING_REQUIRED_FIELD),
    ("system/intent_outcome/lifecycle", "event_type", Code.MISSING_REQUIRED_FIELD),
    ("system/queue_pressure", "event", Code.MISSING_REQUIRED_FIELD),
]


@pytest.mark.parametrize("suffix", MESSAGES)
def test_the_smallest_message_of_each_kind_is_accepted(suffix):
    outcome = decode_uplink(HERE + suffix, json.dumps(MESSAGES[suffix]).encode())
    assert isinstance(outcome, Accepted), outcome
    assert outcome.flags == ()


@pytest.mark.parametrize(("suffix", "field", "code"), SPOILT)
def test_the_smallest_message_less_one_field_is_refused(suffix, field, code):
    payload = {name: value for name, value in MESSAGES[suffix].items() if name != field}
    outcome = decode_uplink(HERE + suffix, json.dumps(payload).encode())
    assert isinstance(outcome, Refused), outcome
    assert (outcome.code, field in outcome.where) == (code, True)


@pytest.mark.parametrize("suffix", MESSAGES)
def test_no_message_speaks_for_another_device(suffix):
    payload = MESSAGES[suffix] | {"esp_id": "ESP_9F03D4"}
    outcome = decode_uplink(HERE + suffix, json.dumps(payload).encode())
    assert isinstance(outcome, Refused), outcome
    assert outcome.code == Code.DEVICE_ID_MISMATCH


def test_a_fault_that_names_another_device_in_its_context_is_refused():
    payload = MESSAGES["system/error"] | {"context": {"esp_id": "ESP_9F03D4"}}
    outcome = decode_uplink(HERE + "system/error", json.dumps(payload).encode())
    assert isinstance(outcome, Refused)
    assert outcome.where == "context.esp_id"


def test_every_kind_of_uplink_has_a_case():
    covered = set(MESSAGES) | {"sensor/33/data", "system/heartbeat", "actuator/25/status", "actuator/25/response"}
    covered |= {"actuator/25/alert", "config_response", "system/intent_outcome", "onewire/scan_result"}
    pinless = {"/".join("{gpio}" if level.isdigit() else level for level in suffix.split("/")) for suffix in covered}
    assert pinless == set(UPLINK_SUFFIXES.values())
    assert set(UPLINK_SUFFIXES) == set(UplinkKind)


@pytest.mark.parametrize(
    ("suffix", "payload", "head"),
    [
        ("system/heartbeat", {"ts": 0, "uptime": 1, "heap_free": 1, "wifi_rssi": -1}, False),
        ("system/heartbeat", {"ts": 0, "uptime": 1, "heap_free": 1, "wifi_rssi": -1, "boot_sequence_id": "x"}, True),
        ("system/heartbeat", {"ts": 0, "uptime": 1, "heap_free": 1, "wifi_rssi": -1, "active_handover_epoch": 0}, True),
        ("zone/ack", {"status": "error", "ts": 0}, False),
        ("zone/ack", {"status": "error", "ts": 0, "seq": 1}, True),
        ("session/announce", {"handover_epoch": 1}, True),
        ("system/will", {"status": "offline"}, False),
    ],
)
def test_head_is_told_by_its_fields(suffix, payload, head):
    outcome = decode_uplink(HERE + suffix, json.dumps(payload).encode())
    assert isinstance(outcome, Accepted)
    assert looks_like_head(outcome.message) is head
