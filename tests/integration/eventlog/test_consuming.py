import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from kaiser.contracts.streams import StreamSpec
from kaiser.eventlog import (
    BatchConsumer,
    ConsumerSpec,
    Delivery,
    EventLog,
    Retry,
    Unprocessable,
    browse,
    ensure_streams,
)
from kaiser.eventlog.envelope import decode_headers
from kaiser.local.ephemeral import Nats

from .conftest import eventually, fact

SPEC = ConsumerSpec(stream="FACTS", durable="reader", ack_wait_s=0.9)


class Reader:
    """A handler that notes what it got, and does what ``then`` says."""

    def __init__(self, then: Callable[[list[Delivery]], Awaitable[None] | None] | None = None) -> None:
        self.batches: list[list[Delivery]] = []
        self.then = then

    @property
    def ids(self) -> list[str]:
        return [delivery.id for batch in self.batches for delivery in batch]

    async def __call__(self, batch: list[Delivery]) -> None:
        if self.then is not None:
            waiting = self.then(batch)
            if waiting is not None:
                await waiting
        self.batches.append(batch)

    async def got(self, count: int, within_s: float = 20.0) -> None:
        await eventually(lambda: len(set(self.ids)) >= count, within_s)


@contextlib.asynccontextmanager
async def consuming(log: EventLog, handler: Reader, **options) -> AsyncIterator[BatchConsumer]:
    spec = options.pop("spec", SPEC)
    consumer = BatchConsumer(log, spec, handler, service="test", **options)
    running = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        await consumer.stop()
        await running


def names(first: int, last: int) -> list[str]:
    return [f"fact-{i}" for i in range(first, last + 1)]


async def settled(log: EventLog) -> bool:
    info = await log.js.consumer_info("FACTS", "reader")
    return not info.num_ack_pending and not info.num_pending


async def test_batches_come_in_stream_order_and_are_acknowledged(log: EventLog):
    await log.publish_all([fact(i) for i in range(1, 2001)])
    reader = Reader()
    async with consuming(log, reader) as consumer:
        await reader.got(2000)
    assert reader.ids == names(1, 2000)
    assert await settled(log)
    assert (consumer.stats.handled, consumer.stats.redelivered, consumer.stats.lag) == (2000, 0, 0)


async def test_one_batch_is_handled_at_a_time_and_bounded_in_messages(log: EventLog):
    at_work = 0

    async def work(batch: list[Delivery]) -> None:
        nonlocal at_work
        at_work += 1
        assert at_work == 1
        await asyncio.sleep(0.005)
        at_work -= 1

    await log.publish_all([fact(i) for i in range(1, 501)])
    reader = Reader(work)
    async with consuming(log, reader, max_messages=20):
        await reader.got(500)
    assert max(map(len, reader.batches)) <= 20
    assert reader.ids == names(1, 500)


async def test_batches_are_bounded_in_bytes(log: EventLog):
    await log.publish_all([fact(i, size=200_000) for i in range(1, 61)])
    reader = Reader()
    async with consuming(log, reader, max_bytes=2_300_000):
        await reader.got(60)
    assert max(sum(delivery.size for delivery in batch) for batch in reader.batches) <= 2_300_000
    assert reader.ids == names(1, 60)


async def test_no_more_than_two_batches_are_fetched_while_a_handler_is_busy(log: EventLog):
    release = asyncio.Event()
    await log.publish_all([fact(i) for i in range(1, 501)])
    reader = Reader(lambda batch: release.wait())
    async with consuming(log, reader, max_messages=50):
        await asyncio.sleep(0.5)
        info = await log.js.consumer_info("FACTS", "reader")
        assert 0 < info.num_ack_pending <= 100
        release.set()
        await reader.got(500)
    assert reader.ids == names(1, 500)


async def test_a_message_that_is_published_while_the_consumer_waits_is_there_at_once(log: EventLog):
    reader = Reader()
    delays = []
    async with consuming(log, reader):
        for i in range(1, 51):
            await asyncio.sleep(0.01)
            before = time.perf_counter()
            await log.publish(fact(i))
            await reader.got(i)
            delays.append(time.perf_counter() - before)
    assert sorted(delays)[25] < 0.02


