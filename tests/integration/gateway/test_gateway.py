"""A real gateway on a real log: who gets in, what is pushed, and what is said when something is away."""

import asyncio
import json
import re
from pathlib import Path

import httpx
import msgspec
import pytest
import websockets

from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import Event, EventLog, connect, ensure_streams, replay
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Nats, Postgres
from kaiser.local.ephemeral_services import Service

from .clients import events, socket_of, subscribe


def _batch(first: int, count: int, *, esp_id: str = "ESP_9F03D4", sensor_type: str = "ds18b20") -> Event:
    at = 1_777_500_031_000_000
    batch = Readings(
        kaiser_id="god",
        reading_id=list(range(first, first + count)),
        sensor_id=[4711] * count,
        esp_id=[esp_id] * count,
        gpio=[4] * count,
        sensor_type=[sensor_type] * count,
        address=[""] * count,
        raw=[352.0] * count,
        value=[22.0] * count,
        unit=["°C"] * count,
        quality=["good"] * count,
        measured_at=[at] * count,
        time_source=["device"] * count,
        device_ts=[at // 1_000_000] * count,
        received_at=[at] * count,
        zone_id=[""] * count,
        subzone_id=[""] * count,
        pending=[False] * count,
        flags=[""] * count,
    )
    return Event(subject="telemetry.reading.god.0", type=Readings.TYPE, data=msgspec.json.encode(batch), source="test")


async def test_nobody_gets_in_without_a_token_of_ours(client: httpx.AsyncClient) -> None:
    for header in ({"Authorization": ""}, {"Authorization": "Bearer x"}):
        answer = await client.get("/api/v1/devices", headers=header)
        assert (answer.status_code, answer.json()["code"]) == (401, "NOT_AUTHENTICATED")
        assert answer.headers["content-type"].startswith("application/problem+json")
    async with socket_of(client) as ws:
        await ws.send(json.dumps({"action": "authenticate", "token": "x"}))
        with pytest.raises(websockets.ConnectionClosed):
            await ws.recv()
        assert ws.close_code == 4001


async def test_guessing_passwords_is_held_back(client: httpx.AsyncClient) -> None:
    statuses = [
        (await client.post("/api/v1/auth/login", json={"username": "admin", "password": "wrong"})).status_code
        for _ in range(8)
    ]
    assert statuses[:3] == [401] * 3
    assert statuses[-1] == 429


async def test_a_finished_reading_is_pushed_at_once_to_who_asked_for_that(
    client: httpx.AsyncClient, log: EventLog
) -> None:
    async with socket_of(client) as ws:
        await subscribe(ws, client, filters={"types": ["sensor_data"]}, delivery="immediate")
        await log.publish(_batch(1, 1))
        (event,) = await events(ws, 1)
    assert event["type"] == "sensor_data"
    assert event["data"]["value"] == 22.0
    assert event["data"]["reading_id"] == "1"


async def test_filters_let_through_what_was_asked_for(client: httpx.AsyncClient, log: EventLog) -> None:
    async with socket_of(client) as one, socket_of(client) as kind:
        await subscribe(one, client, filters={"esp_ids": ["ESP_000001"]}, delivery="immediate")
        await subscribe(kind, client, filters={"sensor_types": ["ph"]}, delivery="immediate")
        await log.publish_all([_batch(1, 3), _batch(10, 2, esp_id="ESP_000001"), _batch(20, 2, sensor_type="ph")])
        assert [e["data"]["reading_id"] for e in await events(one, 2)] == ["10", "11"]
        assert [e["data"]["reading_id"] for e in await events(kind, 2)] == ["20", "21"]


async def test_without_asking_there_are_at_most_ten_frames_a_second_with_everything_inside(
    client: httpx.AsyncClient, log: EventLog
) -> None:
    async with socket_of(client) as ws:
        await subscribe(ws, client)
        for number in range(100):
            await log.publish(_batch(number, 1))
            await asyncio.sleep(0.01)
        frames, ids = 0, []
        async with asyncio.timeout(10):
            while len(ids) < 100:
                frames += 1
                ids += [event["data"]["reading_id"] for event in json.loads(await ws.recv())["events"]]
    assert ids == [str(number) for number in range(100)]
    assert frames <= 30


async def test_a_client_that_does_not_read_is_told_how_much_it_missed(client: httpx.AsyncClient, log: EventLog) -> None:
    batches, each = 400, 200
    async with socket_of(client, max_queue=1, ping_interval=None) as ws:
        await subscribe(ws, client, delivery="immediate")
        for number in range(batches):
            await log.publish(_batch(number * each, each))
        got = missed = 0
        async with asyncio.timeout(60):
            while got + missed < batches * each:
                message = json.loads(await ws.recv())
                got += len(message.get("events", []))
                missed += message.get("count", 0)
    assert missed > 0
    assert got + missed == batches * each


async def test_a_wrong_message_is_answered_and_the_socket_lives(client: httpx.AsyncClient, log: EventLog) -> None:
    async with socket_of(client) as ws:
        await subscribe(ws, client, delivery="immediate")
        for wrong in (
            "not json",
            '{"action":"dance"}',
            '{"action":"subscribe","filters":{"colour":["red"]}}',
            '{"action":"subscribe","filters":{"types":["sensor_dat"]}}',
            '{"action":"subscribe","x":' + "[" * 20_000 + "]" * 20_000 + "}",
        ):
            await ws.send(wrong)
            assert json.loads(await ws.recv())["type"] == "error"
        await log.publish(_batch(1, 1))
        assert len(await events(ws, 1)) == 1


async def test_live_readings_go_on_after_the_log_was_restarted(
    client: httpx.AsyncClient, nats_server: Nats, log: EventLog
) -> None:
    async with socket_of(client) as ws:
        await subscribe(ws, client, delivery="immediate")
        await asyncio.to_thread(nats_server.kill)
        await asyncio.to_thread(nats_server.start)
        await log.publish(_batch(1, 1))
        assert len(await events(ws, 1)) == 1


async def test_without_ingest_lists_say_so_and_logging_in_works(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/devices")
    assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_ERROR")
    assert "ingest" in answer.json()["detail"]
    assert (await client.get("/api/v1/auth/me")).json()["username"] == "admin"


async def test_the_documentation_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = (await client.get("/schema")).text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert loaded
    for address in loaded:
        assert address.startswith("/schema/assets/")
        assert (await client.get(address)).status_code == 200
    assert (await client.get("/schema/openapi.json")).json()["openapi"].startswith("3.1")


async def test_the_first_admin_is_made_once(
    gateway: Service, nats_server: Nats, postgres: Postgres, tmp_path: Path, log: EventLog
) -> None:
    second = ephemeral_services.gateway(tmp_path / "second", nats_server, postgres)
    try:
        await asyncio.to_thread(second.start)
        made = [each async for each in replay(log, "IDENTITY", subjects=("identity.user.>",))]
        assert len(made) == 1
    finally:
        second.kill()


@pytest.mark.parametrize("wrong", ["inf", "nan", "1e300", "-1", "yesterday", "2026-11-23T12:00:00"])
async def test_a_time_that_is_none_is_refused_with_words(client: httpx.AsyncClient, wrong: str) -> None:
    answer = await client.get("/api/v1/sensors/ESP_9F03D4/4/ds18b20/history", params={"from": wrong})
    assert (answer.status_code, answer.json()["where"]) == (400, "from")


async def test_it_is_not_ready_while_nats_is_frozen_and_ready_again_after(gateway: Service, nats_server: Nats) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(30):
        assert (await _readiness(gateway, client)).status_code == 200
        nats_server.pause()
        assert "NATS" in (await _readiness(gateway, client, 503)).text
        nats_server.resume()
        await _readiness(gateway, client, 200)


async def test_it_is_ready_when_it_knows_where_devices_are_and_not_before(
    nats_server: Nats, postgres: Postgres, tmp_path: Path
) -> None:
    own = tuple(stream for stream in STREAMS if stream.name not in ("DEVICES", "HEARTBEATS"))
    service = ephemeral_services.gateway(tmp_path / "gateway", nats_server, postgres)
    service.wait = False
    try:
        async with await connect(nats_server.url, name="test") as log, httpx.AsyncClient() as client:
            await ensure_streams(log, own)
            service.start()
            async with asyncio.timeout(60):
                while "which devices are where" not in await _findings(service, client):  # noqa: ASYNC110 - a probe tells nobody
                    await asyncio.sleep(0.1)
                await ensure_streams(log, STREAMS)
                await _readiness(service, client, 200)
    finally:
        service.kill()


async def test_a_body_that_is_no_json_is_a_problem_with_a_code(client: httpx.AsyncClient) -> None:
    deep = b'{"username":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    for body in (b"{", b"[]", b'{"username":"admin"}', b"\xff", b'{"username":"\xff","password":"x"}', deep):
        answer = await client.post("/api/v1/auth/login", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_PAYLOAD_FORMAT"), body[:50]


async def test_a_socket_lives_on_with_a_new_token_of_the_same_user(client: httpx.AsyncClient) -> None:
    token = client.headers["Authorization"].removeprefix("Bearer ")
    async with socket_of(client) as ws:
        await subscribe(ws, client)
        for again, answer in ((token, "authenticated"), ("x", "error")):
            await ws.send(json.dumps({"action": "authenticate", "token": again}))
            assert json.loads(await ws.recv())["type"] == answer
        await ws.send(json.dumps({"action": "ping"}))
        assert json.loads(await ws.recv())["type"] == "pong"


async def _findings(gateway: Service, client: httpx.AsyncClient) -> str:
    """What its probe says; nothing while there is none."""
    try:
        answer = await client.get(f"{gateway.url}/health/ready")
    except httpx.ConnectError:
        return ""
    assert answer.status_code == 503
    return answer.text


async def _readiness(gateway: Service, client: httpx.AsyncClient, wanted: int | None = None) -> httpx.Response:
    """The answer of its probe, once it is the wanted one."""
    while True:
        answer = await client.get(f"{gateway.url}/health/ready")
        if wanted in (None, answer.status_code):
            return answer
        await asyncio.sleep(0.1)
