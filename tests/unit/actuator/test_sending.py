"""What devices of both generations are told."""

import msgspec
import pytest

from kaiser.actuator.sending import ON_LIVES_US, messages, needs_priming
from kaiser.contracts.events.actuation import CommandDispatched, CommandRequested
from kaiser.contracts.events.downlink import DownlinkRequested
from kaiser.contracts.events.equipment import WantedActuator
from kaiser.eventlog import ConsumerSpec
from kaiser.safety.outputs import IN_FLIGHT_US

COMMON = {
    "kaiser_id": "god", "esp_id": "ESP_0A1B2C", "gpio": 25, "at": 1_000_000, "command_id": "c1", "correlation_id": "r1",
}  # fmt: skip


def told(
    generation: str, action: str, level: float, *, duration_s: int = 0, prime: bool = False, approved_until: int = 0
):
    request = CommandRequested(
        **COMMON, action=action, asked=action, level=level, duration_s=duration_s, source="user", by="ada",
        deadline_at=31_000_000,
    )  # fmt: skip
    sent = CommandDispatched(**COMMON, attempt=2, answer_by=11_000_000, approved_until=approved_until)
    events = messages(request, sent, generation, prime=prime)
    return events, [msgspec.json.decode(event.data, type=DownlinkRequested) for event in events]


def test_dec_gets_the_word_and_no_id_and_never_a_duration():
    events, (downlink,) = told("dec", "ON", 1.0, duration_s=60)
    assert msgspec.json.decode(downlink.payload) == {"command": "ON", "value": 1.0, "duration": 0}
    assert (downlink.topic, downlink.qos) == ("kaiser/god/esp/ESP_0A1B2C/actuator/25/command", 2)
    assert downlink.correlation_id == "c1"
    assert (events[0].id, events[0].subject) == ("c1.2", "downlink.god.ESP_0A1B2C.actuator_command")


def test_on_waits_for_the_broker_neither_long_nor_beyond_its_approval_and_off_as_long_as_for_its_answer():
    (on,) = told("dec", "ON", 1.0, approved_until=20_000_000)[1]
    assert on.expires_at == 1_000_000 + ON_LIVES_US < 11_000_000
    (pwm,) = told("head", "PWM", 0.5, approved_until=2_000_000)[1]
    assert pwm.expires_at == 2_000_000
    (off,) = told("dec", "OFF", 0.0)[1]
    assert off.expires_at == 11_000_000


def test_an_on_is_over_before_the_stream_gives_it_to_another_bridge_again_and_before_safety_takes_it_for_lost():
    assert ConsumerSpec(stream="DOWNLINK", durable="bridge").ack_wait_s * 1e6 > ON_LIVES_US
    assert IN_FLIGHT_US > ON_LIVES_US


def test_head_gets_the_id_and_a_timer_of_its_own_for_on_only():
    _, (on,) = told("head", "ON", 1.0, duration_s=60)
    body = msgspec.json.decode(on.payload)
    assert (body["duration"], body["correlation_id"], body["intent_id"]) == (60, "c1", "c1")
    assert not {"ttl_ms", "created_at_ms"} & set(body)
    _, (pwm,) = told("head", "PWM", 0.35, duration_s=60)
    assert (msgspec.json.decode(pwm.payload)["value"], msgspec.json.decode(pwm.payload)["duration"]) == (0.35, 0)


@pytest.mark.parametrize("generation", ["dec", "head"])
def test_an_inverted_relay_is_told_on_before_its_first_off(generation):
    events, (on, off) = told(generation, "OFF", 0.0, prime=True)
    words = [msgspec.json.decode(downlink.payload)["command"] for downlink in (on, off)]
    assert words == ["ON", "OFF"]
    assert [event.id for event in events] == ["c1.2.on", "c1.2"]
    assert (on.correlation_id, off.correlation_id) == ("", "c1")


@pytest.mark.parametrize(
    ("more", "done_at", "reset_at", "needed"),
    [
        ({}, 0, 100, True),
        ({}, 50, 100, True),
        ({}, 150, 100, False),
        ({}, 0, 0, False),
        ({"inverted": False}, 0, 100, False),
        ({"default_state": True}, 0, 100, False),
        ({"actuator_type": "valve"}, 0, 100, False),
    ],
)
def test_priming_is_for_inverted_relays_that_did_nothing_since_they_were_reset(more, done_at, reset_at, needed):
    wanted = WantedActuator(**({"gpio": 25, "actuator_type": "relay", "name": "Lamp", "inverted": True} | more))
    assert needs_priming(wanted, "head", done_at=done_at, reset_at=reset_at) == needed
    assert not needs_priming(wanted, "dec", done_at=done_at, reset_at=reset_at), "it says on, and OFF is enough"


def test_what_nobody_configured_is_not_primed():
    assert not needs_priming(None, "head", done_at=0, reset_at=100)