async def test_an_exception_in_a_handler_never_discards_an_event(log: EventLog):
    """Every second call fails, whatever it gets: all events are handled in the end, none is a dead letter."""
    calls = 0

    def fail_every_second(batch: list[Delivery]) -> None:
        nonlocal calls
        calls += 1
        if calls % 2:
            raise RuntimeError("boom")

    await log.publish_all([fact(i) for i in range(1, 101)])
    reader = Reader(fail_every_second)
    async with consuming(log, reader, max_tries=100) as consumer:
        await reader.got(100)
        await eventually(lambda: settled(log))
    assert set(reader.ids) == set(names(1, 100))
    assert consumer.stats.dead_lettered == 0
    assert [letters async for _, letters in browse(log)] == []


async def test_a_poison_message_alone_becomes_a_dead_letter_after_its_tries(log: EventLog):
    tries: list[float] = []

    def choke(batch: list[Delivery]) -> None:
        if any(delivery.id == "fact-57" for delivery in batch):
            if len(batch) == 1:
                tries.append(time.monotonic())
            raise ValueError("cannot digest 57")

    await log.publish_all([fact(i) for i in range(1, 201)])
    reader = Reader(choke)
    async with consuming(log, reader, max_tries=4) as consumer:
        await reader.got(199)
        await eventually(lambda: consumer.stats.dead_lettered)
    assert sorted(reader.ids, key=lambda i: int(i[5:])) == [name for name in names(1, 200) if name != "fact-57"]
    assert await settled(log)
    waits = [after - before for before, after in itertools.pairwise(tries)]
    assert [round(wait, 1) for wait in waits] == pytest.approx([0.1, 0.2, 0.4], abs=0.1)
    ((event, letters),) = [found async for found in browse(log, "test")]
    (letter,) = letters.letters
    original = await log.js.get_msg("FACTS", letter.stream_seq)
    assert (letter.code, letter.stream, letter.subject, letter.attempts) == ("POISON_MESSAGE", "FACTS", "fact.a", 4)
    assert "cannot digest 57" in letter.detail
    assert letter.payload == original.data
    assert event.headers["Original-ce-id"] == "fact-57"


async def test_dead_letters_can_be_read_again_and_again(log: EventLog):
    await log.publish(fact(1))

    def refuse(batch: list[Delivery]) -> None:
        raise Unprocessable("INVALID_PAYLOAD_FORMAT", "no number", where="value")

    async with consuming(log, Reader(refuse)) as consumer:
        await eventually(lambda: consumer.stats.dead_lettered)
    assert consumer.stats.failed == 0  # what can never be used is not tried again
    for _ in range(2):
        ((_, letters),) = [found async for found in browse(log)]
        assert [(letter.code, letter.where, letter.attempts) for letter in letters.letters] == [
            ("INVALID_PAYLOAD_FORMAT", "value", 1)
        ]


async def test_strict_order_waits_for_a_failing_message(log: EventLog):
    failures = 0

    def fail_twice(batch: list[Delivery]) -> None:
        nonlocal failures
        if batch[0].id == "fact-3" or (len(batch) > 1 and any(d.id == "fact-3" for d in batch)):
            if len(batch) == 1:
                failures += 1
            if failures < 3:
                raise RuntimeError("not yet")

    await log.publish_all([fact(i) for i in range(1, 11)])
    reader = Reader(fail_twice)
    async with consuming(log, reader, strict_order=True):
        await reader.got(10)
    assert reader.ids == names(1, 10)


async def test_retry_waits_without_counting_and_without_redeliveries(log: EventLog):
    """The database is away for longer than the server waits for an acknowledgement, and nothing is given away."""
    away_until = time.monotonic() + 2.5

    def need_database(batch: list[Delivery]) -> None:
        if time.monotonic() < away_until:
            raise Retry("no database")

    await log.publish_all([fact(i) for i in range(1, 101)])
    reader = Reader(need_database)
    async with consuming(log, reader, max_tries=2, max_messages=30) as consumer:
        await reader.got(100)
    assert reader.ids == names(1, 100)
    assert consumer.stats.redelivered == 0
    assert consumer.stats.dead_lettered == 0
    assert consumer.stats.retries >= 3
    assert await settled(log)


async def test_a_handler_that_publishes_into_a_full_stream_waits_for_room(log: EventLog):
    small = StreamSpec(name="SMALL", subjects=("small.>",), max_bytes=2000)
    await ensure_streams(log, [small])

    async def pass_on(batch: list[Delivery]) -> None:
        await log.publish_all([fact(d.seq, subject="small.a", size=300) for d in batch])

    await log.publish_all([fact(i) for i in range(1, 11)])
    reader = Reader(pass_on)
    async with consuming(log, reader, max_tries=2) as consumer:
        await eventually(lambda: consumer.stats.retries >= 3)
        await ensure_streams(log, [msgspec.structs.replace(small, max_bytes=100_000)])
        await reader.got(10)
    assert reader.ids == names(1, 10)
    assert (consumer.stats.failed, consumer.stats.dead_lettered) == (0, 0)


