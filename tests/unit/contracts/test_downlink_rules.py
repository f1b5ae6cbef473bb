"""Near misses on the way to devices: what may be sent, and what a device would misread."""

import json

import pytest

from kaiser.contracts.downlink import check_downlink

HERE = "kaiser/god/esp/ESP_0A1B2C/"
BROADCAST = "kaiser/broadcast/emergency"
STATUS = "kaiser/god/server/status"
LEFT_OUT = ...

SENSOR = {"gpio": 33, "sensor_type": "ph", "sensor_name": "Tank pH", "subzone_id": "", "active": True, "raw_mode": True}
PUMP = {"gpio": 25, "actuator_type": "pump", "actuator_name": "Pump", "active": True, "aux_gpio": 255}
TIME_RULE = {"actuator_gpio": 25, "sensor_gpio": 255, "sensor_value_type": "__twindow_on"}
PROBE = SENSOR | {"gpio": 4, "sensor_type": "ds18b20", "onewire_address": "28FF641E8C160350"}
SET_TOKEN = {"command": "set_emergency_token", "token_type": "esp", "token": "t" * 64}
RULE = {"actuator_gpio": 25, "sensor_gpio": 4, "sensor_value_type": "ds18b20", "activate_below": 18.0,
        "deactivate_above": 20.0}  # fmt: skip

BASES = {
    "actuator/25/command": (2, {"command": "ON", "value": 1.0, "duration": 0, "timestamp": 1767100699}),
    "sensor/4/command": (2, {"command": "measure", "request_id": "m-77", "timeout_ms": 5000}),
    "config": (2, {"sensors": [SENSOR], "actuators": [PUMP], "correlation_id": "cfg-20", "timestamp": 1767100040}),
    "system/command": (2, {"command": "factory_reset", "confirm": True}),
    "system/heartbeat/ack": (
        1, {"status": "online", "handover_epoch": 3, "server_time": 1777500101, "config_available": False}
    ),
    "zone/assign": (
        1, {"zone_id": "north", "master_zone_id": "house", "zone_name": "North", "kaiser_id": "god"}
    ),
    "subzone/assign": (
        1,
        {"subzone_id": "bench_a", "subzone_name": "Bench A", "parent_zone_id": "north", "assigned_gpios": [25, 26],
         "safe_mode_active": False, "timestamp": 1767100050},
    ),
    "subzone/remove": (1, {"subzone_id": "bench_a"}),
    "subzone/safe": (1, {"subzone_id": "bench_a", "action": "enable"}),
    "actuator/emergency": (1, {"command": "clear_emergency", "auth_token": "tok-site-1", "correlation_id": "em-4"}),
    BROADCAST: (2, {"command": "stop_all", "reason": "operator"}),
    STATUS: (1, {"status": "online", "timestamp": 1777499940}),
}  # fmt: skip


def judged(suffix, changed, generation="any", *, qos=None, retain=None):
    usual, body = BASES[suffix]
    body = {name: value for name, value in (body | changed).items() if value is not LEFT_OUT}
    topic = suffix if suffix.startswith("kaiser/") else HERE + suffix
    return check_downlink(
        topic,
        json.dumps(body, separators=(",", ":")).encode(),
        usual if qos is None else qos,
        suffix == STATUS if retain is None else retain,
        generation,
    )


