"""Three NATS servers that are one event log, for tests and benchmarks: streams are kept three times.

Every node is a process of its own with the verbs that do it harm; what is asked of the whole cluster is asked over
HTTP, which works without a quorum.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

import httpx
import msgspec

from kaiser.local import nats
from kaiser.local.ephemeral import PASSWORD, Server
from kaiser.local.errors import NotReadyError
from kaiser.local.ports import LOOPBACK, free_port
from kaiser.local.readiness import nats_greets

NODES: Final = 3
READY_TIMEOUT_S: Final = 30.0


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """What is special about a node.

    Attributes:
        host: Its address.
        store: Folder of its streams, where it is not below the node's own: a small file system, say.
        within: Command to start it with, such as one that enters a network of its own.
        sync: How often it syncs, as :func:`kaiser.local.nats.prepare` has it.
    """

    host: str = LOOPBACK
    store: Path | None = None
    within: tuple[str, ...] = ()
    sync: str | None = None


class Node(Server):
    """One server of a cluster.

    Attributes:
        name: As the servers know it.
        address: Its URL without user and password.
        url: URL with the user without restrictions.
    """

    def __init__(self, folder: Path, place: nats.Place, where: Where) -> None:
        port, self._monitor = free_port(), free_port()
        self.name, self.host = place.name, where.host
        nats.prepare(
            folder,
            port=port,
            passwords=dict.fromkeys(nats.USERS, PASSWORD),
            listen=where.host,
            place=place,
            store=where.store,
            sync=where.sync,
            monitor=self._monitor,
        )
        super().__init__(folder, [*where.within, *nats.command(folder)], port=port)
        self.address = f"nats://{self.host}:{port}"
        self.url = f"nats://{nats.OPERATOR}:{PASSWORD}@{self.host}:{port}"

    def _serves(self) -> bool:
        return nats_greets(self.port, self.host)

    def ask(self, path: str) -> dict[str, Any]:
        """Its monitoring; empty while it does not answer."""
        with contextlib.suppress(httpx.HTTPError, ValueError):
            return dict(httpx.get(f"http://{self.host}:{self._monitor}{path}", timeout=2).json())
        return {}


class NatsCluster:
    """A cluster on the loopback address, with the face of a single :class:`~kaiser.local.ephemeral.Nats`.

    Args:
        folder: Where the nodes keep what is theirs.
        places: What is special about each node.

    Attributes:
        nodes: The servers.
        address: All addresses, separated by commas.
        url: The same with the user without restrictions.
        replicas: Copies that services are told to keep.
    """

    replicas = NODES
    username = nats.OPERATOR
    password = PASSWORD

    def __init__(self, folder: Path, places: Sequence[Where] = (Where(), Where(), Where())) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        ports = [free_port() for _ in places]
        routes = tuple(f"{where.host}:{port}" for where, port in zip(places, ports, strict=True))
        self.nodes = [
            Node(folder / f"node-{number}", nats.Place(name=f"node-{number}", port=port, routes=routes), where)
            for number, (where, port) in enumerate(zip(places, ports, strict=True))
        ]
        self.address = ",".join(node.address for node in self.nodes)
        self.url = ",".join(node.url for node in self.nodes)

    def start(self) -> Self:
        """Start every node, and wait until the cluster can make streams; a no-op where it runs.

        Raises:
            NotReadyError: It cannot, after 30 s.
        """
        for node in self.nodes:
            node.start()
        self.wait(lambda: bool(self.meta_leader()), "has no leader")
        return self

    def dispose(self) -> None:
        """End it for good."""
        for node in self.nodes:
            node.dispose()

    kill = dispose

    def meta_leader(self) -> Node | None:
        """The node that places streams; None while there is none."""
        for answer in self._answers("/jsz"):
            leader = answer.get("meta_cluster", {}).get("leader")
            if leader:
                return self.named(leader)
        return None

    def stream_leader(self, stream: str) -> Node | None:
        """The node that orders the messages of a stream; None while there is none."""
        for answer in self._answers("/jsz?streams=true&consumers=false&leader-only=false"):
            for account in answer.get("account_details", ()):
                for detail in account.get("stream_detail", ()):
                    if detail["name"] == stream and detail.get("cluster", {}).get("leader"):
                        return self.named(detail["cluster"]["leader"])
        return None

    def named(self, name: str) -> Node:
        """A node by its name."""
        return next(node for node in self.nodes if node.name == name)

    def whole(self) -> bool:
        """Whether every node runs and has every message of its streams."""
        return all(not _behind(node.ask("/healthz")) for node in self.nodes)

    def wait(self, condition: Callable[[], bool], what: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until a condition holds.

        Raises:
            NotReadyError: It did not; ``what`` says what was wrong.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise NotReadyError(f"the cluster {what} after {timeout_s:.0f} s")
            time.sleep(0.05)

    def _answers(self, path: str) -> Iterator[dict[str, Any]]:
        return (node.ask(path) for node in self.nodes if node.running)


def _behind(health: dict[str, Any]) -> bool:
    return health.get("status") != "ok"
