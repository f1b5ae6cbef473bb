"""Rules of the ``head`` firmware."""

import json

import pytest

from kaiser.fleet.firmware import BROADCAST
from kaiser.fleet.life import BEGAN_S, PUMP, Bench, a_spec
from kaiser.fleet.sensors import DS18B20_FAULT, SensorSpec

COMMAND = f"actuator/{PUMP}/command"


def bodies(messages, suffix):
    return [json.loads(message.payload) for message in messages if message.topic.endswith(suffix)]


def a_head(**options) -> Bench:
    return Bench(a_spec("head", **options))


def unregistered(**options) -> Bench:
    bench = Bench(a_spec("head", **options), connected=False)
    bench.connect()
    return bench


def test_it_announces_and_beats_at_once_then_every_five_seconds_and_says_nothing_else():
    bench = unregistered()
    bench.wait(21)
    kinds = [message.topic.split("/", 4)[4] for message in bench.said]
    assert kinds == ["session/announce"] + ["system/heartbeat"] * 5
    assert bench.said[0].qos == 1


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"handover_epoch": None}, "MISSING_HANDOVER_EPOCH"),
        ({"handover_epoch": 1.0}, "INVALID_HANDOVER_EPOCH"),
        ({"handover_epoch": "1"}, "INVALID_HANDOVER_EPOCH"),
        ({"handover_epoch": 0}, "INVALID_HANDOVER_EPOCH"),
        ({"handover_epoch": True}, "INVALID_HANDOVER_EPOCH"),
        ({"status": None}, "MISSING_STATUS"),
        ({"correlation_id": "0" * 200}, "JSON_PARSE_ERROR"),
    ],
)
def test_an_acknowledgement_that_is_not_exact_opens_nothing_and_is_counted(changed, reason):
    bench = unregistered()
    bench.acknowledge(**changed)
    assert not bodies(bench.wait(3), "/data")
    bench.acknowledge()
    (metrics,) = bodies(bench.wait(61), "heartbeat_metrics")
    assert (metrics["handover_contract_reject_count"], metrics["handover_contract_last_reject"]) == (1, reason)


@pytest.mark.parametrize("status", ["error", "offline", "hello"])
def test_other_words_only_say_that_the_server_is_alive(status):
    bench = unregistered()
    bench.acknowledge(status=status)
    assert not bodies(bench.wait(3), "/data")


def test_the_gate_closes_at_a_disconnect_and_then_wants_the_new_epoch():
    bench = a_head()
    assert bodies(bench.wait(2), "/data")
    bench.device.disconnect()
    announced = bodies(bench.connect(), "announce")[0]
    assert (announced["handover_epoch"], announced["reason"]) == (2, "reconnect")
    bench.acknowledge(handover_epoch=1)
    assert not bodies(bench.wait(3), "/data")
    bench.acknowledge()
    assert bodies(bench.wait(3), "/data")


def test_numbers_are_shared_by_all_kinds_and_start_again_at_a_reboot():
    bench = a_head()
    said = [*bench.wait(40), *bench.hear(COMMAND, command="ON", correlation_id="c")]
    numbers = [json.loads(message.payload).get("seq") for message in said]
    numbers = [number for number in numbers if number is not None]
    assert numbers == sorted(set(numbers))
    bench.device.reboot()
    bench.connect()
    bench.acknowledge()
    assert bodies(bench.wait(2), "/data")[0]["seq"] == 1
    assert bodies(bench.wait(60), "heartbeat")[0]["boot_sequence_id"].endswith("-b2-r1")


def test_a_device_without_a_clock_takes_the_servers():
    bench = unregistered(clock_off_s=None)
    assert bodies(bench.said, "heartbeat")[0]["ts"] == 0
    bench.acknowledge()
    reading = bodies(bench.wait(2), "/data")[0]
    assert reading["time_valid"]
    assert abs(reading["ts"] - BEGAN_S) <= 2


def test_a_rejected_device_restarts_in_a_loop():
    bench = unregistered()
    bench.acknowledge(status="rejected")
    assert bench.device.leaves_at_s == 60
    assert not bodies(bench.wait(3), "/data")


def test_two_minutes_without_an_acknowledgement_switch_the_outputs_to_their_defaults():
    bench = a_head()
    bench.hear(COMMAND, command="ON", correlation_id="c")
    assert bench.device.actuators[PUMP].state
    bench.wait(122)
    assert not bench.device.actuators[PUMP].state
    bench.wait(31)
    bench.acknowledge(handover_epoch=1)
    assert bench.device.handover.last_reject == "NO_ACTIVE_EPOCH"
    bench.hear_bytes("kaiser/god/server/status", b'{"status":"online","timestamp":1}')
    rejects = bench.device.handover.rejects
    bench.acknowledge()
    assert bench.device.handover.rejects == rejects


