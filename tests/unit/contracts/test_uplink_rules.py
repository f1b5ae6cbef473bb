"""Near misses: the same message once as a device may send it and once as none can."""

import json

import pytest

from kaiser.contracts.codes import Code
from kaiser.contracts.uplink import Accepted, Ignored, Refused, decode_uplink

HERE = "kaiser/god/esp/ESP_0A1B2C/"
FORMAT, MISSING, TYPE, RANGE = (
    Code.INVALID_PAYLOAD_FORMAT,
    Code.MISSING_REQUIRED_FIELD,
    Code.TYPE_MISMATCH,
    Code.VALUE_OUT_OF_RANGE,
)
LEFT_OUT = ...


def message(base, **changed):
    return {name: value for name, value in (base | changed).items() if value is not LEFT_OUT}


READING = {
    "esp_id": "ESP_0A1B2C", "zone_id": "north_tent", "subzone_id": "", "gpio": 33, "sensor_type": "ph", "raw": 2141,
    "value": 6.32, "unit": "pH", "quality": "good", "ts": 1767100125, "raw_mode": True,
}  # fmt: skip
BEAT = {
    "esp_id": "ESP_0A1B2C", "zone_id": "", "master_zone_id": "", "zone_assigned": False, "ts": 1767100000, "uptime": 60,
    "heap_free": 201884, "wifi_rssi": -58, "sensor_count": 0, "actuator_count": 0,
}  # fmt: skip
STATUS = {
    "esp_id": "ESP_0A1B2C", "zone_id": "", "subzone_id": "", "ts": 1767100700, "gpio": 25, "type": "pump",
    "state": True, "pwm": 255, "runtime_ms": 0, "emergency": "normal",
}  # fmt: skip
RESPONSE = {
    "esp_id": "ESP_0A1B2C", "zone_id": "", "ts": 1767100700, "gpio": 25, "command": "ON", "value": 1.0, "duration": 0,
    "success": True, "message": "Command executed",
}  # fmt: skip
ALERT = {
    "esp_id": "ESP_0A1B2C", "zone_id": "", "ts": 1767100300, "gpio": 25, "alert_type": "emergency_stop",
    "message": "Actuator stopped",
}  # fmt: skip
CONFIG = {"status": "success", "type": "sensor", "count": 1, "message": "ok"}
OUTCOME = {"flow": "command", "intent_id": "c-1", "outcome": "applied", "ts": 1777500061, "seq": 3}
SCAN = {"devices": [{"rom_code": "28FF641E8C160350", "device_type": "ds18b20", "pin": 4}], "found_count": 1, "seq": 9}

BASES = {
    "sensor/33/data": READING,
    "system/heartbeat": BEAT,
    "actuator/25/status": STATUS,
    "actuator/25/response": RESPONSE,
    "actuator/25/alert": ALERT,
    "config_response": CONFIG,
    "system/intent_outcome": OUTCOME,
    "onewire/scan_result": SCAN,
}