SENT = [
    ("actuator/25/command", {}, "any"),
    ("actuator/25/command", {"command": "OFF", "value": LEFT_OUT, "duration": LEFT_OUT}, "dec"),
    ("actuator/25/command", {"command": "PWM", "value": 0}, "any"),
    ("actuator/25/command", {"command": "PWM", "value": 1}, "any"),
    ("actuator/25/command", {"command": "on"}, "any"),
    ("actuator/25/command", {"correlation_id": "c" * 63, "intent_id": "i", "issued_by": "rule:7"}, "head"),
    ("actuator/25/command", {"duration": 30}, "head"),
    ("actuator/25/command", {"command": "OFF", "duration": 30}, "dec"),
    ("sensor/4/command", {}, "head"),
    ("sensor/4/command", {"timeout_ms": 60000}, "any"),
    ("config", {}, "any"),
    ("config", {"correlation_id": LEFT_OUT}, "dec"),
    ("config", {"correlation_id": LEFT_OUT, "data": {"correlation_id": "c"}}, "head"),
    ("config", {"sensors": [], "actuators": [PUMP]}, "head"),
    ("config", {"sensors": [SENSOR | {"sensor_name": "Grüne Säule"}]}, "any"),
    ("config", {"actuators": [{"gpio": 25, "type": "relay", "name": "Fan", "active": 1, "inverted": "true"}]}, "any"),
    ("config", {"sensors": [SENSOR | {"gpio": 34}]}, "head"),
    ("config", {"sensors": [SENSOR | {"gpio": 0, "sensor_type": "sht31", "i2c_address": 68}]}, "head"),
    ("config", {"sensors": [PROBE, PROBE | {"onewire_address": "28FF641E8C160351"}]}, "head"),
    ("config", {"sensors": [SENSOR | {"gpio": 0, "sensor_type": "sht31_temp"},
                            SENSOR | {"gpio": 0, "sensor_type": "sht31_humidity"}]}, "head"),
    ("config", {"offline_rules": [RULE] * 8}, "head"),
    ("config", {"offline_rules": []}, "head"),
    ("config", {"offline_rules": [RULE | {"activate_above": 30.0, "deactivate_below": 28.0}]}, "head"),
    ("config", {"offline_rules": [TIME_RULE]}, "head"),
    ("config", {"generation": 1777500020}, "head"),
    ("system/command", {}, "dec"),
    ("system/command", {"command": "status", "confirm": LEFT_OUT}, "head"),
    ("system/command", {"command": "onewire/scan", "confirm": LEFT_OUT, "params": {"pin": 4}}, "head"),
    ("system/command", SET_TOKEN | {"confirm": LEFT_OUT}, "head"),
    ("system/heartbeat/ack", {}, "head"),
    ("system/heartbeat/ack", {"config_available": LEFT_OUT, "server_time": LEFT_OUT}, "any"),
    ("system/heartbeat/ack", {"status": "pending_approval", "handover_epoch": 1}, "head"),
    ("system/heartbeat/ack", {"status": "rejected"}, "head"),
    ("zone/assign", {}, "any"),
    ("zone/assign", {"kaiser_id": "site-1"}, "dec"),
    ("zone/assign", {"zone_id": "", "master_zone_id": "", "zone_name": "", "correlation_id": "zn-4"}, "head"),
    ("zone/assign", {"zone_id": "z" * 32, "zone_name": "n" * 64}, "head"),
    ("zone/assign", {"zone_name": "Süd"}, "any"),
    ("subzone/assign", {}, "any"),
    ("subzone/assign", {"safe_mode_active": True, "parent_zone_id": ""}, "any"),
    ("subzone/remove", {}, "any"),
    ("subzone/safe", {"action": "disable"}, "any"),
    ("actuator/emergency", {}, "head"),
    ("actuator/emergency", {"command": "emergency_stop", "auth_token": LEFT_OUT}, "any"),
    (BROADCAST, {}, "both"),
    (BROADCAST, {"command": LEFT_OUT, "action": "emergency_stop"}, "both"),
    (BROADCAST, {"issued_by": "user:2", "timestamp": "1777500200", "auth_token": "tok-site-1"}, "both"),
    (STATUS, {}, "head"),
    (STATUS, {"status": "offline", "reason": "unexpected_disconnect"}, "head"),
]  # fmt: skip

