"""Clients of a gateway: REST with a role, and WebSocket."""

import asyncio
import json
import time
from typing import Final

import httpx
import websockets

from kaiser.gateway.tokens import Tokens
from kaiser.local.ephemeral_services import JWT_SECRET, Service

ROLES: Final = ("viewer", "operator", "engineer", "admin")


def client_of(gateway: Service, role: str) -> httpx.AsyncClient:
    """A client whose user has a role, and is called like it."""
    token = Tokens(JWT_SECRET, expires_s=600).issue(role, role, role, now_s=int(time.time()))
    base = f"http://127.0.0.1:{gateway.environment['KAISER_GATEWAY_PORT']}"
    return httpx.AsyncClient(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=30)


def socket_of(client: httpx.AsyncClient, **options) -> websockets.connect:
    """A WebSocket of the gateway that a client talks to."""
    return websockets.connect(f"ws://{client.base_url.host}:{client.base_url.port}/ws", max_size=None, **options)


async def subscribe(socket, client: httpx.AsyncClient, **message) -> dict:
    """Say who the client is, and what it wants; the answer."""
    token = client.headers["Authorization"].removeprefix("Bearer ")
    await socket.send(json.dumps({"action": "authenticate", "token": token}))
    assert json.loads(await socket.recv())["type"] == "authenticated"
    await socket.send(json.dumps({"action": "subscribe"} | message))
    answer = json.loads(await socket.recv())
    assert answer["type"] == "subscribed"
    return answer


async def events(socket, count: int) -> list[dict]:
    """The next events of a socket."""
    found: list[dict] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            message = json.loads(await socket.recv())
            found += message.get("events", [])
    return found
