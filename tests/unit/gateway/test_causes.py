"""Which causes an event names, for every event there is."""

import json
from pathlib import Path
from typing import Any

import pytest

from kaiser.contracts.events.catalogue import CATALOGUE, EventType
from kaiser.contracts.events.telemetry import RAW_SEQUENCE
from kaiser.eventlog import Event, Message
from kaiser.gateway.browsing import STREAMS
from kaiser.gateway.cause_references import At, Last, Search
from kaiser.gateway.causes import references, root
from kaiser.gateway.chaining import Chain, Link, Missing

SAMPLES = Path(__file__).parents[3] / "contracts" / "samples"
KNOWN = {event.name: event for event in CATALOGUE if event.stream in STREAMS}
AT = 1_777_614_000_000_000


def message(
    event: EventType, *, event_id: str = "id", headers: dict[str, str] | None = None, **changed: Any
) -> Message:
    said = json.loads((SAMPLES / f"{event.name}.json").read_text()) | changed
    levels = [level if not level.startswith("{") else "7" for level in event.subject.split(".")]
    stored = Event(
        subject=".".join(levels),
        type=event.name,
        data=json.dumps(said).encode(),
        source="kaiser/bridge" if event.writer == "bridge" else f"kaiser/{event.writer}",
        id=event_id,
        headers=headers,
    )
    return Message(stream=event.stream, seq=9, stored_at=AT, event=stored)


def named(name: str, **changed: Any) -> tuple[At | Last | Search, ...]:
    return references(message(KNOWN[f"io.kaiser.{name}.v1"], **changed))


@pytest.mark.parametrize("name", KNOWN)
def test_every_event_names_causes_in_streams_that_can_be_read_and_none_that_came_later(name: str) -> None:
    for each in references(message(KNOWN[name])):
        streams = {stream for stream, _ in each.of} if isinstance(each, Last) else {each.stream}
        assert streams <= set(STREAMS)
        assert each.relation
        if isinstance(each, Search):
            assert 0 <= each.start < each.end
            assert each.any_of or each.event_id or each.asked or each.kind, "anything would do"


def test_a_finished_reading_came_of_the_raw_batch_whose_id_it_has() -> None:
    (search,) = named("telemetry.reading", event_id="bridge-0.00ab.f", kaiser_id="god")
    assert isinstance(search, Search)
    assert (search.event_id, search.subjects) == ("bridge-0.00ab", ("telemetry.raw.god.7",))
    raw = message(KNOWN["io.kaiser.telemetry.raw.v1"], event_id="bridge-0.00ab")
    assert search.takes(raw)
    assert not search.takes(message(KNOWN["io.kaiser.telemetry.raw.v1"], event_id="bridge-0.00ac"))
    assert references(raw) == ()
    assert root(raw) == "device"


def test_a_finished_reading_says_where_its_raw_batch_is() -> None:
    (search,) = named("telemetry.reading", event_id="bridge-0.00ab.f", headers={RAW_SEQUENCE: "4711"})
    assert isinstance(search, Search)
    assert (search.seq, search.event_id) == (4711, "bridge-0.00ab"), "and which it is, for sequences begin anew"
    assert named("telemetry.reading", event_id="bridge-0.00ab.f", headers={RAW_SEQUENCE: "x"}) == ()


def test_a_replayed_reading_came_of_its_letter_and_of_who_ordered_it() -> None:
    letter, ordered = named("telemetry.raw", event_id="replay.4711-3.1.0")
    assert letter == At(relation="replay of", stream="DEADLETTER", seq=4711)
    assert isinstance(ordered, Search)
    assert ordered.subjects == ("deadletter.settled.4711-3",)


def test_the_end_of_a_command_names_its_request_the_decision_and_what_was_reported() -> None:
    found = named("command.ended", command_id="c-1", decision_seq=5, outcome="succeeded")
    assert At(relation="decided by", stream="SAFETY", seq=5) in found
    assert {each.relation for each in found} == {"requested by", "decided by", "sent by", "reported by"}
    rejected = named("command.ended", command_id="c-1", decision_seq=5, outcome="rejected")
    assert {each.relation for each in rejected} == {"requested by", "decided by"}