ACCEPTED = [
    # readings: sections 2, 4.1, 8
    ("sensor/33/data", {}),
    ("sensor/33/data", {"ts": 0}),
    ("sensor/33/data", {"ts": 1767100125123}),
    ("sensor/33/data", {"ts": LEFT_OUT, "timestamp": 1767100125}),
    ("sensor/33/data", {"raw": LEFT_OUT, "raw_value": 2141}),
    ("sensor/33/data", {"raw": 0}),
    ("sensor/33/data", {"raw": 4095}),
    ("sensor/33/data", {"raw": 2141.0}),
    ("sensor/33/data", {"value": 0.0}),
    ("sensor/33/data", {"value": None}),
    ("sensor/33/data", {"value": LEFT_OUT, "unit": LEFT_OUT, "quality": LEFT_OUT}),
    ("sensor/33/data", {"unit": "", "quality": ""}),
    ("sensor/33/data", {"unit": "raw", "quality": "fair", "value": 2141.0}),
    ("sensor/33/data", {"zone_id": LEFT_OUT, "subzone_id": LEFT_OUT}),
    ("sensor/33/data", {"zone_id": None}),
    ("sensor/33/data", {"zone_id": "Gewächshaus Süd"}),
    ("sensor/33/data", {"raw_mode": False, "seq": 1, "time_valid": True}),
    ("sensor/33/data", {"sensor_type": "co2", "unit": "ppm", "raw": 800}),
    ("sensor/33/data", {"sensor_type": "x" * 32}),
    ("sensor/33/data", {"sensor_type": "ds18b20", "raw": 4294967216, "unit": "°C", "value": -5.0}),
    ("sensor/33/data", {"sensor_type": "ds18b20", "raw": 65456, "unit": "°C", "value": -5.0}),
    ("sensor/33/data", {"sensor_type": "ds18b20", "raw": -80, "unit": "°C", "onewire_address": "28FF641E8C160350"}),
    ("sensor/33/data", {"sensor_type": "ds18b20", "raw": 2001, "quality": "suspect"}),
    ("sensor/33/data", {"raw": 9000, "quality": "error"}),
    ("sensor/33/data", {"sensor_type": "sht31_temp", "raw": 65535, "i2c_address": 68}),
    ("sensor/33/data", {"unknown_field": {"a": [1, {"b": 2}]}}),
    # heartbeats: section 4.3
    ("system/heartbeat", {}),
    ("system/heartbeat", {"ts": 0}),
    ("system/heartbeat", {"heap_free": LEFT_OUT, "free_heap": 201884}),
    ("system/heartbeat", {"zone_id": LEFT_OUT, "sensor_count": LEFT_OUT}),
    ("system/heartbeat", {"wifi_rssi": 0}),
    ("system/heartbeat", {"wifi_rssi": -127}),
    ("system/heartbeat", {"uptime": 4294967295}),
    ("system/heartbeat", {"boot_sequence_id": "ESP_0A1B2C-b1-r1", "active_handover_epoch": 0, "publish_queue_hwm": 5}),
    # actuators: sections 4.5 to 4.7
    ("actuator/25/status", {}),
    ("actuator/25/status", {"type": LEFT_OUT, "actuator_type": "relay"}),
    ("actuator/25/status", {"state": "off"}),
    ("actuator/25/status", {"type": "valve", "pwm": 127}),
    ("actuator/25/status", {"emergency": "resuming", "seq": 4, "command_source": "rule:7"}),
    ("actuator/25/response", {}),
    ("actuator/25/response", {"command": "STOP", "success": False}),
    ("actuator/25/response", {"correlation_id": "c-1", "issued_by": "user:2", "seq": 2}),
    ("actuator/25/alert", {}),
    ("actuator/25/alert", {"alert_type": LEFT_OUT, "type": "offline_rule_hold"}),
    ("actuator/25/alert", {"message": "<b>hot</b>"}),
    # configuration: section 4.8
    ("config_response", {}),
    ("config_response", {"count": LEFT_OUT}),
    ("config_response", {"status": "partial_success", "failures": [{"type": "sensor", "error_code": "OUT_OF_RANGE"}]}),
    ("config_response", {"type": "system", "status": "error", "error_code": "PAYLOAD_TOO_LARGE"}),
    ("config_response", {"message": "x" * 600}),
    # head: sections 4.16, 3.2
    ("system/intent_outcome", {}),
    ("system/intent_outcome", {"outcome": "expired", "flow": "subzone_safe"}),
    ("onewire/scan_result", {}),
    ("onewire/scan_result", {"devices": [], "found_count": 0}),
]

