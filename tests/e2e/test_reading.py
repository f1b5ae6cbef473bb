"""One reading, from the device to the screen: published over MQTT, seen over WebSocket and REST."""

import asyncio
import contextlib
import csv
import io
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import aiomqtt
import httpx
import websockets
from pyarrow import parquet

from kaiser.local.ephemeral import Mosquitto
from kaiser.local.ephemeral_services import Service

ESP: Final = "ESP_9F03D4"
PROBE: Final = "28FF641E8C160350"
SENSOR: Final = f"/sensors/{ESP}/4/ds18b20"
LIMIT_S: Final = 10.0


async def test_a_published_reading_is_pushed_and_can_be_asked_for(
    mosquitto: Mosquitto, gateway: Service, api: httpx.AsyncClient
) -> None:
    at = int(time.time())

    async with _live(gateway, api) as socket:
        await _publish(mosquitto, {"raw": 352, "ts": at, "seq": 417})
        (pushed,) = await _pushed(socket)
    history = await _history(api, 1)
    day = (await api.get(f"{SENSOR}/history?pending=true")).json()
    exported = await api.get(f"{SENSOR}/export.csv?pending=true")
    table = parquet.read_table(io.BytesIO((await api.get(f"{SENSOR}/export.parquet?pending=true")).content))
    latest = (await api.get(f"{SENSOR}/latest?pending=true")).json()
    devices = (await api.get("/devices")).json()["items"]

    assert (pushed["esp_id"], pushed["gpio"], pushed["sensor_type"]) == (ESP, 4, "ds18b20")
    assert (pushed["address"], pushed["raw"], pushed["value"], pushed["unit"]) == (PROBE, 352.0, 22.0, "°C")
    assert latest["reading_id"] == pushed["reading_id"]
    assert (latest["raw"], latest["value"], latest["time_source"]) == (352.0, 22.0, "device")
    assert datetime.fromisoformat(latest["measured_at"]) == datetime.fromtimestamp(at, UTC)
    assert history == [latest]
    (row,) = csv.DictReader(io.StringIO(exported.text))
    assert exported.headers["content-type"].startswith("text/csv")
    assert (row["measured_at"], float(row["value"]), row["unit"]) == (latest["measured_at"], 22.0, "°C")
    assert {name: table.to_pylist()[0][name] for name in ("raw", "value", "unit")} == {
        name: latest[name] for name in ("raw", "value", "unit")
    }
    assert [(rollup["count"], rollup["mean"]) for rollup in day["rollups"]] == [(1, 22.0)]
    assert [device["esp_id"] for device in devices] == [ESP]


async def test_a_reading_sent_again_is_one_reading(
    mosquitto: Mosquitto, gateway: Service, api: httpx.AsyncClient
) -> None:
    at = int(time.time())

    async with _live(gateway, api) as socket:
        await _publish(mosquitto, {"raw": 352, "ts": at, "seq": 417}, {"raw": 352, "ts": at, "seq": 417})
        await _publish(mosquitto, {"raw": 368, "ts": at + 1, "seq": 418})
        pushed = await _pushed(socket)
        while pushed[-1]["raw"] != 368.0:
            pushed += await _pushed(socket)

    assert len({reading["reading_id"] for reading in pushed}) == 2, "a client that gets it again can tell"
    assert [reading["raw"] for reading in await _history(api, 2)] == [352.0, 368.0]


@contextlib.asynccontextmanager
async def _live(gateway: Service, api: httpx.AsyncClient) -> AsyncIterator[websockets.ClientConnection]:
    """A WebSocket client that is subscribed to readings for the block."""
    token = api.headers["Authorization"].removeprefix("Bearer ")
    subscribe = {"action": "subscribe", "filters": {"types": ["sensor_data"], "pending": True}, "delivery": "immediate"}
    async with websockets.connect(f"ws://127.0.0.1:{gateway.environment['KAISER_GATEWAY_PORT']}/ws") as socket:
        for message, answer in (
            ({"action": "authenticate", "token": token}, "authenticated"),
            (subscribe, "subscribed"),
        ):
            await socket.send(json.dumps(message))
            assert json.loads(await socket.recv())["type"] == answer
        yield socket


async def _publish(mosquitto: Mosquitto, *readings: dict[str, int]) -> None:
    """Publish as a ``head`` device does, with QoS 1."""
    async with aiomqtt.Client(
        mosquitto.host, mosquitto.port, username=mosquitto.username, password=mosquitto.password, identifier=ESP
    ) as device:
        for fields in readings:
            body = {
                "esp_id": ESP,
                "zone_id": "",
                "subzone_id": "",
                "gpio": 4,
                "sensor_type": "ds18b20",
                "value": fields["raw"] / 16,
                "unit": "°C",
                "quality": "good",
                "time_valid": True,
                "raw_mode": True,
                "onewire_address": PROBE,
            }
            await device.publish(f"kaiser/god/esp/{ESP}/sensor/4/data", json.dumps(body | fields), qos=1)


async def _pushed(socket: websockets.ClientConnection) -> list[dict[str, Any]]:
    """The readings of the next frame."""
    async with asyncio.timeout(LIMIT_S):
        return [event["data"] for event in json.loads(await socket.recv())["events"]]


async def _history(api: httpx.AsyncClient, count: int) -> list[dict[str, Any]]:
    """The sensor's readings, once there are so many: a row is committed some milliseconds after the push."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            answer = await api.get(f"{SENSOR}/history", params={"resolution": "raw", "pending": True})
            if answer.is_success and len(readings := answer.json()["readings"]) >= count:
                return readings
            await asyncio.sleep(0.02)
