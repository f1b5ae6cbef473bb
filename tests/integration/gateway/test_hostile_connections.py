"""Connections of those who take their time, send too much, or nothing that makes sense."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from litestar import Litestar, Request, WebSocket, get, post, websocket
from litestar.response import Stream

from kaiser.gateway.api import problems
from kaiser.gateway.edge.deadlines import Deadlines
from kaiser.gateway.edge.front import Front
from kaiser.gateway.edge.protocol import LARGEST_HEAD, PatientProtocol
from kaiser.gateway.wire import FRAMES_AT_ONCE, WireProtocol
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Postgres

from .clients import client_of, socket_of, subscribe
from .conftest import Standing


class Impatient(PatientProtocol):
    head_s = 0.3
    taken_s = 0.3


@post("/taken")
async def taken(request: Request[Any, Any, Any]) -> int:
    return len(await request.body())


@get("/never")
async def never() -> None:
    await asyncio.Event().wait()


@get("/fault")
async def fault() -> None:
    raise RuntimeError("the password of the database is swordfish")


@get("/endless")
async def endless() -> Stream:
    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
                await asyncio.sleep(0)  # as whoever reads the next page would
        finally:
            ended.set()

    ended.clear()
    return Stream(parts())


@websocket("/pour")
async def pour(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    poured.clear()
    try:
        while True:
            await socket.send_bytes(b"x" * 65536)
    finally:
        poured.set()


ended, poured = asyncio.Event(), asyncio.Event()


@pytest.fixture
async def port() -> AsyncIterator[int]:
    app = Litestar([taken, never, fault, endless, pour], exception_handlers=problems.HANDLERS, openapi_config=None)
    bounded = Front(Deadlines(app, body_s=0.3, answer_s=1), access_log=True)
    config = uvicorn.Config(
        bounded,  # type: ignore[arg-type]
        port=0,
        http=Impatient,
        ws=WireProtocol,
        ws_ping_interval=0.3,
        ws_ping_timeout=0.3,
        log_config=None,
        loop="none",
        lifespan="off",
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
    listening = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    yield listening.getsockname()[1]
    server.should_exit = server.force_exit = True
    await serving


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """All that comes before the server ends the connection."""
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionError):
            return await reader.read()
    return b""


@pytest.mark.parametrize(
    "head", [b"", b"\r\n", b"G", b"GET /fault HTTP/1.1\r\nHost: here\r\n"], ids=["nothing", "a line", "a byte", "half"]
)
async def test_a_head_that_does_not_come_ends_the_connection(port: int, head: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    assert await until_closed(reader) == b""
    writer.close()


async def test_a_head_that_does_not_end_is_refused_before_it_fills_the_memory(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /fault HTTP/1.1\r\n" + b"x-more: and more\r\n" * (LARGEST_HEAD // 10))
    assert b" 431 " in await until_closed(reader)
    writer.close()


async def test_a_body_that_does_not_come_is_given_up(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /taken HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    answer = await until_closed(reader)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"OPERATION_TIMEOUT"' in answer
    writer.close()


async def test_what_takes_too_long_is_answered_all_the_same(port: int) -> None:
    async with httpx.AsyncClient(timeout=30) as http:
        answer = await http.get(f"http://127.0.0.1:{port}/never")
    assert (answer.status_code, answer.json()["code"]) == (503, "OPERATION_TIMEOUT")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_client_that_takes_nothing_loses_its_connection_and_costs_nothing_more(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET /endless HTTP/1.1\r\nHost: here\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    async with asyncio.timeout(20):
        await ended.wait()
    writer.transport.abort()


async def test_a_fault_says_where_to_look_and_nothing_of_itself(port: int) -> None:
    async with httpx.AsyncClient(timeout=30) as http:
        answer = await http.get(f"http://127.0.0.1:{port}/fault", headers={"X-Request-ID": "mine-2"})
    assert answer.status_code == 500
    assert (answer.json()["code"], answer.json()["request_id"]) == ("SERVICE_ERROR", "mine-2")
    assert "swordfish" not in answer.text
    assert "RuntimeError" not in answer.text


@pytest.mark.parametrize(
    "sent",
    [b"\xff\xff\xff\xff", b"\x81\x05hello", b"\x83\x80\x00\x00\x00\x00", b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff"],
    ids=["garbage", "not masked", "an opcode that is none", "eight exabytes"],
)
async def test_frames_that_make_no_sense_end_their_socket_and_no_other(standing: Standing, sent: bytes) -> None:
    async with client_of(standing.gateway, "viewer") as client, socket_of(client) as good, socket_of(client) as bad:
        await subscribe(good, client)
        await subscribe(bad, client)
        bad.transport.write(sent)
        async with asyncio.timeout(20):
            await bad.wait_closed()
        await good.send('{"action":"ping"}')
        assert json.loads(await good.recv())["type"] == "pong"


@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"", b"\x89\x80\x00\x00\x00\x00"),
        (b"", b"\x8a\x80\x00\x00\x00\x00"),
        (b"\x01\x80\x00\x00\x00\x00", b"\x00\x80\x00\x00\x00\x00"),
        (b"", b"\x81\x80\x00\x00\x00\x00"),
    ],
    ids=["pings", "pongs", "parts of nothing", "empty messages"],
)
async def test_frames_without_end_end_their_socket_and_no_other(standing: Standing, first: bytes, more: bytes) -> None:
    """A read may bring tens of thousands, which would keep everybody waiting, and whose parts are kept for nothing."""
    async with client_of(standing.gateway, "viewer") as client, socket_of(client) as good, socket_of(client) as bad:
        await subscribe(good, client)
        await subscribe(bad, client)
        bad.transport.write(first + more * (2 * FRAMES_AT_ONCE))
        async with asyncio.timeout(20):
            await bad.wait_closed()
        assert bad.close_code == 1008
        await good.send('{"action":"ping"}')
        assert json.loads(await good.recv())["type"] == "pong"


async def test_a_socket_that_takes_nothing_and_gives_no_sign_of_life_is_let_go(port: int) -> None:
    """What it was sent before its end is not waited for: the connection would be there for as long as it likes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(
        b"GET /pour HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert await reader.readline() == b"HTTP/1.1 101 Switching Protocols\r\n"
    async with asyncio.timeout(20):
        await poured.wait()
    writer.transport.abort()


async def test_no_more_than_the_most_get_in_though_all_of_them_come_at_once(
    standing: Standing, shared_postgres: Postgres, tmp_path: Path
) -> None:
    small = ephemeral_services.gateway(tmp_path / "small", standing.nats, shared_postgres, clients="2")
    try:
        async with client_of(small.start(), "viewer") as client, contextlib.AsyncExitStack() as stack:
            token = client.headers["Authorization"].removeprefix("Bearer ")
            sockets = [await stack.enter_async_context(socket_of(client)) for _ in range(4)]
            for ws in sockets:
                await ws.send(json.dumps({"action": "authenticate", "token": token}))
            said = await asyncio.gather(*(ws.recv() for ws in sockets), return_exceptions=True)
            assert sum(isinstance(word, str) for word in said) == 2
            assert sorted(ws.close_code or 0 for ws in sockets) == [0, 0, 4008, 4008]
    finally:
        small.kill()


async def test_a_message_that_is_too_large_ends_its_socket(standing: Standing) -> None:
    async with client_of(standing.gateway, "viewer") as client, socket_of(client) as ws:
        await subscribe(ws, client)
        await ws.send("x" * (300 * 1024))
        async with asyncio.timeout(20):
            await ws.wait_closed()
        assert ws.close_code == 1009


async def test_each_of_many_subscriptions_is_answered_and_one_word_ends_them(standing: Standing) -> None:
    """Each replaces the one before; a client may say some of it at once, and waits for the rest."""
    async with client_of(standing.gateway, "viewer") as client, socket_of(client) as ws:
        await subscribe(ws, client)
        for _ in range(150):
            await ws.send('{"action":"subscribe","filters":{"zones":["a","b"]}}')
        await ws.send('{"action":"unsubscribe"}')
        async with asyncio.timeout(60):
            while (said := json.loads(await ws.recv())["type"]) != "unsubscribed":
                assert said == "subscribed"
