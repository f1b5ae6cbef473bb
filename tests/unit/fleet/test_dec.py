"""Rules of the ``dec`` firmware, bugs included."""

import json

import pytest

from kaiser.fleet.firmware import BROADCAST
from kaiser.fleet.life import PUMP, VALVE, Bench, a_spec
from kaiser.fleet.sensors import SensorSpec
from kaiser.fleet.spec import ActuatorSpec

COMMAND = f"actuator/{PUMP}/command"


def bodies(messages, suffix):
    return [json.loads(message.payload) for message in messages if message.topic.endswith(suffix)]


def a_dec(**options) -> Bench:
    return Bench(a_spec("dec", **options))


def test_everything_has_qos_0_and_what_it_calls_qos_1_is_retained():
    bench = a_dec()
    said = [*bench.wait(70), *bench.hear(COMMAND, command="ON")]
    assert {message.qos for message in said} == {0}
    retained = {message.topic.rsplit("/", 1)[1]: message.retain for message in said}
    assert retained == {"data": True, "status": True, "response": True, "heartbeat": False, "diagnostics": False}


def test_the_first_heartbeat_comes_at_an_uptime_of_60_s():
    bench = a_dec()
    assert not bodies(bench.wait(59), "heartbeat")
    assert [beat["uptime"] for beat in bodies(bench.wait(62), "heartbeat")] == [60, 120]


def test_a_negative_count_wraps_to_32_bits_and_the_log_has_it_as_it_is():
    bench = a_dec(sensors=(SensorSpec(sensor_type="ds18b20", gpio=4, middle=-40, swing=0),))
    (message,) = bench.wait(1)
    assert message.key is not None
    assert json.loads(message.payload)["raw"] == message.key[5] + 2**32


def test_a_value_can_be_nan_which_is_no_json():
    assert b'"value":nan,' in a_dec(value_is_nan=True).wait(1)[0].payload


def test_strings_are_not_escaped():
    bench = a_dec(zone_id='a"b')
    with pytest.raises(json.JSONDecodeError):
        json.loads(bench.wait(1)[0].payload)


def test_a_failing_http_endpoint_silences_five_readings_and_then_lets_raw_ones_through_for_a_minute():
    bench = a_dec(processing="fails", sensors=(SensorSpec(sensor_type="ph", gpio=33),))
    assert not bodies(bench.wait(5), "/data")
    raw = bodies(bench.wait(59), "/data")
    assert {(reading["unit"], reading["quality"]) for reading in raw} == {("raw", "fair")}
    assert not bodies(bench.wait(5), "/data")


def test_a_command_is_found_by_its_first_mention_not_by_parsing():
    bench = a_dec()
    text = b'{"meta":{"command":"OFF"},"command":"ON","value":1.0} and no JSON'
    (answer,) = bodies(bench.hear_bytes(bench.device.topic(COMMAND), text), "response")
    assert (answer["command"], answer["success"], answer["value"]) == ("OFF", True, 1.0)


def test_a_successful_command_says_the_state_before_and_after_the_response():
    said = a_dec().hear(COMMAND, command="on", value=1)
    assert [message.topic.rsplit("/", 1)[1] for message in said] == ["status", "response", "status"]
    assert bodies(said, "response")[0]["command"] == "on"


def test_a_second_toggle_toggles_again():
    bench = a_dec()
    states = [bodies(bench.hear(COMMAND, command="TOGGLE"), "status")[0]["state"] for _ in range(3)]
    assert states == [True, False, True]


def test_75_percent_is_full_power_on_pwm_and_refused_on_a_pump():
    bench = a_dec(actuators=(ActuatorSpec(gpio=26, actuator_type="pwm"), ActuatorSpec(gpio=PUMP)))
    assert bodies(bench.hear("actuator/26/command", command="PWM", value=75), "status")[0]["pwm"] == 255
    assert bodies(bench.hear("actuator/26/command", command="PWM", value=0.35), "status")[0]["pwm"] == 89
    assert not bodies(bench.hear(COMMAND, command="PWM", value=75), "response")[0]["success"]


def test_a_valve_reports_its_old_position_for_five_seconds():
    bench = a_dec()
    assert bodies(bench.hear(f"actuator/{VALVE}/command", command="PWM", value=0.5), "status")[0]["pwm"] == 0
    assert not bodies(bench.hear(f"actuator/{VALVE}/command", command="OFF"), "response")[0]["success"]
    assert not bodies(bench.wait(4), f"{VALVE}/status")
    assert bodies(bench.wait(2), f"{VALVE}/status")[0]["pwm"] == 127


def test_a_pump_starts_at_most_60_times_an_hour():
    bench = a_dec()
    answers = [bodies(bench.hear(COMMAND, command="TOGGLE"), "response")[0]["success"] for _ in range(121)]
    assert answers == [True] * 120 + [False]


@pytest.mark.parametrize("body", [b'{"command":"stop_all"}', b'{"command":"clear"}', b"{}"])
def test_any_broadcast_that_parses_stops_everything_until_the_driver_is_made_anew(body):
    bench = a_dec()
    bench.hear(COMMAND, command="ON")
    assert len(bodies(bench.hear_bytes(BROADCAST, body), "alert")) == 2
    assert not bodies(bench.hear(COMMAND, command="ON"), "response")[0]["success"]
    pump = {"gpio": PUMP, "actuator_type": "pump", "actuator_name": "a"}
    bench.hear("config", sensors=[], actuators=[pump])
    assert bodies(bench.hear(COMMAND, command="ON"), "response")[0]["success"]