@pytest.mark.parametrize(
    ("source", "cause", "relations"),
    [
        ("user", "", {"asked for by"}),
        ("rule", "water-north.3.17", {"asked for by"}),
        ("timer", "c-0", {"follows from"}),
        ("drift", "c-0", {"follows from", "after the drift"}),
        ("safety", "", {"after the stop"}),
    ],
)
def test_a_request_names_whoever_it_came_from(source: str, cause: str, relations: set[str]) -> None:
    found = named("command.requested", source=source, causation_id=cause, by="ada")
    assert {each.relation for each in found} == relations
    if source == "rule":
        assert isinstance(found[0], Search)
        assert found[0].subjects == ("logic.run.water-north",)


def test_a_run_names_what_set_it_off_what_it_saw_and_its_version_of_the_rule() -> None:
    seen = {"kind": "all", "truth": True, "parts": [{"kind": "compare", "truth": True, "seq": 4}, {"kind": "all"}]}
    found = named("run.started", cause={"kind": "reading", "stream": "TELEMETRY", "seq": 3}, seen=seen, version=2)
    assert [each for each in found if isinstance(each, At)] == [
        At(relation="triggered by", stream="TELEMETRY", seq=3),
        At(relation="saw", stream="TELEMETRY", seq=4),
    ]
    (rule,) = [each for each in found if isinstance(each, Search)]
    assert rule.any_of == (("version", 2),)


def test_what_somebody_decided_is_looked_for_in_the_audit_and_what_kaiser_did_is_not() -> None:
    (entry,) = named("safety.emergency_requested", by="ada", emergency_id="e-1")
    assert isinstance(entry, Search)
    audited = KNOWN["io.kaiser.identity.audited.v1"]
    assert entry.takes(message(audited, username="ada", subject="e-1"))
    assert entry.takes(message(audited, username="ada", subject="", path="/api/v1/emergency-stops/e-1/release"))
    assert not entry.takes(message(audited, username="ada", subject="e-2", path="/api/v1/emergency-stops", seq=9))
    assert not entry.takes(message(audited, username="bob", subject="e-1"))
    assert named("safety.emergency_requested", by="kaiser") == ()
    assert root(message(audited)) == "user"


def test_an_output_that_is_off_may_have_been_stopped_by_whatever_covers_it() -> None:
    off = {"esp_id": "ESP_9F03D4", "ts": 0, "gpio": 7, "actuator_type": "pump", "state": False, "zone_id": "tent"}
    (last,) = named("actuator.status", esp_id="ESP_9F03D4", kaiser_id="god", message=off)
    assert isinstance(last, Last)
    assert last.stopped is not None
    stop = KNOWN["io.kaiser.safety.emergency_requested.v1"]
    for scope, covers in (
        ({"kind": "site"}, True),
        ({"kind": "zone", "zone_id": "tent"}, True),
        ({"kind": "zone", "zone_id": "hall"}, False),
        ({"kind": "actuator", "esp_id": "ESP_9F03D4", "gpio": 7}, True),
        ({"kind": "actuator", "esp_id": "ESP_9F03D4", "gpio": 8}, False),
        ("garbage", False),
    ):
        assert last.stopped.stopped_by(message(stop, scope=scope)) == covers
    (last,) = named("actuator.status", esp_id="ESP_9F03D4", message=off | {"state": True})
    assert isinstance(last, Last)
    assert last.stopped is None, "no stop switches anything on"


def test_what_is_behind_a_hidden_cause_is_hidden_and_what_else_leads_there_is_not() -> None:
    def at(seq: int) -> Message:
        return Message(stream="S", seq=seq, stored_at=AT, event=Event(subject="s", type="t", data=b"", source="test"))

    first = at(1)
    pairs = [(1, 2), (1, 3), (2, 4), (3, 5), (4, 6)]
    whole = Chain(
        links=[Link(of=at(of), relation="r", cause=at(cause)) for of, cause in pairs],
        missing=[Missing(of=at(seq), relation="r") for seq in (5, 6)],
    )
    part = whole.only(first, lambda message: message.seq != 2)
    assert [(link.of.seq, link.cause.seq) for link in part.links] == [(1, 3), (3, 5)]
    assert [gap.of.seq for gap in part.missing] == [5]
    assert whole.only(first, lambda _: True) == whole