NEVER = [
    # actuator commands: 5.1, 5.9, 9, 22
    ("actuator/25/command", {"command": "TOGGLE"}, "any", "TOGGLE"),
    ("actuator/25/command", {"command": "toggle"}, "head", "TOGGLE"),
    ("actuator/25/command", {"command": "STOP"}, "any", "STOP"),
    ("actuator/25/command", {"command": ""}, "any", "empty"),
    ("actuator/25/command", {"command": None}, "any", "null"),
    ("actuator/25/command", {"command": LEFT_OUT}, "any", "missing"),
    ("actuator/25/command", {"command": 1}, "any", "not a string"),
    ("actuator/25/command", {"command": "ON<img>"}, "any", "ON, OFF and PWM"),
    ("actuator/25/command", {"command": "PWM", "value": LEFT_OUT}, "any", "not a number"),
    ("actuator/25/command", {"command": "PWM", "value": 1.01}, "any", "outside of 0 to 1"),
    ("actuator/25/command", {"command": "PWM", "value": -0.1}, "any", "outside of 0 to 1"),
    ("actuator/25/command", {"command": "PWM", "value": 75}, "dec", "full power"),
    ("actuator/25/command", {"value": 100}, "any", "outside of 0 to 1"),
    ("actuator/25/command", {"value": "1.0"}, "any", "not a number"),
    ("actuator/25/command", {"value": True}, "any", "not a number"),
    ("actuator/25/command", {"duration": -1}, "any", "outside"),
    ("actuator/25/command", {"duration": 1.5}, "any", "not an integer"),
    ("actuator/25/command", {"duration": "30"}, "any", "not an integer"),
    ("actuator/25/command", {"created_at_ms": 1777500000000}, "head", "uptime"),
    ("actuator/25/command", {"ttl_ms": 5000}, "any", "uptime"),
    ("actuator/25/command", {"correlation_id": "c" * 64}, "head", "64 characters"),
    ("actuator/25/command", {"issued_by": 'a"b'}, "any", "quote"),
    ("actuator/25/command", {"issued_by": "Jürgen"}, "dec", "escapes"),
    ("actuator/25/command", {"meta": {"command": "OFF"}}, "any", "nested"),
    ("actuator/25/command", {"x": "y" * 512}, "head", "512"),
    ("actuator/25/command", {"x": "y" * 2048}, "dec", "2048"),
    ("actuator/25/command", {"duration": 30}, "dec", "stays on for ever"),
    ("actuator/25/command", {"duration": 30}, "both", "stays on for ever"),
    ("actuator/25/command", {"command": "PWM", "value": 0.5, "duration": 30}, "head", "but not PWM"),
    # sensor commands: 5.7
    ("sensor/4/command", {}, "dec", "does not listen"),
    ("sensor/4/command", {"command": "MEASURE"}, "head", "exactly this case"),
    ("sensor/4/command", {"timeout_ms": 0}, "head", "outside"),
    ("sensor/4/command", {"timeout_ms": 60001}, "head", "outside"),
    ("sensor/4/command", {"note": "n" * 512}, "head", "512"),
    # configuration: 5.2, 6.7, 7, 8.1, 9
    ("config", {"correlation_id": LEFT_OUT}, "head", "CONTRACT_MISSING_CORRELATION"),
    ("config", {"correlation_id": LEFT_OUT}, "both", "correlation_id"),
    ("config", {"correlation_id": ""}, "head", "empty"),
    ("config", {"sensors": LEFT_OUT}, "dec", "MISSING_FIELD"),
    ("config", {"sensors": [], "actuators": []}, "dec", "nothing is configured"),
    ("config", {"actuators": LEFT_OUT}, "both", "MISSING_FIELD"),
    ("config", {"sensors": {}}, "head", "not an array"),
    ("config", {"sensors": [1]}, "head", "not an object"),
    ("config", {"created_at_ms": 0}, "head", "uptime"),
    ("config", {"data": {"ttl_ms": 5000}}, "head", "uptime"),
    ("config", {"generation": -1}, "head", "outside"),
    ("config", {"actuators": [PUMP | {"actuator_type": "digital"}]}, "any", "pump, valve, relay, pwm"),
    ("config", {"actuators": [PUMP | {"actuator_type": "servo"}]}, "any", "pump, valve, relay, pwm"),
    ("config", {"actuators": [PUMP | {"actuator_type": "Pump"}]}, "any", "pump, valve, relay, pwm"),
    ("config", {"actuators": [PUMP | {"actuator_type": "pump", "type": "relay"}]}, "any", "pump, valve, relay, pwm"),
    ("config", {"actuators": [PUMP | {"gpio": 34}]}, "head", "output"),
    ("config", {"actuators": [PUMP | {"gpio": 12}]}, "any", "reserved"),
    ("config", {"actuators": [PUMP | {"gpio": 255}]}, "any", "255"),
    ("config", {"actuators": [PUMP | {"gpio": "25"}]}, "any", "not an integer"),
    ("config", {"actuators": [PUMP | {"aux_gpio": 3}]}, "any", "aux_gpio"),
    ("config", {"actuators": [PUMP | {"default_pwm": 256}]}, "any", "default_pwm"),
    ("config", {"actuators": [PUMP | {"active": "yes"}]}, "any", "not a boolean"),
    ("config", {"actuators": [PUMP, PUMP | {"actuator_name": "Second"}]}, "any", "replaces"),
    ("config", {"actuators": [PUMP | {"gpio": 33}]}, "any", "sensor and to an actuator"),
    ("config", {"actuators": [{"gpio": 25, "actuator_type": "pump"}]}, "any", "name is missing"),
    ("config", {"sensors": [SENSOR | {"sensor_name": LEFT_OUT}]}, "any", "missing"),
    ("config", {"sensors": [SENSOR | {"sensor_name": 'Tank "A"'}]}, "any", "quote"),
    ("config", {"sensors": [SENSOR | {"subzone_id": "bench a"}]}, "any", "subzone_id"),
    ("config", {"sensors": [SENSOR | {"gpio": 34}]}, "dec", "reserved"),
    ("config", {"sensors": [SENSOR | {"gpio": 2}]}, "head", "reserved"),
    ("config", {"sensors": [SENSOR | {"gpio": 26}]}, "any", "analog"),
    ("config", {"sensors": [SENSOR | {"sensor_type": "temperature"}]}, "any", "name the sensor"),
    ("config", {"sensors": [SENSOR | {"sensor_type": "PH"}]}, "any", "lower-case"),
    ("config", {"sensors": [SENSOR, SENSOR | {"sensor_type": "ec"}]}, "dec", "replaces"),
    ("config", {"sensors": [SENSOR, SENSOR]}, "head", "twice"),
    ("config", {"sensors": [SENSOR | {"gpio": 0, "sensor_type": "sht31", "i2c_address": 68},
                            SENSOR | {"gpio": 0, "sensor_type": "sht31", "i2c_address": 69}]}, "head", "never read"),
    ("config", {"sensors": [SENSOR | {"gpio": 0, "sensor_type": "sht31"},
                            SENSOR | {"gpio": 0, "sensor_type": "bmp280"}]}, "head", "never read"),
    ("config", {"sensors": [SENSOR | {"i2c_address": "0x44"}]}, "head", "not an integer"),
    ("config", {"sensors": [SENSOR | {"onewire_address": "28FF641E8C16035"}]}, "head", "16 hexadecimal"),
    ("config", {"sensors": [SENSOR | {"measurement_interval_seconds": 0}]}, "head", "outside"),
    ("config", {"sensors": [SENSOR | {"measurement_interval_seconds": 301}]}, "head", "outside"),
    ("config", {"sensors": [SENSOR | {"operating_mode": "auto"}]}, "head", "continuous"),
    ("config", {"sensors": [SENSOR | {"gpio": 32, "sensor_name": "n" * 65}]}, "any", "65 characters"),
    ("config", {"sensors": [SENSOR] * 21}, "head", "21 sensors"),
    ("config", {"offline_rules": [RULE] * 9}, "head", "at most 8"),
    ("config", {"offline_rules": [RULE | {"sensor_value_type": "x" * 24}]}, "head", "24 characters"),
    ("config", {"offline_rules": [RULE | {"sensor_value_type": "ph"}]}, "head", "never evaluated offline"),
    ("config", {"offline_rules": [RULE | {"sensor_value_type": "soil_moisture"}]}, "head", "never evaluated offline"),
    ("config", {"offline_rules": [RULE | {"activate_below": "18"}]}, "head", "not a number"),
    ("config", {"offline_rules": [RULE | {"activate_below": 0}]}, "head", "never acts"),
    ("config", {"offline_rules": [RULE | {"deactivate_above": 0}]}, "head", "deactivates"),
    ("config", {"offline_rules": [RULE | {"deactivate_above": 17}]}, "head", "without end"),
    ("config", {"offline_rules": [RULE | {"activate_above": 30.0}]}, "head", "deactivates"),
    ("config", {"offline_rules": [RULE | {"time_filter": {"enabled": True, "timezone": "CET"}}]}, "head", "UTC"),
    ("config", {"note": "n" * 4352}, "head", "4352"),
    ("config", {"note": "n" * 2000}, "dec", "2048"),
    # system commands: 5.6
    ("system/command", {"command": "FACTORY_RESET"}, "head", "exactly this case"),
    ("system/command", {"command": "REBOOT", "params": {}}, "any", "factory_reset"),
    ("system/command", {"command": "reboot"}, "head", "exactly this case"),
    ("system/command", {"confirm": False}, "head", "without confirm"),
    ("system/command", {"confirm": LEFT_OUT}, "any", "factory_reset"),
    ("system/command", {"confirm": 1}, "dec", "knows only"),
    ("system/command", {"command": "status"}, "dec", "knows only"),
    ("system/command", {"timestamp": 1767100040}, "dec", "knows only"),
    ("system/command", SET_TOKEN | {"token_type": "all"}, "head", "token_type"),
    ("system/command", SET_TOKEN | {"token": "t" * 65}, "head", "65 characters"),
    ("system/command", {"command": "onewire/scan", "pin": "4"}, "head", "not an integer"),
    ("system/command", {"command": "status", "note": "n" * 240}, "head", "pool"),
    # registration gate: 5.8
    ("system/heartbeat/ack", {"handover_epoch": 0}, "head", "outside"),
    ("system/heartbeat/ack", {"handover_epoch": 1.0}, "head", "not an integer"),
    ("system/heartbeat/ack", {"handover_epoch": "3"}, "head", "not an integer"),
    ("system/heartbeat/ack", {"handover_epoch": True}, "head", "not an integer"),
    ("system/heartbeat/ack", {"handover_epoch": LEFT_OUT}, "head", "missing"),
    ("system/heartbeat/ack", {"status": LEFT_OUT}, "head", "status"),
    ("system/heartbeat/ack", {"status": "ok"}, "head", "status"),
    ("system/heartbeat/ack", {"status": "Approved"}, "head", "status"),
    ("system/heartbeat/ack", {"session_id": "x"}, "head", "session_id"),
    ("system/heartbeat/ack", {"correlation_id": "3f2c"}, "head", "correlation_id"),
    ("system/heartbeat/ack", {"server_time": 1777500101000}, "head", "outside"),
    ("system/heartbeat/ack", {"server_time": 1777500101.5}, "head", "not an integer"),
    ("system/heartbeat/ack", {"config_available": 0}, "head", "not a boolean"),
    ("system/heartbeat/ack", {}, "dec", "does not listen"),
    (STATUS, {"status": "maintenance"}, "head", "online, offline"),
    (STATUS, {"timestamp": LEFT_OUT}, "head", "missing"),
    # zones: 5.3, 5.4
    ("zone/assign", {"kaiser_id": LEFT_OUT}, "any", "kaiser_id is missing"),
    ("zone/assign", {"kaiser_id": None}, "any", "null"),
    ("zone/assign", {"kaiser_id": "null"}, "any", "text null"),
    ("zone/assign", {"kaiser_id": ""}, "any", "lost"),
    ("zone/assign", {"kaiser_id": "a/b"}, "any", "lost"),
    ("zone/assign", {"zone_name": LEFT_OUT}, "any", "missing"),
    ("zone/assign", {"master_zone_id": None}, "head", "null"),
    ("zone/assign", {"zone_id": ""}, "dec", "keeps its zone"),
    ("zone/assign", {"zone_id": ""}, "both", "keeps its zone"),
    ("zone/assign", {"zone_id": "north tent"}, "any", "letters"),
    ("zone/assign", {"zone_id": "z" * 33}, "head", "32"),
    ("zone/assign", {"zone_name": "n" * 65}, "any", "65 characters"),
    ("zone/assign", {"zone_name": 'the "north"'}, "any", "quote"),
    ("zone/assign", {"note": "n" * 300}, "dec", "350"),
    ("subzone/assign", {"safe_mode_active": LEFT_OUT}, "any", "running outputs"),
    ("subzone/assign", {"safe_mode_active": "false"}, "any", "not a boolean"),
    ("subzone/assign", {"assigned_gpios": []}, "any", "pins"),
    ("subzone/assign", {"assigned_gpios": [25, 12]}, "any", "reserved"),
    ("subzone/assign", {"assigned_gpios": ["25"]}, "any", "reserved"),
    ("subzone/assign", {"assigned_gpios": [25, 25]}, "any", "twice"),
    ("subzone/assign", {"assigned_gpios": [34]}, "dec", "reserved"),
    ("subzone/assign", {"subzone_id": "s" * 33}, "any", "32"),
    ("subzone/assign", {"parent_zone_id": LEFT_OUT}, "any", "missing"),
    ("subzone/remove", {"subzone_id": ""}, "any", "empty"),
    ("subzone/safe", {"action": "on"}, "head", "enable"),
    ("subzone/safe", {}, "dec", "does not listen"),
    # emergency: 5.5, 22
    ("actuator/emergency", {}, "dec", "send OFF"),
    ("actuator/emergency", {"command": "stop_all"}, "head", "clear_emergency"),
    ("actuator/emergency", {"command": "EMERGENCY_STOP"}, "head", "exactly this case"),
    ("actuator/emergency", {"reason": "operator"}, "head", "reason"),
    ("actuator/emergency", {"auth_token": 5}, "head", "not a string"),
    (BROADCAST, {"command": "clear_emergency"}, "head", "stop_all"),
    (BROADCAST, {"command": "clear"}, "dec", "stop_all"),
    (BROADCAST, {"command": "STOP_ALL"}, "both", "exactly this case"),
    (BROADCAST, {"command": LEFT_OUT}, "both", "neither"),
    (BROADCAST, {"action": "emergency_stop"}, "both", "disagree"),
    (BROADCAST, {"timestamp": 1777500200}, "both", "not a string"),
    (BROADCAST, {"reason": 5}, "both", "not a string"),
    (BROADCAST, {"esp_id": "ESP_0A1B2C"}, "both", "esp_id"),
    (BROADCAST, {"reason": "r" * 200}, "both", "pool"),
]  # fmt: skip


