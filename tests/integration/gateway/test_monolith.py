"""Clients of the monolith find its routes, its bodies and its live stream."""

import asyncio
import contextlib
import json
from typing import Any

import httpx
import pytest
import websockets

from kaiser.contracts import queries, subjects
from kaiser.contracts.commands import AssignZone, DeviceDecided, OrderSubzone
from kaiser.eventlog import EventLog, connect
from kaiser.local.ephemeral_services import Service

from .clients import token_of
from .conftest import Owner, Standing
from .test_resuming import DEVICES, batch, cleared

API = "/api/v1"
DECIDED = DeviceDecided(esp_id="ESP_000001", state="approved", seq=8, changed=True)


def realtime(gateway: Service, client_id: str, query: str) -> websockets.connect:
    port = gateway.environment["KAISER_GATEWAY_PORT"]
    return websockets.connect(f"ws://127.0.0.1:{port}{API}/ws/realtime/{client_id}{query}")


async def next_of(socket: websockets.ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(20):
        found: dict[str, Any] = json.loads(await socket.recv())
    return found


async def test_zones_and_subzones_are_ordered_with_the_monoliths_bodies(
    engineer: httpx.AsyncClient, owner: Owner
) -> None:
    async with owner.answering(
        (subjects.command("ingest", "assign_zone"), AssignZone, DECIDED),
        (subjects.command("ingest", "order_subzone"), OrderSubzone, DECIDED),
    ):
        zone = {"zone_id": "north_tent", "zone_name": None, "master_zone_id": "greenhouse"}
        answer = await engineer.post(f"{API}/zone/devices/ESP_000001/assign", json=zone)
        assert (answer.status_code, answer.json()["changed"]) == (202, True)
        assert (owner.asked[-1].zone_id, owner.asked[-1].zone_name) == ("north_tent", "")
        assert (await engineer.delete(f"{API}/zone/devices/ESP_000001/zone")).status_code == 202
        assert owner.asked[-1].zone_id == ""
        pins = {"subzone_id": "bench", "subzone_name": "Bench", "assigned_gpios": [4, 5]}
        path = f"{API}/subzone/devices/ESP_000001/subzones"
        assert (await engineer.post(f"{path}/assign", json=pins)).status_code == 202
        assert (owner.asked[-1].subzone_id, owner.asked[-1].gpios) == ("bench", [4, 5])
        assert (await engineer.delete(f"{path}/bench")).status_code == 202
        assert (owner.asked[-1].subzone_id, owner.asked[-1].gpios) == ("bench", [])


async def test_devices_are_where_they_were(engineer: httpx.AsyncClient, owner: Owner) -> None:
    nothing: queries.Page[queries.Device] = queries.Page(items=[], next_cursor=None)
    async with owner.answering((subjects.query("ingest", "devices"), queries.DevicesQuery, nothing)):
        for path, zone_id in (("/esp/devices", None), ("/zone/tent/devices", "tent"), ("/zone/unassigned", "")):
            answer = await engineer.get(f"{API}{path}")
            assert (answer.status_code, answer.json()["items"]) == (200, [])
            assert owner.asked[-1].zone_id == zone_id


async def test_the_live_stream_is_one_event_a_message_in_the_monoliths_words(standing: Standing) -> None:
    token = token_of(standing.gateway)
    async with (
        await connect(standing.nats.url, name="test") as log,
        realtime(standing.gateway, "frontend-1", f"?token={token}") as socket,
    ):
        wish = {"types": ["sensor_data", "sequence_step"], "esp_ids": [DEVICES[1]], "sensor_types": ["ds18b20"]}
        await socket.send(json.dumps({"action": "subscribe", "filters": wish}))
        await socket.send(json.dumps({"action": "nonsense"}))  # the monolith says nothing to that
        got = await _until(socket, log, esp_id=DEVICES[1])
    assert set(got) == {"type", "timestamp", "data"}
    assert (got["type"], got["timestamp"]) == ("sensor_data", 1_777_500_031)
    monolith = {"esp_id", "gpio", "sensor_type", "value", "unit", "quality", "timestamp"}
    assert monolith <= set(got["data"])
    assert got["data"]["esp_id"] == DEVICES[1]


async def test_without_a_filter_everything_comes(standing: Standing) -> None:
    async with (
        await connect(standing.nats.url, name="test") as log,
        realtime(standing.gateway, "frontend-2", f"?token={token_of(standing.gateway)}") as socket,
    ):
        await _until(socket, log, esp_id=DEVICES[0])
        await log.publish(cleared(1))
        seen = set()
        while "alert" not in seen:
            seen.add((await next_of(socket))["type"])


async def _until(socket: websockets.ClientConnection, log: EventLog, *, esp_id: str) -> dict[str, Any]:
    """The first event, with readings of all devices coming until there is one; there is no answer to a wish."""

    async def go_on() -> None:
        for number in range(10_000):
            await log.publish(batch(number, esp_id=DEVICES[number % 2]))
            await asyncio.sleep(0.02)

    publishing = asyncio.create_task(go_on())
    try:
        while True:
            found = await next_of(socket)
            if found["data"].get("esp_id") == esp_id:
                return found
    finally:
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)


@pytest.mark.parametrize("query", ["?token=x", "?ticket=x"])
async def test_a_wrong_token_ends_the_socket_with_4001(standing: Standing, query: str) -> None:
    async with realtime(standing.gateway, "frontend-3", query) as socket:
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 4001


async def test_the_second_connection_of_a_client_takes_the_place_of_the_first(standing: Standing) -> None:
    query = f"?token={token_of(standing.gateway)}"
    async with (
        realtime(standing.gateway, "frontend-4", query) as first,
        realtime(standing.gateway, "frontend-5", query) as other,
        realtime(standing.gateway, "frontend-4", query) as second,
        await connect(standing.nats.url, name="test") as log,
    ):
        with contextlib.suppress(websockets.ConnectionClosed):
            async for _ in first:
                pass
        assert first.close_code == 4008
        await _until(second, log, esp_id=DEVICES[0])
        await _until(other, log, esp_id=DEVICES[0])
