"""A corpus tells on whoever changes what was released, or no longer reads it."""

import json

import msgspec
import pytest

from kaiser.contracts import golden
from kaiser.contracts.events.catalogue import CATALOGUE

RENAMED = next(event for event in CATALOGUE if event.name == "io.kaiser.device.renamed.v1")
BODY = {"kaiser_id": "god", "esp_id": "ESP_1", "at": 1, "by": "eve", "correlation_id": "c", "name": "north"}


class Moved(msgspec.Struct):
    zone: str
    by: str = "unknown"


class MovedV2(msgspec.Struct):
    zone_id: str
    by: str = "unknown"


def _line(body: dict, release: str = "1.0.0") -> golden.Golden:
    text = json.dumps(body)
    return golden.Golden(release=release, subject="moved.a", body=text, sha256=golden.digest("moved.a", text))


def _faults(lines, structs, *, upcasters=None, upcast=None, released=("moved.v1",)) -> list[str]:
    corpus = {"moved.v1": tuple(lines)} if lines else {}
    return list(golden.faults(corpus, structs, upcasters or {}, upcast or {}, frozenset(released)))


def test_what_is_read_as_it_was_written_is_no_fault_and_new_fields_may_have_defaults() -> None:
    assert _faults([_line({"zone": "north"})], {"moved.v1": Moved}) == []


def test_a_released_type_without_golden_bytes_is_named() -> None:
    assert _faults([], {"moved.v1": Moved}) == [
        "moved.v1: was released and has no golden bytes; add contracts/golden/moved.v1.jsonl"
    ]


@pytest.mark.parametrize("part", ["body", "subject"])
def test_golden_bytes_that_were_changed_are_noticed(part: str) -> None:
    line = msgspec.structs.replace(_line({"zone": "north"}), **{part: '{"zone":"south"}'})
    assert _faults([line], {"moved.v1": Moved}) == [
        "moved.v1 of 1.0.0: its golden bytes were changed; what was released stays as it is"
    ]


def test_a_field_that_is_not_read_any_more_is_named() -> None:
    assert _faults([_line({"zone": "north", "why": "sun"})], {"moved.v1": Moved}) == [
        "moved.v1 of 1.0.0.why: was written and is not read any more"
    ]


def test_a_field_of_another_type_is_named() -> None:
    (fault,) = _faults([_line({"zone": 7})], {"moved.v1": Moved})
    assert fault.startswith("moved.v1 of 1.0.0: cannot be read any more: ")
    assert "$.zone" in fault


def test_a_type_that_nothing_reads_is_a_fault() -> None:
    (fault,) = _faults([_line({"zone": "north"})], {})
    assert "cannot be read any more" in fault


UP = {"moved.v1": ("moved.v2", lambda body: {"zone_id": body["zone"]})}


def test_an_upcaster_gives_what_the_corpus_expects() -> None:
    lines = [_line({"zone": "north"}), _line({"zone": "south"}, "1.1.0")]
    wanted = [{"zone_id": "north", "by": "unknown"}, {"zone_id": "south", "by": "unknown"}]
    assert _faults(lines, {"moved.v2": MovedV2}, upcasters=UP, upcast={"moved.v1": wanted}) == []
    wanted[1]["zone_id"] = "east"
    assert _faults(lines, {"moved.v2": MovedV2}, upcasters=UP, upcast={"moved.v1": wanted}) == [
        "moved.v1 of 1.1.0.zone_id: is 'east', and is read as 'south'"
    ]


def test_an_upcaster_without_expectations_is_a_fault() -> None:
    assert _faults([_line({"zone": "north"})], {"moved.v2": MovedV2}, upcasters=UP) == [
        "moved.v1: of 1 golden lines upcast/moved.v1.jsonl says for 0 what they become"
    ]


def test_a_release_appends_what_is_new_and_leaves_what_is_there(tmp_path) -> None:
    assert golden.append(tmp_path, "1.0.0", {RENAMED.name: BODY}) == [RENAMED.name]
    assert golden.append(tmp_path, "1.1.0", {RENAMED.name: BODY}) == []
    assert golden.append(tmp_path, "1.2.0", {RENAMED.name: {**BODY, "name": "south"}}) == [RENAMED.name]
    lines = golden.read(tmp_path)[RENAMED.name]
    assert [line.release for line in lines] == ["1.0.0", "1.2.0"]
    assert lines[0].subject == "device.god.ESP_1.registry.renamed"
    assert list(golden.faults({RENAMED.name: lines}, {RENAMED.name: RENAMED.body}, {}, {}, frozenset())) == []