def test_a_server_that_goes_offline_switches_outputs_off_but_its_stale_will_does_not():
    will = b'{"status":"offline","timestamp":1,"reason":"unexpected_disconnect"}'
    bench = a_head()
    bench.hear(COMMAND, command="ON", correlation_id="c")
    bench.hear_bytes("kaiser/god/server/status", will)
    assert not bench.device.actuators[PUMP].state
    bench.device.disconnect()
    bench.connect()
    bench.device.actuators[PUMP].command("ON", 1.0, 0.0)
    bench.hear_bytes("kaiser/god/server/status", will)
    assert bench.device.actuators[PUMP].state


def test_a_command_is_answered_with_its_ids_and_a_timed_one_ends_by_itself():
    bench = a_head()
    said = bench.hear(COMMAND, command="ON", duration=30, correlation_id="c-1", issued_by="rule:7")
    (answer,) = bodies(said, "response")
    assert (answer["correlation_id"], answer["issued_by"], answer["success"]) == ("c-1", "rule:7", True)
    assert bodies(said, "status")[0]["command_source"] == "rule:7"
    assert [outcome["outcome"] for outcome in bodies(said, "intent_outcome")] == ["accepted", "applied"]
    bench.wait(29)
    assert bench.device.actuators[PUMP].state
    bench.wait(2)
    assert not bench.device.actuators[PUMP].state


def test_a_unix_time_as_birth_makes_a_command_too_old():
    bench = a_head()
    bench.wait(10)
    ages = {"created_at_ms": BEGAN_S * 1000, "ttl_ms": 5000}
    said = bench.hear(COMMAND, command="ON", correlation_id="c", **ages)
    assert bodies(said, "intent_outcome")[0]["outcome"] == "expired"
    assert not bench.device.actuators[PUMP].state


def test_a_device_with_only_sensors_refuses_commands():
    bench = a_head(actuators=())
    said = bench.hear(COMMAND, command="ON", correlation_id="c")
    assert bodies(said, "intent_outcome")[0]["code"] == "CONFIG_PENDING_BLOCKED"
    assert bodies(bench.wait(61), "heartbeat")[0]["config_status"]["state"] == 8


def test_a_pending_device_publishes_but_refuses_commands():
    bench = unregistered()
    bench.acknowledge(status="pending_approval")
    assert bodies(bench.wait(2), "/data")
    said = bench.hear(COMMAND, command="ON", correlation_id="c")
    assert bodies(said, "intent_outcome")[0]["code"] == "PENDING_APPROVAL_BLOCKED"


def test_outcomes_from_before_the_gate_are_replayed_when_it_opens():
    bench = unregistered()
    for number in range(7):
        bench.hear(COMMAND, command="ON", correlation_id=f"c-{number}")
    assert not bodies(bench.said, "intent_outcome")
    said = bench.acknowledge()
    outcomes = bodies(said, "intent_outcome")
    assert len(outcomes) == 7
    assert all(outcome["recovered"] for outcome in outcomes)
    assert [event["event"] for event in bodies(said, "queue_pressure")] == ["entered_pressure", "recovered"]


def test_a_configuration_without_a_correlation_id_is_refused_as_a_whole():
    bench = a_head()
    (answer,) = bodies(bench.hear("config", sensors=[], actuators=[]), "config_response")
    assert (answer["type"], answer["error_code"]) == ("system", "CONTRACT_MISSING_CORRELATION")
    assert answer["correlation_id"].startswith("fw_")


def test_a_generation_must_grow_even_over_a_reboot():
    bench = a_head()
    pump = {"gpio": PUMP, "actuator_type": "pump", "actuator_name": "a"}
    config = {"sensors": [], "actuators": [pump], "correlation_id": "c"}
    assert bodies(bench.hear("config", generation=5, **config), "config_response")[0]["status"] == "success"
    bench.device.reboot()
    bench.connect()
    bench.acknowledge()
    refused = bodies(bench.hear("config", generation=5, **config), "config_response")[0]
    assert refused["error_code"] == "STALE_SCOPE"


