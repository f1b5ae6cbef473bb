"""What contracts/ says is what the types say, and its samples are what its schemas allow."""

import json
from pathlib import Path

import jsonschema
import pytest

from kaiser.contracts import generate
from kaiser.contracts.events.catalogue import CATALOGUE
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.streams import DEVICE_CALIBRATION, DEVICE_REGISTRY, DEVICE_SAID, PERMISSIONS, STREAMS

FOLDER = Path(__file__).parents[2] / "contracts"


def test_the_folder_is_in_step_with_the_types() -> None:
    assert generate.drift(FOLDER) == []


def test_nothing_breaks_the_last_release() -> None:
    assert (FOLDER / "released").is_dir()
    assert generate.incompatible(FOLDER) == []


@pytest.mark.parametrize("event", CATALOGUE, ids=lambda event: event.name)
def test_a_sample_is_valid_and_can_be_read(event) -> None:
    sample = (FOLDER / "samples" / f"{event.name}.json").read_text()
    schema = json.loads((FOLDER / "schemas" / f"{event.name}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(sample))
    assert type(EventDecoder({event.name: event.body}).decode(event.name, sample.encode()))


def test_every_subject_belongs_to_one_stream_and_its_writer_may_write_it() -> None:
    streams = {stream.name: stream for stream in STREAMS}
    for event in CATALOGUE:
        head = event.subject.split(".")[0]
        assert any(subject.split(".")[0] == head for subject in streams[event.stream].subjects)
        if event.writer in PERMISSIONS:
            allowed = [subject.split(".") for subject in PERMISSIONS[event.writer].publishes]
            levels = event.subject.split(".")
            assert any(_matches(pattern, levels) for pattern in allowed), event.subject


def test_the_two_writers_of_devices_share_no_subject() -> None:
    said = [f"device.god.ESP_1.{event}".split(".") for event in DEVICE_SAID]
    for written in (DEVICE_REGISTRY, DEVICE_CALIBRATION):
        assert not any(_matches(written.split("."), levels) for levels in said)


def test_the_asyncapi_document_names_every_event_and_its_references_lead_somewhere() -> None:
    document = json.loads((FOLDER / "asyncapi.json").read_text())
    assert document["asyncapi"] == "3.0.0"
    assert {event.name for event in CATALOGUE} <= document["channels"].keys()
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]


def _matches(pattern: list[str], levels: list[str]) -> bool:
    for number, level in enumerate(pattern):
        if level == ">":
            return True
        if number >= len(levels):
            return False
        if (
            level != "*"
            and not levels[number].startswith("{")
            and level != levels[number]
            and "{" not in levels[number]
        ):
            return False
    return len(pattern) == len(levels)