async def test_a_slow_handler_keeps_its_batch(log: EventLog):
    await log.publish_all([fact(i) for i in range(1, 11)])
    reader = Reader(lambda batch: asyncio.sleep(2))
    async with consuming(log, reader) as consumer:
        await reader.got(10)
    assert reader.ids == names(1, 10)
    assert consumer.stats.redelivered == 0


async def test_stopping_finishes_the_batch_in_hand_and_gives_back_the_rest(log: EventLog):
    started, release = asyncio.Event(), asyncio.Event()

    async def work(batch: list[Delivery]) -> None:
        started.set()
        await release.wait()

    await log.publish_all([fact(i) for i in range(1, 101)])
    first = Reader(work)
    consumer = BatchConsumer(log, SPEC, first, service="test", max_messages=10)
    running = asyncio.create_task(consumer.run())
    await started.wait()
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.sleep(0.1)
    assert not stopping.done()
    release.set()
    await stopping
    await running
    done = len(first.ids)  # what had arrived when the first batch was taken
    assert 1 <= done <= 10
    assert first.ids == names(1, done)
    second = Reader()
    before = time.monotonic()
    async with consuming(log, second):
        await second.got(100 - done)
    assert time.monotonic() - before < 1.0  # without waiting for the server to give up on the first one
    assert sorted(second.ids, key=lambda i: int(i[5:])) == names(done + 1, 100)


async def test_a_stop_during_a_retry_does_not_wait_for_its_end(log: EventLog):
    def away(batch: list[Delivery]) -> None:
        raise Retry("no database")

    await log.publish(fact(1))
    consumer = BatchConsumer(log, SPEC, Reader(away), service="test")
    running = asyncio.create_task(consumer.run())
    await eventually(lambda: consumer.stats.retries >= 4)
    async with asyncio.timeout(1):
        await consumer.stop()
        await running
    async with consuming(log, second := Reader()):
        await second.got(1)


