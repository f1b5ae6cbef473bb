"""The simulated devices agree with the shared samples: what they say, and how they react to what they are told."""

import json
from pathlib import Path

import pytest

from kaiser.contracts.topics import classify
from kaiser.contracts.uplink import Accepted, decode_uplink
from kaiser.fleet.check import judge
from kaiser.fleet.life import everything

SAMPLES = Path(__file__).parents[2] / "contracts" / "samples" / "wire-samples.jsonl"
LINES = [json.loads(line) for line in SAMPLES.read_text().splitlines()]


@pytest.mark.parametrize("line", LINES, ids=[f"line-{number}" for number in range(1, len(LINES) + 1)])
def test_the_simulator_agrees_with_a_sample(line):
    assert judge(line) == ""


@pytest.mark.parametrize("generation", ["dec", "head"])
def test_everything_a_device_says_becomes_an_event(generation):
    said = everything(generation)
    assert len({classify(message.topic).kind for message in said}) >= (11 if generation == "dec" else 20)
    for message in said:
        outcome = decode_uplink(message.topic, message.payload)
        assert isinstance(outcome, Accepted), (message, outcome)
        assert not outcome.flags, (message, outcome)


def test_a_sample_that_no_device_would_send_is_noticed():
    heartbeat = next(line for line in LINES if line["topic"].endswith("system/heartbeat"))
    assert judge({**heartbeat, "retain": True})
    assert judge({**heartbeat, "payload": {**heartbeat["payload"], "uptime": "60"}})
    assert judge({**heartbeat, "payload": {**heartbeat["payload"], "firmware": "1.0"}})
