"""Networks of one host each, joined by a bridge, that can be cut without anybody being told. Root only.

A cut takes the host's end of the cable down: packets go nowhere, and no connection is closed, as with a pulled plug.
"""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import pytest

from kaiser.local.nats_cluster import NODES, Where

SUBNETS: Final = 200
_chance = random.SystemRandom()


class Network:
    """A namespace with one address, and a cable to the bridge."""

    def __init__(self, name: str, host: str, cable: str) -> None:
        self.where = Where(host=host, within=("ip", "netns", "exec", name))
        self._cable = cable

    def cut(self) -> None:
        """Let nothing through any more, in either direction."""
        _ip("link", "set", self._cable, "down")

    def mend(self) -> None:
        """Let everything through again."""
        _ip("link", "set", self._cable, "up")


@contextmanager
def three_networks() -> Iterator[list[Network]]:
    """Three networks for the block; the test is skipped where they cannot be made."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    number = _chance.randrange(SUBNETS)
    tag, subnet = f"k{os.getpid()}", f"10.213.{number}"
    bridge = f"{tag}b"
    with ExitStack() as stack:
        _ip("link", "add", bridge, "type", "bridge")
        stack.callback(_ip, "link", "del", bridge)
        _ip("address", "add", f"{subnet}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        networks = []
        for node in range(NODES):
            name, cable, end, host = f"{tag}-{node}", f"{tag}c{node}", f"{tag}e{node}", f"{subnet}.{node + 2}"
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
            _ip("link", "add", cable, "type", "veth", "peer", "name", end, "netns", name)
            _ip("link", "set", cable, "master", bridge, "up")
            _ip("-n", name, "address", "add", f"{host}/24", "dev", end)
            for device in (end, "lo"):
                _ip("-n", name, "link", "set", device, "up")
            networks.append(Network(name, host, cable))
        yield networks


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
