"""Taking servers of a NATS cluster away under load, while somebody asks for emergency stops."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from kaiser.contracts.streams import SAFETY, TELEMETRY, TELEMETRY_RAW
from kaiser.local.nats_cluster import NatsCluster, Node, Where

from .conftest import Suite, at_once
from .load import fleet, under_load
from .stops import asking_for_stops
from .stored import assert_each_stored_once, caught_up

RATE: Final = 500.0
LONGEST_STOP_S: Final = 20.0
"""Until an emergency stop holds, while the servers choose a leader anew (up to 9 s, which is theirs)."""
WHOLE_S: Final = 90.0
LEADERS: Final = (*(f"leader of {stream.name}" for stream in (TELEMETRY_RAW, TELEMETRY, SAFETY)), "meta leader")

Harm = Callable[[Node], Awaitable[None]]
"""Takes a server away for a while, and lets it come back."""


@contextmanager
def cluster_of(folder: Path, places: Sequence[Where] = (Where(), Where(), Where())) -> Iterator[NatsCluster]:
    """Three servers for the block."""
    cluster = NatsCluster(folder, places)
    try:
        yield cluster.start()
    finally:
        cluster.dispose()


def found(cluster: NatsCluster, victim: str) -> Node:
    """A server by its part in the cluster, or by its name."""
    nodes: list[Node] = []

    def there() -> bool:
        match victim:
            case "meta leader":
                node = cluster.meta_leader()
            case part if part.startswith("leader of "):
                node = cluster.stream_leader(part.removeprefix("leader of "))
            case name:
                node = cluster.named(name)
        nodes.extend([node] if node else [])
        return bool(nodes)

    cluster.wait(there, f"has no {victim}")
    return nodes[0]


async def survive(suite: Suite, victims: Sequence[str], harm: Harm, *, longest_stop_s: float = LONGEST_STOP_S) -> None:
    """Harm one server after the other under load: nothing is lost or doubled, and every stop holds soon."""
    cluster = suite.nats
    assert isinstance(cluster, NatsCluster)
    await at_once(suite.gateway.start)
    async with asking_for_stops(suite.gateway) as stops, under_load(suite.mosquitto, fleet(), rate=RATE) as load:
        for victim in victims:
            await asyncio.sleep(1)
            node = await asyncio.to_thread(found, cluster, victim)
            began = time.monotonic()
            await harm(node)
            await caught_up(suite.postgres, load, since=began, what=f"{victim} ({node.name}) was away")
            await asyncio.to_thread(cluster.wait, cluster.whole, "is not whole again", WHOLE_S)
        await stops.ask()
    print(f"longest until a stop held: {max(stops.took_s):.1f} s of {len(stops.took_s)}; refusals: {stops.refusals}")
    assert max(stops.took_s) < longest_stop_s
    await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)


async def bridge_holds_back(suite: Suite) -> bool:
    """Whether the bridge says that the log does not take what it is given."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{suite.bridge.url}/health/ready")
    return answer.status_code == 503 and ("JetStream" in answer.text or "NATS" in answer.text)
