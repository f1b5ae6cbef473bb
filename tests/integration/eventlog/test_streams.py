import asyncio

import msgspec
import pytest

from kaiser.contracts.streams import STREAMS, StreamSpec
from kaiser.eventlog import ConsumerSpec, DefinitionConflict, EventLog, connect, ensure_consumer, ensure_streams
from kaiser.local.ephemeral import Nats

from .conftest import FACTS, fact


async def test_services_that_start_together_do_not_fight(nats_server: Nats):
    logs = [await connect(nats_server.url, name=f"service-{i}") for i in range(4)]
    await asyncio.gather(*(ensure_streams(log, STREAMS) for log in logs))
    infos = await logs[0].js.streams_info()
    assert {info.config.name for info in infos} == {spec.name for spec in STREAMS}
    for log in logs:
        await log.close()


async def test_a_changed_definition_changes_the_stream_and_keeps_its_messages(log: EventLog):
    await log.publish(fact(1))
    await ensure_streams(log, [msgspec.structs.replace(FACTS, max_age_s=3600, max_bytes=1_000_000)])
    info = await log.js.stream_info("FACTS")
    assert (info.config.max_age, info.config.max_bytes, info.state.messages) == (3600, 1_000_000, 1)


async def test_the_same_definition_again_changes_nothing(log: EventLog, capfd: pytest.CaptureFixture[str]):
    capfd.readouterr()
    await ensure_streams(log, [FACTS])
    assert "changes" not in capfd.readouterr().out


async def test_a_difference_that_cannot_be_changed_is_a_clear_error(log: EventLog):
    with pytest.raises(DefinitionConflict, match=r"FACTS.*storage type"):
        await ensure_streams(log, [msgspec.structs.replace(FACTS, storage="memory")])


async def test_two_streams_cannot_share_a_subject(log: EventLog):
    with pytest.raises(DefinitionConflict, match=r"OTHER.*overlap"):
        await ensure_streams(log, [StreamSpec(name="OTHER", subjects=("fact.a",))])


async def test_a_consumer_is_changed_and_keeps_its_place(log: EventLog):
    spec = ConsumerSpec(stream="FACTS", durable="reader", start="new")
    await log.publish(fact(1))
    assert await ensure_consumer(log, spec) == "reader"
    await ensure_consumer(log, msgspec.structs.replace(spec, start="all", ack_wait_s=9.0))
    info = await log.js.consumer_info("FACTS", "reader")
    assert (info.config.ack_wait, info.num_pending) == (9.0, 0)


async def test_a_consumer_that_is_of_another_kind_is_a_clear_error(log: EventLog):
    await log.js.add_consumer("FACTS", durable_name="reader", ack_policy="none")
    with pytest.raises(DefinitionConflict, match=r"FACTS\.reader"):
        await ensure_consumer(log, ConsumerSpec(stream="FACTS", durable="reader"))
