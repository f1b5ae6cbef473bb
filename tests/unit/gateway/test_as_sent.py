"""Which messages of devices the events of a chain are shown with."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kaiser.contracts.events.packing import Packer
from kaiser.eventlog import Event, Message
from kaiser.gateway.as_sent import Sent, sent

SAMPLES = Path(__file__).parents[3] / "contracts" / "samples"
AT = 1_777_614_000_000_000
PINS = (32, 33, 34, 34)
PAYLOADS = [b'{"gpio":32}', b'{"gpio":33}', b'{"gpio":34}', b"\xff"]


def message(stream: str, seq: int, kind: str, *, event_id: str = "id", **changed: Any) -> Message:
    name = f"io.kaiser.{kind}.v1"
    said = json.loads((SAMPLES / f"{name}.json").read_text()) | changed
    event = Event(subject="s", type=name, data=msgspec.json.encode(said), source="kaiser/bridge", id=event_id)
    return Message(stream=stream, seq=seq, stored_at=AT, event=event)


def columns(**changed: Any) -> dict[str, Any]:
    return {
        "esp_id": ["ESP_9F03D4"] * 4,
        "gpio": list(PINS),
        "sensor_type": ["moisture"] * 4,
        "received_at": [AT + i for i in range(4)],
    } | changed


def raw(seq: int = 7, *, event_id: str = "id", **changed: Any) -> Message:
    more = {"delivery": [1, 0, 1, 1], "redelivered": [2], "payloads": Packer().pack(PAYLOADS)} | changed
    return message("TELEMETRY_RAW", seq, "telemetry.raw", event_id=event_id, **columns(**more))


def finished(seq: int = 9, **changed: Any) -> Message:
    measured = [AT - 9, AT - 9, AT - 9, AT - 8]
    return message("TELEMETRY", seq, "telemetry.reading", **columns(measured_at=measured, **changed))


def run(**seen: Any) -> Message:
    cause = {"kind": "reading", "what": "ESP_9F03D4/32/moisture", "stream": "TELEMETRY", "seq": 9, "at": AT - 9}
    return message("LOGIC", 3, "run.started", cause=cause, seen={"kind": "all", "truth": True, "parts": [seen]})


def payloads(found: dict[tuple[str, int], list[Sent]]) -> list[bytes]:
    return [each.payload for each in found.get(("TELEMETRY_RAW", 7), [])]


def test_a_raw_batch_is_shown_with_all_of_its_messages() -> None:
    found = sent(raw(), [])["TELEMETRY_RAW", 7]
    assert [each.payload for each in found] == PAYLOADS
    assert found[1].topic == "kaiser/god/esp/ESP_9F03D4/sensor/33/data"
    assert [(each.received_at - AT, each.qos, each.dup) for each in found] == [
        (0, 1, False),
        (1, 0, False),
        (2, 1, True),
        (3, 1, False),
    ]


def test_a_finished_batch_is_shown_with_the_messages_that_are_in_it() -> None:
    part = finished(esp_id=["ESP_9F03D4"] * 2, received_at=[AT + 1, AT + 3])
    assert payloads(sent(part, [(part, raw())])) == [PAYLOADS[1], PAYLOADS[3]]


@pytest.mark.parametrize(
    ("seen", "rows"),
    [
        ({"what": "ESP_9F03D4/33/moisture", "seq": 9, "at": AT - 9}, [0, 1]),
        ({"what": "ESP_9F03D4/34/moisture/28FF641E8C160350", "seq": 9, "at": AT - 8}, [0, 3]),
        ({"what": "ESP_9F03D4/34/moisture", "seq": 8, "at": AT - 9}, [0]),
        ({"kind": "during hours"}, [0]),
    ],
)
def test_of_what_a_rule_saw_only_the_readings_that_it_saw_are_shown(seen: dict[str, Any], rows: list[int]) -> None:
    links = [(run(**seen), finished()), (finished(), raw())]
    assert payloads(sent(run(**seen), links)) == [PAYLOADS[row] for row in rows]


def test_a_message_that_is_an_event_of_its_own_is_shown_with_it() -> None:
    mqtt = {"topic": "kaiser//esp/ESP_0A1B2C/system/heartbeat", "payload": "/w==", "qos": 1, "dup": True}
    beat = message("HEARTBEATS", 1, "heartbeat", received_at=AT, mqtt=mqtt)
    (found,) = sent(beat, [])["HEARTBEATS", 1]
    assert (found.topic, found.payload, found.qos, found.dup) == (mqtt["topic"], b"\xff", 1, True)
    assert found.received_at == AT


def test_of_what_was_taken_once_more_nobody_knows_how_it_came() -> None:
    found = sent(raw(event_id="replay.7-0.1.0"), [])["TELEMETRY_RAW", 7]
    assert {(each.qos, each.dup) for each in found} == {(None, None)}


def test_events_of_releases_that_kept_no_bytes_and_broken_ones_are_shown_without() -> None:
    before = message("HEARTBEATS", 1, "heartbeat", mqtt=None)
    broken = raw(payloads=b"no frame")
    assert sent(raw(payloads=b""), [(broken, before), (before, broken)]) == {}
    assert sent(message("LOGIC", 3, "run.started", cause=7, seen=[1]), []) == {}
