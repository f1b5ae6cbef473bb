"""Clients of a gateway: REST with a role, and WebSocket."""

import asyncio
import json
import time
from typing import Final

import httpx
import websockets

from kaiser.gateway.tokens import Tokens
from kaiser.local.ephemeral import PASSWORD
from kaiser.local.ephemeral_services import JWT_SECRET, Service

ROLES: Final = ("viewer", "operator", "engineer", "admin")
OWN_PASSWORD: Final = "of a user that a test made"


def client_of(gateway: Service, role: str) -> httpx.AsyncClient:
    """A client whose user has a role, and is called like it; the user is made where there is none yet."""
    base = base_url(gateway)
    with httpx.Client(base_url=base, timeout=30) as http:
        if role != "admin":
            user = {"username": role, "password": OWN_PASSWORD, "role": role}
            made = http.post("/api/v1/users", json=user, headers=bearer(logged_in(http, "admin", PASSWORD)))
            assert made.status_code in (201, 409), made.text
        tokens = logged_in(http, role, PASSWORD if role == "admin" else OWN_PASSWORD)
    return httpx.AsyncClient(base_url=base, headers=bearer(tokens), timeout=30)


def token_of(gateway: Service, role: str = "viewer") -> str:
    """An access token of a user with a role."""
    return client_of(gateway, role).headers["Authorization"].removeprefix("Bearer ")


def brief(token: str, *, expires_s: int) -> str:
    """Another access token of the same session, good for so many seconds."""
    tokens = Tokens(JWT_SECRET, expires_s=expires_s)
    read = tokens.read(token)
    return tokens.issue(
        read.user_id, read.username, read.role, now_s=int(time.time()), session_id=read.session_id, seq=read.seq
    )


def base_url(gateway: Service) -> str:
    """Where the API of a gateway is."""
    return f"http://127.0.0.1:{gateway.environment['KAISER_GATEWAY_PORT']}"


def logged_in(http: httpx.Client, username: str, password: str) -> dict:
    """Tokens of a login."""
    answer = http.post("/api/v1/auth/login", json={"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    return answer.json()["tokens"]


def bearer(tokens: dict) -> dict[str, str]:
    """Headers of whoever has tokens."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


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
