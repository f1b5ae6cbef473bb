"""No message that a server sends, however wrong, ends a simulated device."""

import json
import random
from typing import Any

import pytest

from kaiser.fleet.firmware import BROADCAST
from kaiser.fleet.life import Bench, a_spec
from kaiser.fleet.message import object_of

HALF_A_PAIR = b"\\ud800"
SUBZONE = {"subzone_id": "a", "parent_zone_id": "", "assigned_gpios": [25], "safe_mode_active": False}
VALID: list[tuple[str, dict[str, Any]]] = [
    (
        "config",
        {
            "sensors": [{"gpio": 5, "sensor_type": "ph", "sensor_name": "a"}],
            "actuators": [{"gpio": 25, "actuator_type": "pwm", "actuator_name": "a"}],
            "correlation_id": "c",
        },
    ),
    ("actuator/25/command", {"command": "PWM", "value": 0.5, "duration": 1, "correlation_id": "c"}),
    ("zone/assign", {"zone_id": "n", "master_zone_id": "h", "zone_name": "n", "kaiser_id": "god"}),
    ("subzone/assign", SUBZONE),
    ("subzone/remove", {"subzone_id": "a"}),
    ("subzone/safe", {"subzone_id": "a", "action": "enable"}),
    ("actuator/emergency", {"command": "emergency_stop", "auth_token": "t", "correlation_id": "c"}),
    ("system/command", {"command": "onewire/scan", "params": {"pin": 4}}),
    ("sensor/4/command", {"command": "measure", "request_id": "m"}),
    ("system/heartbeat/ack", {"status": "online", "handover_epoch": 1, "server_time": 1_777_500_000}),
    (BROADCAST, {"command": "stop_all", "reason": "x"}),
]
WRONG: list[Any] = [None, True, -1, 2**70, 10**400, 1e308, "", "x", 'é"\\', [], {}, [1, {}], {"a": [1]}, "9" * 400]
NO_OBJECTS = (b"", b"\xff", b"[1]", b"null", b"[" * 5000, b'{"command":NaN}', b'{"zone_id":"' + HALF_A_PAIR + b'"}')


def _hear(bench: Bench, suffix: str, payload: bytes) -> None:
    bench.hear_bytes(suffix if suffix == BROADCAST else bench.device.topic(suffix), payload)
    bench.wait(1)


@pytest.mark.parametrize("generation", ["head", "dec"])
@pytest.mark.parametrize(("suffix", "body"), VALID, ids=[suffix for suffix, _ in VALID])
def test_a_device_outlives_every_wrong_type_in_every_field(generation, suffix: str, body: dict[str, Any]) -> None:
    bench = Bench(a_spec(generation))
    for name in body:
        for wrong in WRONG:
            _hear(bench, suffix, json.dumps({**body, name: wrong}).encode())
        _hear(bench, suffix, json.dumps({key: value for key, value in body.items() if key != name}).encode())


@pytest.mark.parametrize("generation", ["head", "dec"])
@pytest.mark.parametrize("kind", ["sensors", "actuators"])
def test_a_device_outlives_every_wrong_type_in_an_item_of_a_configuration(generation, kind: str) -> None:
    bench, config = Bench(a_spec(generation)), VALID[0][1]
    options = ("subzone_id", "active", "onewire_address", "i2c_address", "measurement_interval_seconds", "default_pwm")
    for name in (*config[kind][0], *options, "operating_mode", "raw_mode", "default_state"):
        for wrong in WRONG:
            _hear(bench, "config", json.dumps({**config, kind: [{**config[kind][0], name: wrong}, wrong]}).encode())


@pytest.mark.parametrize("generation", ["head", "dec"])
def test_a_device_outlives_what_is_no_object_and_noise(generation) -> None:
    bench, chance = Bench(a_spec(generation)), random.Random(5)
    for suffix, body in VALID:
        for payload in (*NO_OBJECTS, *(chance.randbytes(40) for _ in range(20))):
            _hear(bench, suffix, payload)
        text = json.dumps(body).encode()
        for cut in range(len(text)):
            _hear(bench, suffix, text[:cut])


@pytest.mark.parametrize("payload", NO_OBJECTS)
def test_what_the_firmware_cannot_parse_is_no_object(payload: bytes) -> None:
    assert object_of(payload) is None
