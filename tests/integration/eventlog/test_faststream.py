"""What FastStream does by itself, and what the project's broker does instead."""

import asyncio

import msgspec
from fast_depends.msgspec import MsgSpecSerializer
from faststream.nats import JStream, NatsBroker, PullSub
from nats.js.api import ConsumerConfig

from kaiser.eventlog import EventLog, Unprocessable, browse
from kaiser.eventlog.broker import build_broker
from kaiser.local.ephemeral import Nats

from .conftest import eventually, fact

FACTS = JStream("FACTS", declare=False)


class Fact(msgspec.Struct):
    n: int


async def test_faststream_by_itself_discards_an_event_whose_handler_raises(log: EventLog, nats_server: Nats):
    """The trap: REJECT_ON_ERROR terminates the message."""
    calls = []
    broker = NatsBroker(nats_server.url, logger=None, serializer=MsgSpecSerializer())

    @broker.subscriber("fact.a", stream=FACTS, durable="trap", pull_sub=True, config=ConsumerConfig(ack_wait=0.5))
    async def handler(body: Fact) -> None:
        calls.append(body)
        raise RuntimeError("boom")

    async with broker:
        await broker.start()
        await log.publish(fact(1))
        await eventually(lambda: calls)
        await asyncio.sleep(2)
    info = await log.js.consumer_info("FACTS", "trap")
    assert len(calls) == 1
    assert (info.num_ack_pending, info.num_pending) == (0, 0)  # gone for this consumer, and nobody was told


async def test_the_projects_broker_delivers_again_with_a_growing_delay(log: EventLog, nats_server: Nats):
    calls: list[float] = []
    broker = build_broker(nats_server.url, name="test", log=log, service="test")

    @broker.subscriber("fact.a", stream=FACTS, durable="kept", pull_sub=True)
    async def handler(body: Fact) -> None:
        calls.append(asyncio.get_running_loop().time())
        if len(calls) < 4:
            raise RuntimeError("boom")

    async with broker:
        await broker.start()
        await log.publish(fact(1))
        await eventually(lambda: len(calls) == 4)
        await asyncio.sleep(0.2)
    info = await log.js.consumer_info("FACTS", "kept")
    assert (info.num_ack_pending, info.num_pending) == (0, 0)
    assert calls[1] - calls[0] >= 0.1
    assert calls[2] - calls[1] >= 0.2
    assert calls[3] - calls[2] >= 0.4
    assert [found async for found in browse(log)] == []


async def test_the_projects_broker_puts_what_keeps_failing_into_the_dead_letters(log: EventLog, nats_server: Nats):
    broker = build_broker(nats_server.url, name="test", log=log, service="test", max_tries=2)

    @broker.subscriber("fact.a", stream=FACTS, durable="poison", pull_sub=True)
    async def handler(body: Fact) -> None:
        if body.n == 2:
            raise Unprocessable("INVALID_PAYLOAD_FORMAT", "no twos")
        raise RuntimeError("boom")

    async with broker:
        await broker.start()
        await log.publish_all([fact(1), fact(2)])

        async def buried() -> bool:
            return len([found async for found in browse(log)]) == 2

        await eventually(buried)
    letters = [letter async for _, found in browse(log) for letter in found.letters]
    assert {(letter.code, letter.attempts) for letter in letters} == {
        ("INVALID_PAYLOAD_FORMAT", 1),
        ("POISON_MESSAGE", 2),
    }
    assert {letter.payload for letter in letters} == {fact(1).data, fact(2).data}


async def test_faststreams_pull_subscriber_loses_the_order_within_a_batch(log: EventLog, nats_server: Nats):
    """The trap that makes BatchConsumer hand over lists: the messages of one fetch run side by side."""
    finished: list[int] = []
    broker = build_broker(nats_server.url, name="test", log=log, service="test")

    @broker.subscriber("fact.a", stream=FACTS, durable="side-by-side", pull_sub=PullSub(batch_size=3))
    async def handler(body: Fact) -> None:
        await asyncio.sleep(0.3 if body.n == 1 else 0.0)
        finished.append(body.n)

    await log.publish_all([fact(i) for i in (1, 2, 3)])
    async with broker:
        await broker.start()
        await eventually(lambda: len(finished) == 3)
    assert finished[-1] == 1


async def test_requests_are_answered(log: EventLog, nats_server: Nats):
    broker = build_broker(nats_server.url, name="test", log=log, service="test")

    @broker.subscriber("query.test.double")
    async def double(body: int) -> int:
        return body * 2

    async with broker:
        await broker.start()
        answer = await broker.request(21, "query.test.double", timeout=2)
        assert await answer.decode() == 42
