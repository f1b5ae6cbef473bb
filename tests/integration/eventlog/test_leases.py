import asyncio

import pytest

from kaiser.eventlog import EventLog, Lease
from kaiser.local.ephemeral import Nats

from .conftest import eventually


def lease(log: EventLog, holder: str, ttl_s: int = 1) -> Lease:
    return Lease(log, "bridge", "slot-1", holder=holder, ttl_s=ttl_s)


async def test_only_one_holds_a_lease(log: EventLog):
    first, second = lease(log, "one"), lease(log, "two")
    taken = await asyncio.gather(first.acquire(), second.acquire())
    assert sorted(taken) == [False, True]
    assert [first.held, second.held] == taken
    assert await first.holder() == ("one" if taken[0] else "two")


async def test_a_released_lease_is_free_at_once(log: EventLog):
    first, second = lease(log, "one", 30), lease(log, "two", 30)
    assert await first.acquire()
    await first.release()
    assert not first.held
    assert await second.holder() == ""
    assert await second.acquire()
    await first.release()  # not ours any more: a no-op
    assert await second.renew()


async def test_an_unrenewed_lease_ends_by_itself(log: EventLog):
    first, second = lease(log, "one"), lease(log, "two")
    assert await first.acquire()
    assert not await second.acquire()
    await eventually(second.acquire, within_s=4)
    assert not first.held
    assert not await first.renew()


async def test_a_renewed_lease_lasts(log: EventLog):
    first, second = lease(log, "one"), lease(log, "two")
    assert await first.acquire()
    keeping = asyncio.create_task(first.keep())
    for _ in range(25):
        assert not await second.acquire()
        assert first.held
        await asyncio.sleep(0.1)
    keeping.cancel()


async def test_a_holder_that_comes_back_under_its_name_has_it_at_once(log: EventLog):
    assert await lease(log, "one", 30).acquire()
    assert await lease(log, "one", 30).acquire()


async def test_a_holder_cut_off_from_the_log_stops_holding_in_time(log: EventLog, nats_server: Nats):
    first = lease(log, "one")
    assert await first.acquire()
    nats_server.pause()
    try:
        async with asyncio.timeout(8):
            await first.keep()
        assert not first.held
    finally:
        nats_server.resume()


def test_a_lease_lasts_at_least_a_second():
    with pytest.raises(ValueError, match="at least 1 s"):
        Lease(None, "b", "k", holder="x", ttl_s=0)  # type: ignore[arg-type]
