"""Which events are of what, and what of them is nobody's business."""

import json
from typing import Any

import pytest

from kaiser.contracts import subjects
from kaiser.contracts.events.catalogue import CATALOGUE
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import Event, Message
from kaiser.gateway import browsing
from kaiser.gateway.browsing import SECRET, aggregate, body, device_of, must_be_of


def message(event_type: str, said: Any) -> Message:
    event = Event(subject="s", type=event_type, data=json.dumps(said).encode(), source="kaiser/test")
    return Message(stream="S", seq=1, stored_at=1, event=event)


@pytest.mark.parametrize(
    ("text", "stream", "subject"),
    [
        ("device/ESP_1", "DEVICES", "device.*.ESP_1.>"),
        ("registry/ESP_1", "DEVICES", subjects.registry_of("ESP_1")),
        ("actuator/ESP_1/25", "ACTUATORS", "actuator.*.ESP_1.25.>"),
        ("safety/ESP_1/25", "SAFETY", "safety.*.ESP_1.25"),
        ("rule/a b", "LOGIC", "logic.rule.a=20b.>"),
        ("user/>", "IDENTITY", "identity.user.=3E.>"),
    ],
)
def test_something_has_its_events_on_subjects_of_one_stream(text: str, stream: str, subject: str) -> None:
    found = aggregate(text)
    assert found[:2] == (stream, subject)
    must_be_of(stream, subject)


@pytest.mark.parametrize(
    ("subject", "esp_id"),
    [
        (subjects.device("god", "ESP_1", "lost"), "ESP_1"),
        (subjects.registry_of("ESP_1").replace(">", "approved"), "ESP_1"),
        (subjects.heartbeat("", "ESP_1"), "ESP_1"),
        (subjects.health("god", "ESP_1", "diagnostics"), "ESP_1"),
        (subjects.command_event("god", "ESP 1", 25, "requested"), "ESP 1"),
        (subjects.safety("decision", "ESP_1", 25), "ESP_1"),
        (subjects.emergency("requested"), ""),
        (subjects.interlock("ESP_1"), ""),
        (subjects.telemetry_reading("god", 1), ""),
        (subjects.rule("water", "defined"), ""),
        (subjects.user("u1", "created"), ""),
        (subjects.settled("1-0"), ""),
    ],
)
def test_an_event_is_about_the_device_of_its_subject(subject: str, esp_id: str) -> None:
    assert device_of(subject) == esp_id


@pytest.mark.parametrize("text", ["", "rule", "rule/", "toy/1", "actuator/ESP_1", "actuator/ESP_1/x", "safety/a/²"])
def test_what_there_is_no_such_thing_of_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        aggregate(text)
    assert (refused.value.code, refused.value.where) == ("VALUE_OUT_OF_RANGE", "aggregate")


@pytest.mark.parametrize(
    "subject", ["actuator.>", ">", "*", "device. x", "device.\0", "device.é", "device.>.x", "device..x", "device."]
)
def test_a_filter_is_of_its_own_stream_and_well_formed(subject: str) -> None:
    with pytest.raises(Refusal):
        must_be_of("DEVICES", subject)


def test_every_stream_but_the_queue_can_be_read() -> None:
    assert set(browsing.STREAMS) == {spec.name for spec in STREAMS if spec.retention == "limits"}


def test_secrets_are_left_out_wherever_they_stand() -> None:
    said = {"user_id": "u", "password_hash": "h", "key": {"digest": "d", "key_id": "k"}}
    assert body(message("io.kaiser.identity.user.created.v1", said)) == {"user_id": "u", "key": {"key_id": "k"}}
    assert body(message("io.kaiser.rule.backtested.v1", {"digest": "d"})) == {"digest": "d"}
    assert body(message("io.kaiser.heartbeat.v1", [1])) == {}


def test_no_event_has_another_field_that_sounds_like_a_secret() -> None:
    for event in CATALOGUE:
        if event.name.startswith(browsing.WITH_SECRETS):
            fields = set(getattr(event.body, "__struct_fields__", ()))
            doubtful = {
                name for name in fields if any(word in name for word in ("hash", "digest", "secret", "password"))
            }
            assert doubtful <= SECRET | {"hash"}, event.name  # that of the audit's chain is for everybody