def named(cases):
    return [f"{case[2]}-{case[0]}-{ {k: str(v)[:24] for k, v in case[1].items()} }" for case in cases]


def without_left_out(changed):
    def clean(value):
        if isinstance(value, dict):
            return {k: clean(v) for k, v in value.items() if v is not LEFT_OUT}
        return [clean(item) for item in value] if isinstance(value, list) else value

    return {name: clean(value) for name, value in changed.items()}


@pytest.mark.parametrize(("suffix", "changed", "generation"), SENT, ids=named(SENT))
def test_what_devices_read_as_it_was_meant_may_be_sent(suffix, changed, generation):
    assert judged(suffix, changed, generation) is None


@pytest.mark.parametrize(("suffix", "changed", "generation", "because"), NEVER, ids=named(NEVER))
def test_what_devices_would_misread_is_never_sent(suffix, changed, generation, because):
    reason = judged(suffix, without_left_out(changed), generation)
    assert reason is not None
    assert because in reason


@pytest.mark.parametrize("suffix", BASES)
def test_retain_is_right_for_the_server_status_only(suffix):
    generation = "dec" if suffix == "system/command" else "any"
    assert judged(suffix, {}, generation) is None
    assert judged(suffix, {}, generation, retain=suffix != STATUS) is not None


@pytest.mark.parametrize("suffix", BASES)
def test_the_qos_is_that_of_the_contract(suffix):
    allowed = {1, 2} if suffix == BROADCAST else {BASES[suffix][0]}
    generation = "dec" if suffix == "system/command" else "any"
    assert {qos for qos in (0, 1, 2) if judged(suffix, {}, generation, qos=qos) is None} == allowed
