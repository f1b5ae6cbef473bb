"""Causes are found among very many, and what is not found among too many is not said to be missing."""

import json
from pathlib import Path
from typing import Any

import msgspec

from kaiser.contracts.events.telemetry import RAW_SEQUENCE
from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import Event, EventLog, connect, ensure_streams, message_at, new_id
from kaiser.gateway.browsing import LOOKED_AT
from kaiser.gateway.chaining import Chain, chain
from kaiser.local.ephemeral import Nats

SAMPLES = Path(__file__).parents[3] / "contracts" / "samples"
AT_ONCE = 500


def sample(name: str, subject: str, **changed: Any) -> Event:
    kind = f"io.kaiser.{name}.v1"
    said = json.loads((SAMPLES / f"{kind}.json").read_text()) | changed
    return Event(subject=subject, type=kind, data=json.dumps(said).encode(), source="kaiser/test", id=new_id())


async def causes_of_last(log: EventLog, stream: str, events: list[Event]) -> Chain:
    for i in range(0, len(events), AT_ONCE):
        acks = await log.publish_all(events[i : i + AT_ONCE])
    return await chain(log, await message_at(log, stream, acks[-1].seq))


async def test_a_run_is_found_among_more_than_are_looked_at_from_the_beginning(nats_server: Nats) -> None:
    kinds = ("run.started", "run.command_asked", "run.ended")
    events = [
        sample(kind, "logic.run.busy", run_id=f"busy.1.{n}", rule_id="busy", version=1)
        for n in range(LOOKED_AT // len(kinds) + 500)
        for kind in kinds
    ]
    async with await connect(nats_server.url, name="test") as log:
        await ensure_streams(log, STREAMS)
        found = await causes_of_last(log, "LOGIC", events)
    assert "in the run" in [link.relation for link in found.links]
    assert "in the run" not in [gap.relation for gap in found.missing]
    assert not found.cut


async def test_what_is_not_found_among_too_many_is_not_missing_but_cut(nats_server: Nats) -> None:
    def requested(esp_id: str, n: int, cause: str = "") -> Event:
        about = {"esp_id": esp_id, "gpio": 25, "by": "kaiser", "source": "timer", "causation_id": cause}
        subject = f"actuator.god.{esp_id}.25.command.requested"
        return sample("command.requested", subject, command_id=f"c{n}", **about)

    busy = [*(requested("ESP_AA", n) for n in range(LOOKED_AT)), requested("ESP_AA", LOOKED_AT, cause="gone")]
    async with await connect(nats_server.url, name="test") as log:
        await ensure_streams(log, STREAMS)
        among_many = await causes_of_last(log, "ACTUATORS", busy)
        alone = await causes_of_last(log, "ACTUATORS", [requested("ESP_AB", 0, cause="gone")])
    assert (among_many.links, among_many.missing, among_many.cut) == ([], [], True)
    assert ([gap.relation for gap in alone.missing], alone.cut) == (["follows from"], False)


async def test_a_raw_batch_is_found_by_its_sequence_and_known_to_be_let_go(nats_server: Nats) -> None:
    def raw(name: str) -> Event:
        return msgspec.structs.replace(sample("telemetry.raw", "telemetry.raw.god.1"), id=name)

    def finished(of: str, seq: int) -> Event:
        event = sample("telemetry.reading", "telemetry.reading.god.1")
        return msgspec.structs.replace(event, id=f"{of}.f", headers={RAW_SEQUENCE: str(seq)} if seq else None)

    async with await connect(nats_server.url, name="test") as log:
        await ensure_streams(log, STREAMS)
        for name in ("one", "two", "three"):
            await log.publish_all([raw(name)])
        there = await causes_of_last(log, "TELEMETRY", [finished("two", 2)])
        assert [(link.relation, link.cause.event.id) for link in there.links] == [("converted from", "two")]
        assert (there.missing, there.cut) == ([], False)
        elsewhere = await causes_of_last(log, "TELEMETRY", [finished("three", 2)])
        assert [link.cause.event.id for link in elsewhere.links] == ["three"], "where a stream was made anew"
        never = await causes_of_last(log, "TELEMETRY", [finished("four", 9)])
        assert ([gap.relation for gap in never.missing], never.cut) == (["converted from"], False)

        await log.js.purge_stream("TELEMETRY_RAW", keep=1)
        for event in (finished("one", 1), msgspec.structs.replace(finished("one", 0), id="one.f1")):
            gone = await causes_of_last(log, "TELEMETRY", [event])
            assert (gone.links, gone.missing) == ([], [])
            (why,) = gone.cut_because
            assert why.endswith("converted from: TELEMETRY_RAW has let it go, and begins at 3 now")