REFUSED = [
    ("sensor/33/data", {"ts": LEFT_OUT}, MISSING),
    ("sensor/33/data", {"raw": LEFT_OUT}, MISSING),
    ("sensor/33/data", {"raw": None}, MISSING),
    ("sensor/33/data", {"gpio": LEFT_OUT}, MISSING),
    ("sensor/33/data", {"esp_id": LEFT_OUT}, MISSING),
    ("sensor/33/data", {"sensor_type": LEFT_OUT}, MISSING),
    ("sensor/33/data", {"raw_mode": LEFT_OUT}, MISSING),
    ("sensor/33/data", {"raw": "2141"}, TYPE),
    ("sensor/33/data", {"raw": False}, TYPE),
    ("sensor/33/data", {"raw": [2141]}, TYPE),
    ("sensor/33/data", {"value": "6.32"}, TYPE),
    ("sensor/33/data", {"value": True}, TYPE),
    ("sensor/33/data", {"gpio": "33"}, TYPE),
    ("sensor/33/data", {"gpio": True}, TYPE),
    ("sensor/33/data", {"ts": "now"}, TYPE),
    ("sensor/33/data", {"ts": 1767100125.5}, TYPE),
    ("sensor/33/data", {"raw_mode": 1}, TYPE),
    ("sensor/33/data", {"raw_mode": "true"}, TYPE),
    ("sensor/33/data", {"zone_id": 5}, TYPE),
    ("sensor/33/data", {"esp_id": 5}, TYPE),
    ("sensor/33/data", {"i2c_address": "0x44"}, TYPE),
    ("sensor/33/data", {"raw": 4294967296}, RANGE),
    ("sensor/33/data", {"raw": -2147483649}, RANGE),
    ("sensor/33/data", {"raw": 10**30}, RANGE),
    ("sensor/33/data", {"value": 1.7e308}, RANGE),
    ("sensor/33/data", {"ts": 10**14}, RANGE),
    ("sensor/33/data", {"seq": -1}, RANGE),
    ("sensor/33/data", {"onewire_address": "28FF641E8C16035"}, RANGE),
    ("sensor/33/data", {"onewire_address": "28FF641E8C16035G"}, RANGE),
    ("sensor/33/data", {"i2c_address": 128}, RANGE),
    ("sensor/33/data", {"zone_id": "z" * 129}, RANGE),
    ("sensor/33/data", {"gpio": 34}, Code.GPIO_MISMATCH),
    ("sensor/33/data", {"gpio": -1}, Code.INVALID_GPIO_PIN),
    ("sensor/33/data", {"esp_id": "ESP_9F03D4"}, Code.DEVICE_ID_MISMATCH),
    ("sensor/33/data", {"esp_id": "esp_0a1b2c"}, Code.DEVICE_ID_MISMATCH),
    ("sensor/33/data", {"esp_id": ""}, Code.DEVICE_ID_MISMATCH),
    ("sensor/33/data", {"sensor_type": ""}, Code.INVALID_SENSOR_TYPE),
    ("sensor/33/data", {"sensor_type": "x" * 33}, Code.INVALID_SENSOR_TYPE),
    ("sensor/33/data", {"sensor_type": "../../etc"}, Code.INVALID_SENSOR_TYPE),
    ("sensor/33/data", {"sensor_type": "ph\n"}, Code.INVALID_SENSOR_TYPE),
    ("sensor/33/data", {"sensor_type": "<script>"}, Code.INVALID_SENSOR_TYPE),
    ("sensor/33/data", {"sensor_type": 7}, Code.INVALID_SENSOR_TYPE),
    ("system/heartbeat", {"ts": LEFT_OUT}, MISSING),
    ("system/heartbeat", {"uptime": LEFT_OUT}, MISSING),
    ("system/heartbeat", {"heap_free": LEFT_OUT}, MISSING),
    ("system/heartbeat", {"wifi_rssi": LEFT_OUT}, MISSING),
    ("system/heartbeat", {"uptime": -1}, RANGE),
    ("system/heartbeat", {"uptime": 4294967296}, RANGE),
    ("system/heartbeat", {"heap_free": -1}, RANGE),
    ("system/heartbeat", {"wifi_rssi": 1}, RANGE),
    ("system/heartbeat", {"wifi_rssi": -128}, RANGE),
    ("system/heartbeat", {"sensor_count": 256}, RANGE),
    ("system/heartbeat", {"uptime": True}, TYPE),
    ("system/heartbeat", {"uptime": "60"}, TYPE),
    ("system/heartbeat", {"esp_id": "ESP_9F03D4"}, Code.DEVICE_ID_MISMATCH),
    ("actuator/25/status", {"state": LEFT_OUT}, MISSING),
    ("actuator/25/status", {"type": LEFT_OUT}, MISSING),
    ("actuator/25/status", {"state": "maybe"}, TYPE),
    ("actuator/25/status", {"state": 1}, TYPE),
    ("actuator/25/status", {"pwm": 256}, RANGE),
    ("actuator/25/status", {"emergency": "banana"}, RANGE),
    ("actuator/25/status", {"type": "digital"}, Code.INVALID_ACTUATOR_TYPE),
    ("actuator/25/status", {"type": "PUMP"}, Code.INVALID_ACTUATOR_TYPE),
    ("actuator/25/status", {"gpio": 26}, Code.GPIO_MISMATCH),
    ("actuator/25/response", {"success": LEFT_OUT}, MISSING),
    ("actuator/25/response", {"command": LEFT_OUT}, MISSING),
    ("actuator/25/response", {"success": "true"}, TYPE),
    ("actuator/25/response", {"duration": -1}, RANGE),
    ("actuator/25/response", {"esp_id": "ESP_9F03D4"}, Code.DEVICE_ID_MISMATCH),
    ("actuator/25/alert", {"alert_type": LEFT_OUT}, MISSING),
    ("actuator/25/alert", {"alert_type": "x'; DROP TABLE a"}, RANGE),
    ("actuator/25/alert", {"gpio": 255}, Code.GPIO_MISMATCH),
    ("actuator/25/alert", {"esp_id": "ESP_9F03D4"}, Code.DEVICE_ID_MISMATCH),
    ("config_response", {"status": LEFT_OUT}, MISSING),
    ("config_response", {"type": LEFT_OUT}, MISSING),
    ("config_response", {"status": "banana"}, RANGE),
    ("config_response", {"type": "pump"}, RANGE),
    ("config_response", {"count": -1}, RANGE),
    ("config_response", {"message": "x" * 8193}, RANGE),
    ("config_response", {"message": "x" * 16_384}, Code.PAYLOAD_TOO_LARGE),
    ("config_response", {"esp_id": "ESP_9F03D4"}, Code.DEVICE_ID_MISMATCH),
    ("system/intent_outcome", {"flow": LEFT_OUT}, MISSING),
    ("system/intent_outcome", {"intent_id": ""}, RANGE),
    ("system/intent_outcome", {"outcome": "exploded"}, RANGE),
    ("onewire/scan_result", {"devices": LEFT_OUT}, MISSING),
    ("onewire/scan_result", {"devices": "none"}, TYPE),
]

