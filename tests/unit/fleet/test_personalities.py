"""Simulated devices say what the contract knows, and believe only what the firmware believes."""

import json
from pathlib import Path

import pytest

from kaiser.contracts.uplink import Accepted, decode_uplink, looks_like_head
from kaiser.fleet.dec import ATTEMPTS, DecDevice
from kaiser.fleet.device import Broker, DeviceSpec
from kaiser.fleet.head import HeadDevice, epoch_of_ack
from kaiser.fleet.sensors import five_sensors
from kaiser.fleet.sent import Sent

SAMPLES = Path(__file__).parents[3] / "contracts" / "samples" / "wire-samples.jsonl"
SPEC = DeviceSpec(esp_id="ESP_A10000", sensors=five_sensors(0))
BROKER = Broker(host="127.0.0.1", port=1883)
TS = 1_777_500_031


def _sample(suffix: str, generation: str) -> dict:
    for line in map(json.loads, SAMPLES.read_text().splitlines()):
        if line["expect"] == "accept" and line["generation"] == generation and line["topic"].endswith(suffix):
            return line["payload"]
    raise AssertionError(f"no sample for {suffix} of {generation}")


@pytest.mark.parametrize("personality", [HeadDevice, DecDevice])
@pytest.mark.parametrize("sensor", SPEC.sensors, ids=lambda sensor: sensor.sensor_type)
def test_every_reading_is_accepted_as_it_is(personality, sensor) -> None:
    device = personality(SPEC, BROKER, Sent())
    payload = device.reading(sensor, sensor.middle, TS).encode()
    outcome = decode_uplink(device.topic(f"sensor/{sensor.gpio}/data"), payload)
    assert isinstance(outcome, Accepted), outcome
    assert outcome.flags == ()
    assert outcome.message.raw == sensor.middle
    assert looks_like_head(outcome.message) == (personality is HeadDevice)


def test_a_negative_count_of_dec_wraps_and_is_unwrapped() -> None:
    device, sensor = DecDevice(SPEC, BROKER, Sent()), SPEC.sensors[0]
    payload = device.reading(sensor, -16, TS)
    assert json.loads(payload)["raw"] == 4_294_967_280
    outcome = decode_uplink(device.topic("sensor/4/data"), payload.encode())
    assert isinstance(outcome, Accepted)
    assert outcome.message.raw == -16


@pytest.mark.parametrize(("personality", "generation"), [(HeadDevice, "head"), (DecDevice, "dec")])
def test_heartbeats_and_readings_have_the_fields_of_the_samples_in_their_order(personality, generation) -> None:
    device = personality(SPEC, BROKER, Sent())
    heartbeat, wanted = json.loads(device._heartbeat()), _sample("system/heartbeat", generation)
    assert list(heartbeat) == list(wanted) or set(heartbeat) == set(wanted)
    assert {name: type(value) for name, value in heartbeat.items()} == {
        name: type(value) for name, value in wanted.items()
    }
    sensor = SPEC.sensors[1]
    reading, wanted = json.loads(device.reading(sensor, 26214, TS)), _sample("/data", generation)
    assert list(reading) == list(wanted)


def test_a_will_is_accepted_of_both() -> None:
    for personality in (HeadDevice, DecDevice):
        device = personality(SPEC, BROKER, Sent())
        assert isinstance(decode_uplink(device.topic("system/will"), device.will().encode()), Accepted)


@pytest.mark.parametrize(
    ("ack", "epoch"),
    [
        ({"status": "online", "handover_epoch": 3, "server_time": 1}, 3),
        ({"status": "pending_approval", "handover_epoch": 3}, 3),
        ({"status": "online", "handover_epoch": 4}, None),
        ({"status": "online", "handover_epoch": 3.0}, None),
        ({"status": "online", "handover_epoch": "3"}, None),
        ({"status": "online", "handover_epoch": True}, None),
        ({"status": "online"}, None),
        ({"handover_epoch": 3}, None),
        ({"status": "online", "handover_epoch": 3, "correlation_id": "x" * 300}, None),
    ],
)
def test_only_an_exact_acknowledgement_opens_the_gate(ack: dict, epoch: int | None) -> None:
    assert epoch_of_ack(json.dumps(ack).encode(), 3) == epoch


def test_dec_gives_up_after_ten_reconnects_and_head_never() -> None:
    dec, head = DecDevice(SPEC, BROKER, Sent()), HeadDevice(SPEC, BROKER, Sent())
    assert dec.may_reconnect(ATTEMPTS)
    assert not dec.may_reconnect(ATTEMPTS + 1)
    assert head.may_reconnect(10_000)
