"""On a cluster of three servers a stream is kept three times, when the site says so."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kaiser.contracts.streams import DEADLETTER
from kaiser.eventlog import EventLog, Lease, connect, ensure_streams, keep_copies
from kaiser.local.ephemeral import Server
from kaiser.local.ports import free_port
from kaiser.local.readiness import nats_greets

from .conftest import FACTS, eventually, fact


class Node(Server):
    """One server of a cluster."""

    def __init__(self, folder: Path, port: int, cluster_ports: list[int], number: int) -> None:
        folder.mkdir()
        configuration = {
            "host": "127.0.0.1",
            "port": port,
            "server_name": f"node-{number}",
            "jetstream": {"store_dir": str(folder / "jetstream")},
            "cluster": {
                "name": "kaiser",
                "listen": f"127.0.0.1:{cluster_ports[number]}",
                "routes": [f"nats://127.0.0.1:{other}" for other in cluster_ports],
            },
        }
        (folder / "nats.conf").write_text(json.dumps(configuration))
        program = str(Path(sys.executable).parent / "nats-server")
        super().__init__(folder, [program, "--config", str(folder / "nats.conf")], port=port)

    def _serves(self) -> bool:
        return nats_greets(self.port)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[Node]]:
    routes = [free_port() for _ in range(3)]
    nodes = [Node(tmp_path / f"node-{number}", free_port(), routes, number) for number in range(3)]
    try:
        yield [node.start() for node in nodes]
    finally:
        for node in nodes:
            node.kill()


@pytest.fixture
def three_copies() -> Iterator[None]:
    keep_copies(3)
    yield
    keep_copies(1)


async def _copies(log: EventLog, stream: str) -> int:
    info = await log.js.stream_info(stream)
    return int(info.config.num_replicas or 0)


async def test_a_stream_of_one_copy_becomes_one_of_three_and_survives_its_leader(
    cluster: list[Node], three_copies: None
) -> None:
    keep_copies(1)
    urls = [f"nats://127.0.0.1:{node.port}" for node in cluster]
    async with await connect(urls, name="test") as log:
        await ensure_streams(log, (FACTS, DEADLETTER))
        assert await _copies(log, FACTS.name) == 1
        keep_copies(3)
        await ensure_streams(log, (FACTS, DEADLETTER))
        assert await _copies(log, FACTS.name) == 3
        lease = Lease(log, "bridge", "slot-1", holder="one", ttl_s=30)
        assert await lease.acquire()
        assert await _copies(log, "KV_bridge") == 3

        async def caught_up() -> bool:
            replicas = (await log.js.stream_info(FACTS.name)).cluster.replicas or []
            return len(replicas) == 2 and all(replica.current for replica in replicas)

        await eventually(caught_up)
        await log.publish(fact(1), timeout_s=10)
        leader = (await log.js.stream_info(FACTS.name)).cluster.leader
        cluster[int(leader.removeprefix("node-"))].kill()
        await log.publish(fact(2), timeout_s=30)

        async def both() -> bool:
            return int((await log.js.stream_info(FACTS.name)).state.messages) == 2

        await eventually(both)
