"""A server of three whose network is cut, which nobody is told. By network namespaces: root only."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from kaiser.local.nats_cluster import NatsCluster, Node

from .clusters import LEADERS, cluster_of, survive
from .conftest import Suite, at_once
from .networks import Network, three_networks

CUT_S = 30
"""Longer than a client takes to notice (10 to 15 s), and than the servers need for another leader."""

pytestmark = pytest.mark.filterwarnings("ignore:.*StreamWriter.__del__:pytest.PytestUnraisableExceptionWarning")
"""nats-py leaves what it opened to a server that then died to the garbage collector."""


@pytest.fixture
def networks() -> Iterator[list[Network]]:
    with three_networks() as networks:
        yield networks


@pytest.fixture
def nats_server(networks: list[Network], tmp_path: Path) -> Iterator[NatsCluster]:
    with cluster_of(tmp_path / "cluster", [network.where for network in networks]) as cluster:
        yield cluster


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_leader_that_is_cut_off_loses_nothing_and_is_brought_up_to_date(
    suite: Suite, networks: list[Network]
) -> None:
    async def cut(node: Node) -> None:
        network = next(network for network in networks if network.where.host == node.host)
        await at_once(network.cut)
        await asyncio.sleep(CUT_S)
        await at_once(network.mend)

    await survive(suite, LEADERS, cut, longest_stop_s=40)