def test_a_rich_broadcast_is_ignored_in_silence_and_so_is_an_emergency_of_its_own():
    bench = a_dec()
    rich = {f"a_field_with_a_name_{number}": "and a long value" for number in range(7)}
    assert not bench.hear_bytes(BROADCAST, json.dumps(rich).encode())
    assert not bench.hear("actuator/emergency", command="emergency_stop")


def test_a_sensor_always_fails_to_be_saved_and_works_all_the_same():
    bench = a_dec(sensors=())
    sensor = {"gpio": 33, "sensor_type": "ph", "sensor_name": "Tank"}
    answers = bodies(bench.hear("config", sensors=[sensor], actuators=[]), "config_response")
    assert [(a["type"], a["error_code"]) for a in answers] == [
        ("sensor", "NVS_WRITE_FAILED"),
        ("actuator", "MISSING_FIELD"),
    ]
    assert bodies(bench.wait(1), "33/data")[0]["sensor_type"] == "ph"
    gone = bodies(bench.hear("config", sensors=[{**sensor, "active": False}], actuators=[]), "config_response")
    assert gone[0]["status"] == "success"
    assert not bodies(bench.wait(2), "/data")


def test_the_type_digital_is_refused():
    pump = {"gpio": PUMP, "actuator_type": "digital", "actuator_name": "Main pump"}
    answer = bodies(a_dec().hear("config", sensors=[], actuators=[pump]), "config_response")[1]
    assert (answer["error_code"], answer["failed_item"]) == ("UNKNOWN_ERROR", pump)


def test_a_string_missing_in_a_zone_becomes_null_and_the_device_deaf():
    bench = a_dec()
    said = bench.hear("zone/assign", zone_id="north", master_zone_id=None, zone_name="North")
    assert [message.topic for message in said] == [f"kaiser/null/esp/{bench.device.esp_id}/zone/ack"]
    assert bodies(said, "ack")[0]["master_zone_id"] == "null"
    assert not bench.hear_bytes(f"kaiser/god/esp/{bench.device.esp_id}/{COMMAND}", b'{"command":"ON"}')


def test_a_device_without_a_kaiser_id_is_adopted_through_god():
    bench = a_dec(kaiser_id="")
    assert bench.wait(1)[0].topic.startswith("kaiser//esp/")
    assert f"kaiser/god/esp/{bench.device.esp_id}/zone/assign" in [
        wish.topic for wish in Bench(a_spec("dec", kaiser_id=""), connected=False).device.subscriptions()
    ]
    names = b'{"zone_id":"n","master_zone_id":"","zone_name":"","kaiser_id":"god"}'
    said = bench.hear_bytes(f"kaiser/god/esp/{bench.device.esp_id}/zone/assign", names)
    assert said[0].topic == f"kaiser/god/esp/{bench.device.esp_id}/zone/ack"


def test_an_empty_zone_is_ignored_without_an_answer():
    bench = a_dec()
    assert not bench.hear("zone/assign", zone_id="", master_zone_id="", zone_name="", kaiser_id="god")
    assert bench.device.zone_id == "north_tent"


def test_a_subzone_always_ends_in_error_2506_and_removing_it_has_no_answer():
    bench = a_dec()
    bench.wait(9)
    subzone = {"subzone_id": "a", "parent_zone_id": "north_tent", "assigned_gpios": [PUMP]}
    (ack,) = bodies(bench.hear("subzone/assign", **subzone), "subzone/ack")
    assert (ack["error_code"], ack["message"], ack["timestamp"]) == (2506, "NVS save failed", 9)
    assert not bench.hear("subzone/remove", subzone_id="a")


def test_what_happens_while_it_is_away_is_kept_and_said_with_its_old_time_but_readings_are_not():
    bench = a_dec()
    bench.wait(10)
    bench.device.disconnect()
    bench.wait(61)
    said = bench.connect()
    assert {message.topic.rsplit("/", 1)[1] for message in said} == {"status"}
    assert bodies(said, "status")[0]["ts"] < bench.device.clock.unix_s - 20


def test_no_more_than_100_messages_are_kept():
    bench = a_dec()
    bench.device.disconnect()
    bench.wait(3600)
    assert len(bench.connect()) == 100


def test_it_subscribes_once_and_gives_up_after_ten_attempts():
    bench = a_dec()
    assert not bench.device.subscriptions()
    assert bench.device.may_reconnect(10)
    assert not bench.device.may_reconnect(11)
    bench.device.reboot()
    assert bench.device.subscriptions()
    assert not bench.device.actuators


def test_a_first_connection_that_fails_leaves_it_deaf():
    bench = Bench(a_spec("dec"), connected=False)
    assert bench.device.may_reconnect(1)
    assert not bench.device.subscriptions()


def test_a_clock_that_was_never_set_says_0():
    bench = a_dec(clock_off_s=None)
    assert {body["ts"] for body in bodies(bench.wait(31), "/data") + bodies(bench.said, "/status")} == {0}
    assert json.loads(bench.will.payload)["timestamp"] == 0


def test_only_the_exact_reset_is_answered_and_then_it_is_gone():
    bench = a_dec()
    assert not bench.hear("system/command", command="FACTORY_RESET", confirm=True)
    assert not bench.hear("system/command", command="status")
    assert bodies(bench.hear("system/command", command="factory_reset", confirm=True), "response")
    assert bench.device.gone
