import asyncio

import nats.errors
import pytest

from kaiser.contracts.streams import StreamSpec
from kaiser.eventlog import (
    ConcurrencyConflict,
    ConnectionClosed,
    Event,
    EventLog,
    EventTooLarge,
    Expectation,
    LogFull,
    PublishRefused,
    Unacknowledged,
    connect,
    ensure_streams,
    publish_atomically,
    replay,
)
from kaiser.local.ephemeral import Nats

from .conftest import FACTS, fact


async def ids(log: EventLog, stream: str = "FACTS") -> list[str]:
    return [delivery.id async for delivery in replay(log, stream)]


async def test_events_are_stored_in_the_order_given(log: EventLog):
    acks = await log.publish_all([fact(i) for i in range(2500)])
    assert [ack.seq for ack in acks] == list(range(1, 2501))
    assert await ids(log) == [f"fact-{i}" for i in range(2500)]


async def test_publishing_nothing_is_a_no_op(log: EventLog):
    assert await log.publish_all([]) == []


async def test_an_event_published_twice_is_stored_once(log: EventLog):
    first, second = await log.publish(fact(1)), await log.publish(fact(1))
    assert (second.seq, second.duplicate) == (first.seq, True)


async def test_the_duplicate_window_is_only_an_optimisation(log: EventLog):
    """A repetition after the window is stored again: identity is decided in the projections."""
    await ensure_streams(log, [StreamSpec(name="SHORT", subjects=("short.>",), duplicate_window_s=1)])
    await log.publish(fact(1, subject="short.a"))
    await asyncio.sleep(1.5)
    assert not (await log.publish(fact(1, subject="short.a"))).duplicate
    assert await ids(log, "SHORT") == ["fact-1", "fact-1"]


async def test_a_full_stream_says_so_and_takes_events_again_after_there_is_room(log: EventLog):
    await ensure_streams(log, [StreamSpec(name="SMALL", subjects=("small.>",), max_bytes=4000)])
    events = [fact(i, subject="small.a", size=300) for i in range(20)]
    with pytest.raises(LogFull, match="maximum bytes") as full:
        await log.publish_all(events)
    stored = await ids(log, "SMALL")
    assert stored + [event.id for event in full.value.events] == [event.id for event in events]
    await ensure_streams(log, [StreamSpec(name="SMALL", subjects=("small.>",), max_bytes=100_000)])
    await log.publish_all(events)
    assert await ids(log, "SMALL") == [event.id for event in events]


async def test_what_is_too_large_for_the_server_is_refused_before_anything_is_sent(log: EventLog):
    with pytest.raises(EventTooLarge) as refused:
        await log.publish_all([fact(1), fact(2, size=2_000_000)])
    assert refused.value.event.id == "fact-2"
    assert await ids(log) == []
    assert log.connected


async def test_a_refusal_for_good_is_told_apart(log: EventLog):
    bad = Event(subject="fact.a", type="t", data=b"", source="s", headers={"Nats-TTL": "1s"})
    with pytest.raises(PublishRefused, match="TTL is disabled"):
        await log.publish(bad)


async def test_an_expectation_that_does_not_hold_is_a_conflict(log: EventLog):
    await log.publish(fact(1, subject="fact.k.a"), expect=Expectation(0, "fact.k.*"))
    with pytest.raises(ConcurrencyConflict):
        await log.publish(fact(2, subject="fact.k.b"), expect=Expectation(0, "fact.k.*"))
    ack = await log.publish(fact(2, subject="fact.k.b"), expect=Expectation(1, "fact.k.*"))
    assert ack.seq == 2


async def test_what_is_expected_is_looked_at_before_the_id(log: EventLog):
    """Or who comes late with an id that another has stored would take the other's event for its own."""
    await log.publish(fact(1, subject="fact.k.a"))
    await log.publish(fact(2, subject="fact.k.a"))
    with pytest.raises(ConcurrencyConflict, match="wrong last sequence"):
        await log.publish(fact(2, subject="fact.k.a"), expect=Expectation(1, "fact.k.*"))


