"""AsyncAPI tells the truth about the live stream: what is sent is of its schemas, and every event is in it."""

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from kaiser.contracts import live
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.live_channel import SENSOR_DATA, SHOWN_AS
from kaiser.gateway import events, positions
from kaiser.gateway.events import Envelope, encode
from kaiser.gateway.filters import Filters
from kaiser.gateway.outbox import Outbox
from kaiser.gateway.showing import SHOWN, show
from kaiser.gateway.sockets import Subscribe

CONTRACTS = Path(__file__).parents[3] / "contracts"
DOCUMENT = json.loads((CONTRACTS / "asyncapi.json").read_text())
TICKED = positions.write({"TELEMETRY": 1})


def check(name: str, encoded: bytes) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(json.loads(encoded))


def sample(event_type: str) -> bytes:
    return (CONTRACTS / "samples" / f"{event_type}.json").read_bytes()


def test_every_event_that_clients_see_is_described_under_its_name() -> None:
    shown: dict[str, set[str]] = {SENSOR_DATA: {Readings.TYPE}}
    for event_type, shown_as in SHOWN.items():
        shown.setdefault(shown_as.name, set()).add(event_type)
    assert {name: set(types) for name, types in SHOWN_AS.items()} == shown


@pytest.mark.parametrize("event_type", sorted(SHOWN))
def test_an_event_is_of_the_schema_of_its_name(event_type: str) -> None:
    news = show(event_type, sample(event_type))
    if news is None:
        return
    name = SHOWN[event_type].name
    event = encode(Envelope(name, 7, news.at, news.fields))
    check(f"live.{name}", event)
    outbox = Outbox(1_000_000)
    outbox.put(event, count=1, seq=7, stream="SAFETY")
    (frame,) = outbox.take({"SAFETY": 7}, positions.write({"SAFETY": 7}))
    check("live.Frame", frame)


def test_a_reading_is_of_the_schema_of_its_name() -> None:
    batch = msgspec.json.decode(sample(Readings.TYPE), type=Readings)
    for event in events.readings(batch, range(len(batch)), 7):
        check("live.sensor_data", event)


@pytest.mark.parametrize(
    "message",
    [
        live.Authenticated("ada", 1),
        live.Subscribed(Filters(types=frozenset({"alert"})), "frames", TICKED),
        live.Unsubscribed(),
        live.Pong(1),
        live.Heartbeat(1, 15.0, TICKED),
        live.Missed("TELEMETRY", 1, 2, "slow", 3),
        live.SnapshotPart("devices", [{"esp_id": "ESP_0A1B2C"}]),
        live.SnapshotPart("devices", [], "ingest is not running"),
        live.SnapshotEnd(TICKED),
        live.Goodbye(1.0),
        live.Problem("INVALID_PAYLOAD_FORMAT", "no"),
        live.Authenticate(token="x"),
        live.Subscribe(live.Filters(), "latest-only", TICKED, snapshot=True),
        live.Unsubscribe(),
        live.Ping(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_is_of_its_schema(message: msgspec.Struct) -> None:
    check(f"live.{type(message).__name__}", encode(message))


def test_every_reference_of_the_document_leads_somewhere() -> None:
    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            reference = node.get("$ref")
            # Those to $defs are of a schema that stands for itself
            own = [reference] if isinstance(reference, str) and "$defs" not in reference else []
            return own + [found for each in node.values() for found in references(each)]
        return [found for each in node for found in references(each)] if isinstance(node, list) else []

    for reference in references({key: DOCUMENT[key] for key in ("channels", "operations")}) + references(
        DOCUMENT["components"]["schemas"]
    ):
        node = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_what_the_gateway_reads_is_what_the_contract_says() -> None:
    said = live.Subscribe(live.Filters(zones=frozenset({"tent"})), "immediate", TICKED, snapshot=True)
    read = msgspec.json.decode(encode(said), type=Subscribe)
    assert msgspec.to_builtins(read) == msgspec.to_builtins(said)
    assert isinstance(read.filters, Filters)
