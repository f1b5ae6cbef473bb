"""A server of three whose disk is full. By a small file system in memory: root only."""

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from kaiser.contracts.streams import TELEMETRY_RAW
from kaiser.local.nats_cluster import NODES, NatsCluster, Node, Where

from .clusters import RATE, bridge_holds_back, cluster_of, survive
from .conftest import Suite, at_once
from .load import fleet, under_load
from .stops import asking_for_stops
from .stored import assert_each_stored_once, caught_up, until

SIZE_MIB: Final = 512
FULL_S: Final = 20

pytestmark = pytest.mark.filterwarnings("ignore:.*StreamWriter.__del__:pytest.PytestUnraisableExceptionWarning")
"""nats-py leaves what it opened to a server that then died to the garbage collector."""


@contextmanager
def _disk(folder: Path) -> Iterator[Path]:
    """A small file system for the block."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsCluster]:
    if os.geteuid() != 0:
        pytest.skip("a file system of a test's own needs root")
    with ExitStack() as stack:
        disks = [stack.enter_context(_disk(tmp_path / "disks" / str(number))) for number in range(NODES)]
        places = [Where(store=disk / "jetstream") for disk in disks]
        yield stack.enter_context(cluster_of(tmp_path / "cluster", places))


def _fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(1 << 16))
        except OSError:
            return


def _make_room(disk: Path) -> None:
    (disk / "filler").unlink()


def _disks(tmp_path: Path) -> list[Path]:
    return [tmp_path / "disks" / str(number) for number in range(NODES)]


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_server_whose_disk_is_full_is_done_without_until_it_has_room(suite: Suite, tmp_path: Path) -> None:
    async def fill(node: Node) -> None:
        disk = _disks(tmp_path)[suite.nats.nodes.index(node)]
        await at_once(lambda: _fill(disk))
        await asyncio.sleep(FULL_S)
        await at_once(lambda: _make_room(disk))
        await at_once(node.restart)  # JetStream switches itself off where it cannot write

    await survive(suite, [f"leader of {TELEMETRY_RAW.name}"], fill)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_three_full_disks_hold_readings_back_and_lose_none_of_them(suite: Suite, tmp_path: Path) -> None:
    await at_once(suite.gateway.start)
    async with asking_for_stops(suite.gateway) as stops, under_load(suite.mosquitto, fleet(), rate=RATE) as load:
        await asyncio.sleep(2)
        await at_once(*(lambda disk=disk: _fill(disk) for disk in _disks(tmp_path)))
        await until(lambda: bridge_holds_back(suite))
        await asyncio.sleep(FULL_S)
        began = time.monotonic()
        await at_once(*(lambda disk=disk: _make_room(disk) for disk in _disks(tmp_path)))
        await at_once(*(node.restart for node in suite.nats.nodes))
        await caught_up(suite.postgres, load, since=began, what="three full disks")
        await stops.ask()
    print(f"refusals: {stops.refusals[:1]} and {len(stops.refusals) - 1} more")
    assert {refusal["status"] for refusal in stops.refusals} <= {503}
    await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)
