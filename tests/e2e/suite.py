"""A whole suite: three servers, and all services as processes, each with the verbs that do it harm."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import websockets

from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import PASSWORD, Mosquitto, Nats, Postgres, Server, copy_cluster
from kaiser.local.ephemeral_services import Service
from kaiser.local.tree import Tree


class Suite(NamedTuple):
    """Servers and services, all of them started."""

    mosquitto: Mosquitto
    nats: Nats
    postgres: Postgres
    bridge: Service
    ingest: Service
    actuator: Service
    safety: Service
    logic: Service
    gateway: Service


def made(folder: Path, tree: Tree, template: Path, **options: str) -> Suite:
    """A suite of one's own, of which nothing runs.

    Args:
        folder: Where it keeps its data.
        tree: Programs of the servers.
        template: Cluster of PostgreSQL to begin with.
        options: Of the gateway, as :func:`kaiser.local.ephemeral_services.gateway` has them.
    """
    mosquitto, nats = Mosquitto(tree, folder / "mosquitto"), Nats(folder / "nats")
    postgres = Postgres(tree, copy_cluster(template, folder / "postgres"), fsync=False)
    return Suite(
        mosquitto=mosquitto,
        nats=nats,
        postgres=postgres,
        bridge=ephemeral_services.bridge(folder / "bridge", mosquitto, nats),
        ingest=ephemeral_services.ingest(folder / "ingest", nats, postgres),
        actuator=ephemeral_services.actuator(folder / "actuator", nats, postgres),
        safety=ephemeral_services.safety(folder / "safety", nats, postgres),
        logic=ephemeral_services.logic(folder / "logic", nats, postgres),
        gateway=ephemeral_services.gateway(folder / "gateway", nats, postgres, **options),
    )


@contextlib.contextmanager
def standing(folder: Path, tree: Tree, template: Path, **options: str) -> Iterator[Suite]:
    """A suite of one's own that runs; arguments as of :func:`made`."""
    suite = made(folder, tree, template, **options)
    try:
        for server in suite:
            server.start()
        yield suite
    finally:
        for server in reversed(suite):
            server.kill()


_starting: Final = ThreadPoolExecutor(max_workers=1)
"""A server dies with the thread that started it, so it is none of an event loop's threads."""


@contextlib.asynccontextmanager
async def without(*servers: Server) -> AsyncIterator[None]:
    """Kill servers (SIGKILL), and start them again afterwards, while devices live on."""
    for server in servers:
        server.kill()
    try:
        yield
    finally:
        for server in servers:
            await asyncio.get_running_loop().run_in_executor(_starting, server.start)


@contextlib.asynccontextmanager
async def logged_in(gateway: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the REST API that has logged in."""
    base = f"http://127.0.0.1:{gateway.environment['KAISER_GATEWAY_PORT']}/api/v1"
    async with httpx.AsyncClient(base_url=base, timeout=60) as client:
        answer = await client.post("/auth/login", json={"username": "admin", "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['tokens']['access_token']}"
        yield client


@contextlib.asynccontextmanager
async def hearing(gateway: Service, api: httpx.AsyncClient, **filters: Any) -> AsyncIterator["Heard"]:
    """The live events of these filters, as a WebSocket client gets them."""
    token = api.headers["Authorization"].removeprefix("Bearer ")
    async with websockets.connect(f"ws://127.0.0.1:{gateway.environment['KAISER_GATEWAY_PORT']}/ws") as socket:
        await socket.send(json.dumps({"action": "authenticate", "token": token}))
        await socket.send(json.dumps({"action": "subscribe", "filters": filters, "delivery": "immediate"}))
        heard = Heard(socket)
        while (await heard.more())["type"] != "subscribed":
            pass
        yield heard


class Heard:
    """What a socket has brought so far.

    Attributes:
        events: Oldest first.
    """

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.events: list[dict[str, Any]] = []
        self._socket = socket

    async def more(self) -> dict[str, Any]:
        """Wait for one more message."""
        message: dict[str, Any] = json.loads(await self._socket.recv())
        self.events += message.get("events", [])
        return message