async def test_a_cancelled_consumer_leaves_its_batch_to_the_next(log: EventLog):
    await log.publish(fact(1))
    reader = Reader(lambda batch: asyncio.sleep(60))
    running = asyncio.create_task(BatchConsumer(log, SPEC, reader, service="test").run())
    await asyncio.sleep(0.3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with consuming(log, second := Reader()):
        await second.got(1, within_s=1)


async def test_two_instances_share_a_durable_and_neither_acknowledges_for_the_other(log: EventLog):
    """One instance dies with its batch unfinished while the other has gone on: nothing is lost."""
    await log.publish_all([fact(i) for i in range(1, 401)])
    stuck = Reader(lambda batch: asyncio.sleep(60))
    dying = BatchConsumer(log, SPEC, stuck, service="test", max_messages=50)
    dying._give_back = lambda: None  # type: ignore[method-assign]  # as kill -9 would
    running = asyncio.create_task(dying.run())
    await asyncio.sleep(0.2)
    async with consuming(log, other := Reader(), max_messages=50):
        await asyncio.sleep(0.3)
        running.cancel()
        await other.got(400)
    assert set(other.ids) == set(names(1, 400))


async def test_what_a_dead_instance_held_is_taken_back_at_once_and_in_order(log: EventLog):
    spec = msgspec.structs.replace(SPEC, ack_wait_s=30.0)
    await log.publish_all([fact(i) for i in range(1, 201)])
    dying = BatchConsumer(log, spec, Reader(lambda batch: asyncio.sleep(60)), service="test", max_messages=50)
    dying._give_back = lambda: None  # type: ignore[method-assign]  # as kill -9 would
    running = asyncio.create_task(dying.run())
    await asyncio.sleep(0.3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with consuming(log, reader := Reader(), spec=spec):
        await reader.got(200, within_s=3)
    assert reader.ids == names(1, 200)


async def test_nothing_is_taken_back_from_an_instance_that_is_alive(log: EventLog):
    async with consuming(log, first := Reader()):
        await log.publish_all([fact(i) for i in range(1, 11)])
        await first.got(10)
        async with consuming(log, Reader()):
            await log.publish_all([fact(i) for i in range(11, 21)])
            await eventually(lambda: settled(log))
    assert await settled(log)


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_a_restarted_server_is_noticed_and_every_message_arrives(log: EventLog, nats_server: Nats, how: str):
    reader = Reader()
    async with consuming(log, reader):
        await log.publish_all([fact(i) for i in range(1, 101)])
        await reader.got(100)
        await asyncio.to_thread(getattr(nats_server, how))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(nats_server.start)
        before = time.monotonic()
        await log.publish_all([fact(i) for i in range(101, 201)])
        await reader.got(200)
        assert time.monotonic() - before < 3.0
    assert set(reader.ids) == set(names(1, 200))


async def test_nothing_is_lost_or_out_of_order_while_the_server_dies_again_and_again(log: EventLog, nats_server: Nats):
    async def publish() -> None:
        for start in range(1, 15_001, 50):
            await log.publish_all([fact(i, size=500) for i in range(start, start + 50)])

    reader = Reader()
    async with consuming(log, reader):
        publishing = asyncio.create_task(publish())
        for count in (2000, 5000, 8000):
            await reader.got(count)
            await asyncio.to_thread(nats_server.kill)
            await asyncio.to_thread(nats_server.start)
        await publishing
        await reader.got(15_000)
    first_time = list(dict.fromkeys(reader.ids))
    assert first_time == names(1, 15_000)


async def test_a_pull_that_goes_silent_is_renewed(log: EventLog):
    """The connection is up and the request is gone, as in nats.py#504: only the missing heartbeats tell."""
    reader = Reader()
    async with consuming(log, reader, heartbeat_s=0.3) as consumer:
        await log.publish(fact(1))
        await reader.got(1)
        sid = consumer._pull._subscription._id
        log.nc.write((b"UNSUB %d\r\n" % sid,))
        await log.publish(fact(2))  # nobody there: the server drops the request
        await asyncio.sleep(0.1)
        log.nc.write((b"SUB %s* %d\r\n" % (consumer._pull._inbox, sid),))
        await log.publish(fact(3))
        await reader.got(3, within_s=3)
        assert consumer.renewals == 1


async def test_a_quiet_consumer_is_not_mistaken_for_a_silent_one(log: EventLog):
    async with consuming(log, Reader(), heartbeat_s=0.2) as consumer:
        await asyncio.sleep(2)
        assert consumer.renewals == 0


async def test_a_request_that_expires_is_followed_by_the_next(log: EventLog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("kaiser.eventlog.pull.EXPIRES_S", 1.0)
    reader = Reader()
    async with consuming(log, reader, heartbeat_s=0.3) as consumer:
        await asyncio.sleep(2.5)
        await log.publish(fact(1))
        await reader.got(1, within_s=1)
        assert consumer.renewals == 0


async def test_a_deleted_consumer_is_made_again_where_it_was(log: EventLog):
    reader = Reader()
    async with consuming(log, reader):
        await log.publish_all([fact(i) for i in range(1, 11)])
        await reader.got(10)
        await log.js.delete_consumer("FACTS", "reader")
        await log.publish_all([fact(i) for i in range(11, 21)])
        await reader.got(20, within_s=5)
    assert reader.ids == names(1, 20)


async def test_a_frozen_server_comes_back_and_nothing_is_lost(log: EventLog, nats_server: Nats):
    reader = Reader()
    async with consuming(log, reader, heartbeat_s=0.2):
        await log.publish(fact(1))
        await reader.got(1)
        nats_server.pause()
        await asyncio.sleep(1.5)
        nats_server.resume()
        await log.publish(fact(2))
        await reader.got(2, within_s=10)


async def test_a_bare_nak_burns_its_redeliveries_in_no_time_and_a_delayed_one_does_not(log: EventLog):
    """The trap that makes the consumer give messages back with a delay (newchat#346)."""
    await log.publish(fact(1))
    subscription = await log.js.pull_subscribe("fact.>", durable="bare", stream="FACTS")
    before = time.monotonic()
    for _ in range(20):
        (message,) = await subscription.fetch(1, timeout=2)
        await message.nak()
    assert time.monotonic() - before < 1.0
    (message,) = await subscription.fetch(1, timeout=2)
    before = time.monotonic()
    await message.nak(delay=0.5)
    await subscription.fetch(1, timeout=2)
    assert time.monotonic() - before >= 0.5


async def test_headers_of_a_delivery_are_those_that_were_published(log: EventLog):
    await log.publish(fact(1))
    reader = Reader()
    async with consuming(log, reader):
        await reader.got(1)
    (delivery,) = reader.batches[0]
    assert delivery.headers == decode_headers(delivery.raw_headers)
    assert delivery.event == fact(1).__class__(
        **{name: getattr(fact(1), name) for name in ("subject", "type", "data", "source", "id")},
        time=delivery.event.time,
    )