def test_a_configured_interval_and_mode_hold():
    bench = a_head(sensors=())
    slow = {"gpio": 32, "sensor_type": "ph", "sensor_name": "a", "measurement_interval_seconds": 10}
    still = {"gpio": 33, "sensor_type": "ec", "sensor_name": "b", "operating_mode": "on_demand"}
    bench.hear("config", sensors=[slow, still], actuators=[], correlation_id="c")
    assert [reading["gpio"] for reading in bodies(bench.wait(31), "/data")] == [32, 32, 32]
    said = bench.hear("sensor/33/command", command="measure", request_id="m-1")
    assert bodies(said, "/data")[0]["gpio"] == 33
    assert bodies(said, "33/response")[0]["request_id"] == "m-1"


def test_a_dead_probe_is_an_error_and_never_a_reading():
    bench = a_head(sensors=(SensorSpec(sensor_type="ds18b20", gpio=4, middle=DS18B20_FAULT),))
    said = bench.wait(59)
    assert not bodies(said, "/data")
    assert [error["error_code"] for error in bodies(said, "system/error")] == [1060]


def test_an_emergency_cannot_be_cleared_within_five_seconds():
    bench = a_head()
    stopped = bench.hear("actuator/emergency", command="emergency_stop", correlation_id="em-1")
    assert bodies(stopped, "emergency/ack")[0]["gpio_count"] == 2
    early = bench.hear("actuator/emergency", command="clear_emergency")
    assert bodies(early, "255/alert")[0]["alert_type"] == "verification_failed"
    assert bodies(early, "emergency/error")[0]["error"] == "clear_failed"
    refused = bodies(bench.hear(COMMAND, command="ON", correlation_id="c"), "response")[0]
    assert "Clear emergency first" in refused["message"]
    bench.wait(5)
    cleared = bench.hear("actuator/emergency", command="clear_emergency", correlation_id="em-2")
    assert bodies(cleared, "recovery_confirm")[0]["correlation_id"] == "em-2"
    assert bodies(bench.hear(COMMAND, command="ON", correlation_id="c"), "response")[0]["success"]


def test_a_production_build_refuses_everything_without_a_token():
    bench = a_head(production=True)
    said = bench.hear("actuator/emergency", command="emergency_stop")
    assert bodies(said, "emergency/error")[0]["error"] == "unauthorized"
    assert not bodies(bench.hear_bytes(BROADCAST, b'{"command":"stop_all"}'), "alert")
    bench.hear("system/command", command="set_emergency_token", token_type="broadcast", token="t")
    assert bodies(bench.hear_bytes(BROADCAST, b'{"command":"stop_all","auth_token":"t"}'), "alert")


@pytest.mark.parametrize(
    ("body", "stops"),
    [
        ({"command": "stop_all"}, True),
        ({"action": "emergency_stop"}, True),
        ({"command": 5}, True),
        ({"command": "stop_all", "auth_token": 1}, True),
        ({"command": "clear", "action": "stop_all"}, True),
        ({"command": "clear_emergency"}, False),
        ({"command": "stop_all", "timestamp": 5}, False),
        ({"reason": "operator"}, False),
    ],
)
def test_a_broadcast_is_read_strictly_and_an_ambiguous_one_stops(body, stops):
    assert bool(bodies(a_head().hear_bytes(BROADCAST, json.dumps(body).encode()), "alert")) is stops


def test_leaving_a_zone_drops_subzones_and_approval():
    bench = a_head()
    subzone = {"subzone_id": "a", "parent_zone_id": "north_tent", "assigned_gpios": [PUMP], "safe_mode_active": False}
    assert bodies(bench.hear("subzone/assign", **subzone), "subzone/ack")[0]["status"] == "subzone_assigned"
    said = bench.hear("zone/assign", zone_id="", master_zone_id="", zone_name="", kaiser_id="god", correlation_id="z")
    assert bodies(said, "zone/ack")[0]["status"] == "zone_removed"
    assert not bench.device.subzones
    refused = bodies(bench.hear(COMMAND, command="ON", correlation_id="c"), "intent_outcome")[0]
    assert refused["code"] == "PENDING_APPROVAL_BLOCKED"


def test_running_outputs_drop_where_safe_mode_is_not_mentioned():
    bench = a_head()
    bench.hear(COMMAND, command="ON", correlation_id="c")
    bench.hear("subzone/assign", subzone_id="a", parent_zone_id="", assigned_gpios=[PUMP])
    assert not bench.device.actuators[PUMP].state


def test_system_commands_are_lower_case():
    bench = a_head()
    assert bodies(bench.hear("system/command", command="status"), "response")[0]["success"]
    refused = bodies(bench.hear("system/command", command="STATUS"), "response")[0]
    assert (refused["success"], refused["error"]) == (False, "Unknown command")
