"""On a cluster of three servers a stream is kept three times, when the site says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kaiser.contracts.streams import DEADLETTER
from kaiser.eventlog import EventLog, Lease, connect, ensure_streams, keep_copies
from kaiser.eventlog.kv import ensure_bucket
from kaiser.local.nats_cluster import NatsCluster

from .conftest import FACTS, eventually, fact


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[NatsCluster]:
    cluster = NatsCluster(tmp_path / "cluster")
    try:
        yield cluster.start()
    finally:
        cluster.dispose()


@pytest.fixture
def three_copies() -> Iterator[None]:
    keep_copies(3)
    yield
    keep_copies(1)


async def _copies(log: EventLog, stream: str) -> int:
    info = await log.js.stream_info(stream)
    return int(info.config.num_replicas or 0)


async def test_a_stream_of_one_copy_becomes_one_of_three_and_survives_its_leader(
    cluster: NatsCluster, three_copies: None
) -> None:
    keep_copies(1)
    async with await connect(cluster.url, name="test") as log:
        await ensure_streams(log, (FACTS, DEADLETTER))
        assert await _copies(log, FACTS.name) == 1
        await ensure_bucket(log, "safety")
        assert await _copies(log, "KV_safety") == 1
        keep_copies(3)
        await ensure_streams(log, (FACTS, DEADLETTER))
        assert await _copies(log, FACTS.name) == 3
        lease = Lease(log, "bridge", "slot-1", holder="one", ttl_s=30)
        assert await lease.acquire()
        assert await _copies(log, "KV_bridge") == 3
        await ensure_bucket(log, "safety")
        assert await _copies(log, "KV_safety") == 3

        async def caught_up() -> bool:
            replicas = (await log.js.stream_info(FACTS.name)).cluster.replicas or []
            return len(replicas) == 2 and all(replica.current for replica in replicas)

        await eventually(caught_up)
        await log.publish(fact(1), timeout_s=10)
        leader = (await log.js.stream_info(FACTS.name)).cluster.leader
        cluster.named(leader).kill()
        await log.publish(fact(2), timeout_s=30)

        async def both() -> bool:
            return int((await log.js.stream_info(FACTS.name)).state.messages) == 2

        await eventually(both)
