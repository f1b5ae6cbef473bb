import asyncio

import pytest
from nats.js.errors import NotFoundError

from kaiser.eventlog import EventLog, OrderedReader, replay, replay_batches
from kaiser.local.ephemeral import Nats

from .conftest import fact


async def seqs(reader: OrderedReader, count: int, within_s: float = 10.0) -> list[int]:
    found: list[int] = []
    async with asyncio.timeout(within_s):
        while len(found) < count:
            found.extend(delivery.seq for delivery in await reader.take())
    return found


async def test_a_reader_starts_where_it_is_told(log: EventLog):
    await log.publish_all([fact(i, subject=f"fact.{i % 3}") for i in range(9)])
    async with OrderedReader(log, "FACTS", start_seq=7) as reader:
        assert await seqs(reader, 3) == [7, 8, 9]
    async with OrderedReader(log, "FACTS", start="all") as reader:
        assert await seqs(reader, 9) == list(range(1, 10))
    async with OrderedReader(log, "FACTS", start="last") as reader:
        assert await seqs(reader, 1) == [9]
    async with OrderedReader(log, "FACTS", start="last_per_subject") as reader:
        assert await seqs(reader, 3) == [7, 8, 9]
        assert reader.pending == 0
    async with OrderedReader(log, "FACTS", start="all", subjects=("fact.1", "fact.2")) as reader:
        assert await seqs(reader, 6) == [2, 3, 5, 6, 8, 9]
    async with OrderedReader(log, "FACTS") as reader:
        assert reader.pending == 0
        await log.publish(fact(9))
        assert await seqs(reader, 1) == [10]


async def test_a_reader_without_bodies_still_has_headers(log: EventLog):
    await log.publish(fact(1, size=1000))
    async with OrderedReader(log, "FACTS", start="all", headers_only=True) as reader:
        (delivery,) = await reader.take()
    assert (delivery.data, delivery.id) == (b"", "fact-1")


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_a_reader_has_no_gap_and_no_repetition_over_a_restart(log: EventLog, nats_server: Nats, how: str):
    async with OrderedReader(log, "FACTS") as reader:
        reading = asyncio.create_task(seqs(reader, 6000, within_s=30))
        for start in range(0, 6000, 100):
            if start == 3000:
                await asyncio.to_thread(getattr(nats_server, how))
                await asyncio.to_thread(nats_server.start)
            await log.publish_all([fact(i) for i in range(start, start + 100)])
        assert await reading == list(range(1, 6001))
        assert reader.restarts >= 1


async def test_now_is_the_moment_of_the_first_start_even_if_the_server_restarts_before_the_first_message(
    log: EventLog, nats_server: Nats
):
    await log.publish(fact(1))
    async with OrderedReader(log, "FACTS") as reader:
        await asyncio.to_thread(nats_server.kill)
        await asyncio.to_thread(nats_server.start)
        publishing = [log.publish(fact(2)), log.publish(fact(3))]
        await asyncio.gather(*publishing)
        assert await seqs(reader, 2) == [2, 3]


async def test_a_reader_whose_consumer_vanished_begins_again_behind_its_last_message(log: EventLog):
    async with OrderedReader(log, "FACTS", heartbeat_s=0.3) as reader:
        await log.publish_all([fact(i) for i in range(10)])
        assert await seqs(reader, 10) == list(range(1, 11))
        await log.js.delete_consumer("FACTS", reader._consumer)
        await log.publish_all([fact(i) for i in range(10, 20)])
        assert await seqs(reader, 10) == list(range(11, 21))


async def test_a_reader_that_missed_a_message_begins_again_behind_its_last_one(log: EventLog):
    async with OrderedReader(log, "FACTS") as reader:
        await log.publish_all([fact(i) for i in range(5)])
        assert await seqs(reader, 5) == [1, 2, 3, 4, 5]
        take, lost = reader._pull._take, []

        def lose_one(subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
            if not lost and b"fact" in subject:
                lost.append(subject)
                return
            take(subject, reply, data, headers)

        log.nc._sinks[reader._pull._subscription._id] = lose_one
        await log.publish_all([fact(i) for i in range(5, 10)])
        assert await seqs(reader, 5) == [6, 7, 8, 9, 10]
        assert (len(lost), reader.restarts) == (1, 1)


async def test_taking_can_be_cancelled_without_losing_a_message(log: EventLog):
    async with OrderedReader(log, "FACTS") as reader:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.take(), 0.1)
        await log.publish_all([fact(i) for i in range(3)])
        assert await seqs(reader, 3) == [1, 2, 3]


async def test_a_replay_ends_where_the_stream_ended_when_it_began(log: EventLog):
    await log.publish_all([fact(i) for i in range(1000)])
    found = []
    async for delivery in replay(log, "FACTS"):
        if not found:
            await log.publish_all([fact(i) for i in range(1000, 1100)])
        found.append(delivery.seq)
    assert found == list(range(1, 1001))


async def test_a_replay_has_bounds_and_filters(log: EventLog):
    await log.publish_all([fact(i, subject=f"fact.{i % 2}") for i in range(10)])
    middle = (await log.js.get_msg("FACTS", 6)).headers
    assert middle is not None
    assert [d.seq async for d in replay(log, "FACTS", from_seq=3, until_seq=5)] == [3, 4, 5]
    assert [d.seq async for d in replay(log, "FACTS", subjects=("fact.1",), until_seq=7)] == [2, 4, 6]
    assert [d.seq async for d in replay(log, "FACTS", subjects=("fact.none",))] == []
    assert [d.seq async for d in replay(log, "FACTS", from_seq=99)] == []
    sixth = [d async for d in replay(log, "FACTS")][5].stored_at
    assert [d.seq async for d in replay(log, "FACTS", from_time_us=sixth)] == [6, 7, 8, 9, 10]


async def test_a_replay_of_an_empty_stream_ends_at_once_and_of_none_is_an_error(log: EventLog):
    assert [d async for d in replay(log, "FACTS")] == []
    with pytest.raises(NotFoundError):
        _ = [d async for d in replay(log, "NONE")]


async def test_a_replay_survives_a_restart_of_the_server(log: EventLog, nats_server: Nats):
    await log.publish_all([fact(i, size=1000) for i in range(5000)])
    found = []
    async for batch in replay_batches(log, "FACTS", max_messages=100):
        found.extend(delivery.seq for delivery in batch)
        if 1000 <= len(found) < 1100:
            await asyncio.to_thread(nats_server.kill)
            await asyncio.to_thread(nats_server.start)
    assert found == list(range(1, 5001))


async def test_a_replay_ends_when_what_it_was_promised_is_purged(log: EventLog):
    await log.publish_all([fact(i) for i in range(1000)])
    found = 0
    async with asyncio.timeout(10):
        async for batch in replay_batches(log, "FACTS", max_messages=20):
            found += len(batch)
            if found == 20:
                await log.js.purge_stream("FACTS")
    assert found < 1000
