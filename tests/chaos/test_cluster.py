"""A NATS of three servers: one of them may go at any time, in any way, and nothing is lost but a moment.

Without a quorum nothing is stored and everybody is told so; then all goes on by itself.
"""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from kaiser.contracts.streams import STREAMS, TELEMETRY_RAW
from kaiser.local.ephemeral_services import Service
from kaiser.local.nats_cluster import NatsCluster, Node

from .clusters import LEADERS, RATE, bridge_holds_back, cluster_of, survive
from .conftest import Suite, at_once
from .load import fleet, under_load
from .stops import asking_for_stops
from .stored import assert_each_stored_once, caught_up, until

AWAY_S: Final = 3.0
HARM: Final = {"killed": ("kill", "start"), "frozen": ("pause", "resume")}

pytestmark = pytest.mark.filterwarnings("ignore:.*StreamWriter.__del__:pytest.PytestUnraisableExceptionWarning")
"""nats-py leaves what it opened to a server that then died to the garbage collector."""


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsCluster]:
    with cluster_of(tmp_path / "cluster") as cluster:
        yield cluster


async def _kill(node: Node) -> None:
    await at_once(node.kill)
    await asyncio.sleep(AWAY_S)
    await at_once(node.start)


async def _freeze(node: Node) -> None:
    await at_once(node.pause)
    await asyncio.sleep(15)  # long enough to be missed, and to believe that it leads when it wakes
    await at_once(node.resume)


async def test_everything_is_kept_three_times_and_the_death_of_a_leader_loses_nothing(suite: Suite) -> None:
    await at_once(suite.gateway.start)
    copies = {info.config.name: info.config.num_replicas for info in await suite.log.js.streams_info()}
    assert {stream.name for stream in STREAMS} <= copies.keys()
    assert {name for name in copies if name.startswith("KV_")}
    assert set(copies.values()) == {3}
    await survive(suite, [f"leader of {TELEMETRY_RAW.name}"], _kill)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("harm", [_kill, _freeze], ids=["killed", "frozen"])
async def test_each_server_in_turn_and_each_leader_may_be_taken_away(suite: Suite, harm) -> None:
    await survive(suite, [*(node.name for node in suite.nats.nodes), *LEADERS], harm)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", HARM)
async def test_without_a_quorum_requests_are_refused_clearly_and_readings_wait_at_the_broker(
    suite: Suite, how: str
) -> None:
    harm, repair = HARM[how]
    nodes = suite.nats.nodes[1:]
    await at_once(suite.gateway.start)
    async with asking_for_stops(suite.gateway) as stops, under_load(suite.mosquitto, fleet(), rate=RATE) as load:
        await asyncio.sleep(2)
        await at_once(*(getattr(node, harm) for node in nodes))
        await until(lambda: bridge_holds_back(suite))
        taken, held = len(load.acknowledged), len(stops.took_s)
        await asyncio.sleep(20)
        assert len(load.acknowledged) > taken + 10 * RATE, "the broker takes what devices say"
        assert len(stops.took_s) <= held + 1, "nothing holds that is not in the log"
        began = time.monotonic()
        await at_once(*(getattr(node, repair) for node in nodes))
        await caught_up(suite.postgres, load, since=began, what=f"two servers {how}")
        await stops.ask()
    print(f"refusals: {stops.refusals[:1]} and {len(stops.refusals) - 1} more")
    assert stops.refusals, "who asks is told"
    assert {refusal["status"] for refusal in stops.refusals} == {503}
    assert all(refusal["detail"] for refusal in stops.refusals)
    await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_rolling_restart_of_everything_loses_nothing_and_stops_hold_throughout(
    suite: Suite, second: Service
) -> None:
    """Servers and services one after the other; of bridges there are two, of the others one."""
    await at_once(suite.gateway.start, suite.actuator.start, suite.safety.start)
    async with asking_for_stops(suite.gateway) as stops, under_load(suite.mosquitto, fleet(), rate=RATE) as load:
        for part in (*suite.nats.nodes, suite.postgres, suite.mosquitto):
            began = time.monotonic()
            await at_once(part.stop)
            await at_once(part.start)
            await asyncio.to_thread(suite.nats.wait, suite.nats.whole, "is not whole again", 90)
            await caught_up(suite.postgres, load, since=began, what=f"{part.log.stem} restarted")
        for service in (suite.ingest, suite.actuator, suite.safety, suite.bridge, second):
            began = time.monotonic()
            await at_once(service.stop)
            await at_once(service.start)
            await caught_up(suite.postgres, load, since=began, what=f"{service.name} restarted")
        await stops.ask()
    print(f"longest until a stop held: {max(stops.took_s):.1f} s of {len(stops.took_s)}; refusals: {stops.refusals}")
    assert max(stops.took_s) < 20
    await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)