FLAGGED = [
    ("sensor/33/data", {"raw": 4096}, {"quality": "error", "value": None}, "raw_impossible"),
    ("sensor/33/data", {"raw": -1}, {"quality": "error", "raw": -1}, "raw_impossible"),
    ("sensor/33/data", {"sensor_type": "sht31_temp", "raw": 65536}, {"quality": "error"}, "raw_impossible"),
    ("sensor/33/data", {"sensor_type": "ds18b20", "raw": -2032}, {"quality": "error"}, "raw_impossible"),
    ("sensor/33/data", {"sensor_type": "ds18b20", "raw": 4294965264}, {"raw": -2032}, "raw_impossible"),
    ("sensor/33/data", {"sensor_type": "ds18b20", "raw": 70000}, {"quality": "error"}, "raw_impossible"),
    ("sensor/33/data", {"sensor_type": "ds18b20", "raw": 1360}, {"quality": "suspect", "value": 6.32}, "raw_suspect"),
    ("sensor/33/data", {"sensor_type": "ds18b20", "raw": 2001}, {"quality": "suspect"}, "raw_suspect"),
    ("sensor/33/data", {"unit": "<b>"}, {"unit": "", "value": 6.32}, "unit_dropped"),
    ("sensor/33/data", {"unit": "x" * 17}, {"unit": ""}, "unit_dropped"),
    ("sensor/33/data", {"unit": "'; DROP"}, {"unit": ""}, "unit_dropped"),
    ("sensor/33/data", {"quality": "GREAT"}, {"quality": "unknown"}, "quality_dropped"),
    ("sensor/33/data", {"zone_id": "<script>"}, {"zone_id": ""}, "zone_id_dropped"),
    ("sensor/33/data", {"subzone_id": "a>b"}, {"subzone_id": ""}, "subzone_id_dropped"),
    ("sensor/33/data", {"zone_id": "a\0b"}, {"zone_id": "a\ufffdb"}, "control_characters_replaced"),
    ("sensor/33/data", {"ts": -5}, {"ts": 0}, "ts_dropped"),
    ("sensor/33/data", {"ts": 4102444800}, {"ts": 0}, "ts_dropped"),
    ("sensor/33/data", {"ts": 1000}, {"ts": 0}, "ts_dropped"),
    ("system/heartbeat", {"ts": 4102444800}, {"ts": 0}, "ts_dropped"),
    ("actuator/25/alert", {"message": "a\x00b\n"}, {"message": "a\ufffdb\n"}, "control_characters_replaced"),
]