async def test_a_batch_is_stored_as_a_whole_or_not_at_all(log: EventLog):
    batch = [fact(i, subject=f"fact.k.{i}") for i in range(3)]
    assert (await publish_atomically(log, batch, expect=Expectation(0, "fact.k.*"))).seq == 3
    with pytest.raises(ConcurrencyConflict):
        await publish_atomically(log, [fact(7, subject="fact.k.7"), fact(8)], expect=Expectation(0, "fact.k.*"))
    assert await ids(log) == ["fact-0", "fact-1", "fact-2"]


async def test_without_a_stream_the_publisher_waits_until_there_is_one(nats_server: Nats):
    async with await connect(nats_server.url, name="test") as log:
        with pytest.raises(Unacknowledged):
            await log.publish(fact(1), timeout_s=0.3)
        publishing = asyncio.create_task(log.publish(fact(1)))
        await asyncio.sleep(0.2)
        await ensure_streams(log, [FACTS])
        assert (await publishing).seq == 1


async def test_one_at_a_time_a_subject_keeps_its_order(log: EventLog):
    events = [fact(i, subject=f"fact.{i % 3}") for i in range(30)]
    await log.publish_all(events, ordered=True)
    stored = await ids(log)
    for k in range(3):
        assert [i for i in stored if int(i[5:]) % 3 == k] == [f"fact-{i}" for i in range(k, 30, 3)]


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_publishing_goes_on_over_a_death_of_the_server(log: EventLog, nats_server: Nats, how: str):
    under_way = asyncio.Event()

    async def publish() -> None:
        for start in range(0, 20_000, 100):
            await log.publish_all([fact(i, size=500) for i in range(start, start + 100)])
            if start == 2000:
                under_way.set()

    publishing = asyncio.create_task(publish())
    await under_way.wait()
    await asyncio.to_thread(getattr(nats_server, how))
    await asyncio.sleep(0.3)
    assert not publishing.done()
    await asyncio.to_thread(nats_server.start)
    async with asyncio.timeout(30):
        await publishing
    assert await ids(log) == [f"fact-{i}" for i in range(20_000)]


async def test_a_server_that_hangs_is_noticed_and_nothing_is_lost(
    log: EventLog, nats_server: Nats, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("kaiser.eventlog.publish.ACK_TIMEOUT_S", 0.5)
    await log.publish(fact(0))
    nats_server.pause()
    publishing = asyncio.create_task(log.publish_all([fact(i) for i in range(1, 100)]))
    await asyncio.sleep(1.5)  # longer than an acknowledgement is waited for
    nats_server.resume()
    async with asyncio.timeout(15):
        await publishing
    assert await ids(log) == [f"fact-{i}" for i in range(100)]


async def test_closing_the_log_ends_whoever_waits_for_it(nats_server: Nats):
    log = await connect(nats_server.url, name="test")
    publishing = asyncio.create_task(log.publish(fact(1)))
    await asyncio.sleep(0.1)
    await log.close()
    with pytest.raises(ConnectionClosed):
        await publishing


async def test_a_service_that_starts_before_its_server_waits(nats_server: Nats):
    nats_server.stop()
    connecting = asyncio.create_task(connect(nats_server.url, name="test"))
    await asyncio.sleep(0.5)
    assert not connecting.done()
    await asyncio.to_thread(nats_server.start)
    async with asyncio.timeout(10), await connecting as log:
        assert log.connected


async def test_a_flush_that_was_given_up_does_not_end_the_reader(log: EventLog, nats_server: Nats):
    nats_server.pause()
    with pytest.raises((TimeoutError, nats.errors.TimeoutError)):
        await log.nc.flush(timeout=1)
    nats_server.resume()
    async with asyncio.timeout(2):
        await log.publish(fact(1))


async def test_what_may_not_be_published_is_said_and_does_not_end_the_connection(
    nats_server: Nats, capfd: pytest.CaptureFixture[str]
):
    async with await connect(nats_server.address, name="test", user="gateway", password=nats_server.password) as log:
        with pytest.raises(Unacknowledged):
            await log.publish(fact(1, subject="telemetry.raw.k.0"), timeout_s=0.5)
        assert log.connected
    assert "permissions violation" in capfd.readouterr().out
