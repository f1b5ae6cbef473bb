"""Who may open a WebSocket, how, and until when."""

import asyncio
import json
import time
from pathlib import Path

import httpx
import pytest
import websockets

from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Nats, Postgres
from kaiser.local.ephemeral_services import Service

from .clients import brief, client_of, socket_of


def address_of(client: httpx.AsyncClient, query: str = "") -> str:
    return f"ws://{client.base_url.host}:{client.base_url.port}/ws{query}"


async def ticket_of(client: httpx.AsyncClient) -> str:
    answer = await client.post("/api/v1/auth/ws-ticket")
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    return answer.json()["ticket"]


async def close_code(ws) -> int:
    with pytest.raises(websockets.ConnectionClosed):
        await ws.recv()
    return ws.close_code


async def test_a_ticket_opens_one_socket_and_no_second(client: httpx.AsyncClient) -> None:
    ticket = await ticket_of(client)
    async with websockets.connect(address_of(client, f"?ticket={ticket}")) as ws:
        assert json.loads(await ws.recv())["user"] == "admin"
    async with websockets.connect(address_of(client, f"?ticket={ticket}")) as ws:
        assert await close_code(ws) == 4001


async def test_of_many_who_come_with_one_ticket_one_gets_in(client: httpx.AsyncClient) -> None:
    ticket = await ticket_of(client)

    async def come() -> bool:
        async with socket_of(client) as ws:
            await ws.send(json.dumps({"action": "authenticate", "ticket": ticket}))
            try:
                return json.loads(await ws.recv())["type"] == "authenticated"
            except websockets.ConnectionClosed:
                return False

    assert sum(await asyncio.gather(*(come() for _ in range(10)))) == 1


async def test_any_gateway_takes_the_ticket_of_any_other(
    client: httpx.AsyncClient, nats_server: Nats, postgres: Postgres, tmp_path: Path
) -> None:
    second = ephemeral_services.gateway(tmp_path / "second", nats_server, postgres)
    try:
        second.start()
        ticket = await ticket_of(client)
        async with (
            client_of(second, "viewer") as other,
            websockets.connect(address_of(other, f"?ticket={ticket}")) as ws,
        ):
            assert json.loads(await ws.recv())["user"] == "admin"
    finally:
        second.kill()


@pytest.mark.parametrize("ticket", ["x", "x" * 10_000, "..", "*"])
async def test_a_ticket_that_is_none_opens_nothing(client: httpx.AsyncClient, ticket: str) -> None:
    async with socket_of(client) as ws:
        await ws.send(json.dumps({"action": "authenticate", "ticket": ticket}))
        assert await close_code(ws) == 4001


async def test_nobody_gets_a_ticket_without_a_token(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/auth/ws-ticket", headers={"Authorization": ""})
    assert answer.status_code == 401


@pytest.mark.parametrize("way", ["header", "message"])
async def test_a_key_that_may_not_read_hears_nothing(client: httpx.AsyncClient, way: str) -> None:
    async def first_word(*scopes: str) -> str:
        wish = {"name": "of a machine", "scopes": scopes}
        key = (await client.post("/api/v1/keys", json=wish)).raise_for_status().json()["key"]
        headers = {"Authorization": f"Bearer {key}"} if way == "header" else {}
        async with websockets.connect(address_of(client), additional_headers=headers) as ws:
            if way == "message":
                await ws.send(json.dumps({"action": "authenticate", "token": key}))
            try:
                return json.loads(await ws.recv())["type"]
            except websockets.ConnectionClosed as closed:
                return f"{closed.rcvd.code} {closed.rcvd.reason}" if closed.rcvd else "nothing"

    assert await first_word("stop", "control", "configure", "rules", "audit") == "4001 needs the scope read"
    assert await first_word("stop", "read") == "authenticated"


async def test_a_socket_ends_with_its_token_by_a_code_of_its_own(gateway: Service, client: httpx.AsyncClient) -> None:
    now_s = int(time.time())
    own = client.headers["Authorization"]
    for how in ("token", "ticket"):
        client.headers["Authorization"] = own
        token = brief(own.removeprefix("Bearer "), expires_s=3)
        client.headers["Authorization"] = f"Bearer {token}"
        word = token if how == "token" else await ticket_of(client)
        async with socket_of(client) as ws:
            await ws.send(json.dumps({"action": "authenticate", how: word}))
            assert json.loads(await ws.recv())["expires_at"] >= now_s
            await ws.send(json.dumps({"action": "subscribe"}))
            assert json.loads(await ws.recv())["type"] == "subscribed"
            assert await close_code(ws) == 4002


async def test_a_chatterbox_is_slowed_down_and_answered(client: httpx.AsyncClient) -> None:
    token = client.headers["Authorization"].removeprefix("Bearer ")
    async with socket_of(client) as ws:
        await ws.send(json.dumps({"action": "authenticate", "token": token}))
        assert json.loads(await ws.recv())["type"] == "authenticated"
        began = time.monotonic()
        for _ in range(220):
            await ws.send('{"action":"ping"}')
        for _ in range(220):
            assert json.loads(await ws.recv())["type"] == "pong"
        assert time.monotonic() - began > 0.5