def named(cases):
    return [f"{case[0]}-{json.dumps({k: str(v)[:24] for k, v in case[1].items()})}" for case in cases]


def decoded(suffix, changed):
    payload = json.dumps(message(BASES[suffix], **changed), ensure_ascii=False, separators=(",", ":")).encode()
    return decode_uplink(HERE + suffix, payload)


@pytest.mark.parametrize(("suffix", "changed"), ACCEPTED, ids=named(ACCEPTED))
def test_what_firmware_can_mean_is_accepted_without_a_flag(suffix, changed):
    outcome = decoded(suffix, changed)
    assert isinstance(outcome, Accepted), outcome
    assert outcome.flags == ()


@pytest.mark.parametrize(("suffix", "changed", "code"), REFUSED, ids=named(REFUSED))
def test_what_no_device_can_mean_is_refused_with_its_code(suffix, changed, code):
    outcome = decoded(suffix, changed)
    assert isinstance(outcome, Refused), outcome
    assert outcome.code == code, outcome
    assert outcome.detail


@pytest.mark.parametrize(("suffix", "changed", "fields", "flag"), FLAGGED, ids=named(FLAGGED))
def test_what_cannot_be_trusted_is_replaced_and_said(suffix, changed, fields, flag):
    outcome = decoded(suffix, changed)
    assert isinstance(outcome, Accepted), outcome
    assert flag in outcome.flags
    assert {name: getattr(outcome.message, name) for name in fields} == fields


def test_an_unsigned_count_is_the_negative_one_that_it_was():
    changed = {"sensor_type": "ds18b20", "raw": 4294967216, "unit": "raw", "value": 4294967216.0}
    reading = decoded("sensor/33/data", changed).message
    assert (reading.raw, reading.value) == (-80, -80)


@pytest.mark.parametrize("suffix", BASES)
def test_a_retained_copy_is_never_news(suffix):
    payload = json.dumps(BASES[suffix]).encode()
    assert isinstance(decode_uplink(HERE + suffix, payload, retained=True), Ignored)
    assert isinstance(decode_uplink(HERE + suffix, b"\xff", retained=True), Ignored)
    assert isinstance(decode_uplink(HERE + suffix, b""), Ignored)
