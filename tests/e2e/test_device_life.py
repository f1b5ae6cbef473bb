"""A device's life as its operator sees it: found, approved, given a key, heard, and retired."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import websockets

from kaiser.fleet.device import Broker, Device
from kaiser.fleet.sensors import SensorSpec
from kaiser.fleet.sent import Sent
from kaiser.fleet.spec import DeviceSpec
from kaiser.local.ephemeral import PASSWORD, Mosquitto
from kaiser.local.ephemeral_services import Service
from kaiser.local.tree import Tree

ESP: Final = "ESP_0A1B2C"
SPEC: Final = DeviceSpec(
    esp_id=ESP, sensors=(SensorSpec(gpio=4, sensor_type="ds18b20", address="28FF641E8C160350"),), interval_s=0.5
)
LIMIT_S: Final = 15.0


@pytest.fixture
def mosquitto(infra_tree: Tree, tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker on which every device needs a key."""
    server = Mosquitto(infra_tree, tmp_path / "mosquitto", shared_account=False)
    try:
        yield server.start()
    finally:
        server.kill()


@contextlib.asynccontextmanager
async def _on(mosquitto: Mosquitto, user: str, password: str) -> AsyncIterator[Device]:
    """The device, switched on with these credentials in its flash."""
    broker = Broker(host=mosquitto.host, port=mosquitto.port, username=user, password=password)
    device = Device(SPEC, broker, Sent())
    living = asyncio.create_task(device.run())
    try:
        yield device
    finally:
        device.stop()
        await asyncio.wait((living,), timeout=5)
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)


async def test_from_factory_new_to_retired(mosquitto: Mosquitto, gateway: Service, api: httpx.AsyncClient) -> None:
    async with _events(gateway, api) as heard:
        async with _on(mosquitto, "commissioning", PASSWORD):
            found = await _until(lambda: _device(api), lambda device: device is not None)
            assert (found["state"], found["generation"]) == ("pending", "head")
            approved = (await api.post(f"/devices/{ESP}/approve", json={"name": "Bench A"})).raise_for_status().json()
        assert (approved["state"], approved["changed"], approved["username"]) == ("approved", True, ESP)
        again = (await api.post(f"/devices/{ESP}/approve", json={})).raise_for_status().json()
        assert (again["changed"], again["key"], again["seq"]) == (False, None, approved["seq"])
        shown = (await api.get(f"/devices/{ESP}", params={"at_least": approved["seq"]})).raise_for_status().json()
        assert (shown["state"], shown["name"], shown["state_by"]) == ("approved", "Bench A", "admin")

        async with _on(mosquitto, ESP, approved["key"]) as device:
            reading = await _until(lambda: _latest(api), lambda reading: reading is not None)
            assert (reading["value"] is not None, reading["zone_id"]) == (True, "")
            await _described(api)
            await _into_zone(api, device)
            rotated = (await api.post(f"/devices/{ESP}/key")).raise_for_status().json()
            await _until(lambda: _is(device.connected), lambda connected: not connected)
        async with _on(mosquitto, ESP, rotated["key"]) as device:
            await _until(lambda: _is(device.connected), bool)
            retired = (await api.post(f"/devices/{ESP}/retire", json={"reason": "water"})).raise_for_status().json()
            await _until(lambda: _is(device.connected), lambda connected: not connected)

        shown = (await api.get(f"/devices/{ESP}", params={"at_least": retired["seq"]})).raise_for_status().json()
        assert (shown["state"], shown["state_reason"], shown["key_issued_at"]) == ("retired", "water", None)
        history = (await api.get(f"/sensors/{ESP}/4/ds18b20/history", params={"resolution": "raw"})).json()
        assert history["readings"], "its history stays"
    names = [event["type"] for event in heard if event["data"]["esp_id"] == ESP]
    assert names == ["device_registered", "device_approved", "device_renamed", "zone_changed", "device_retired"]


async def _described(api: httpx.AsyncClient) -> None:
    """What the device does not say of itself, and what follows from it."""
    told = {"board": "xiao_esp32c3", "firmware_version": "4.2.1", "mac_address": "24:6f:28:0a:1b:2c"}
    seq = (await api.patch(f"/devices/{ESP}", json=told)).raise_for_status().json()["seq"]
    (shown,) = (await api.get("/devices", params={"at_least": seq})).raise_for_status().json()["items"]
    assert {name: shown[name] for name in told} == told | {"mac_address": "24:6F:28:0A:1B:2C"}
    assert "heartbeat_acknowledgements" in shown["capabilities"]
    board = (await api.get(f"/devices/{ESP}/board")).raise_for_status().json()
    assert (board["actuator_pins"], board["reserved_pins"]) == ([4, 5, 21], [0, 1, 3])
    assert (board["most_sensors"], board["most_actuators"], board["packet_bytes"]) == (10, 6, 1024)
    wrong = await api.patch(f"/devices/{ESP}", json={"mac_address": "24:6F:28:FF:FF:FF"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "VALUE_OUT_OF_RANGE")


async def _into_zone(api: httpx.AsyncClient, device: Device) -> None:
    """Readings are in the zone from the device's answer on, and those before stay where they were."""
    wish = {"zone_id": "north_tent", "zone_name": "North tent", "master_zone_id": "house", "zone_master": True}
    ordered = (await api.put(f"/devices/{ESP}/zone", json=wish)).raise_for_status()
    assert ordered.status_code == 202
    shown = await _until(lambda: _device(api), lambda shown: shown["zone_state"] == "confirmed")
    assert shown["zone_wanted"] == device.firmware.zone_id == "north_tent"
    await _until(lambda: _latest(api), lambda reading: reading["zone_id"] == "north_tent")
    history = (await api.get(f"/sensors/{ESP}/4/ds18b20/history", params={"resolution": "raw"})).json()["readings"]
    history.sort(key=lambda reading: reading["received_at"])  # two of one second have no order of their own
    assert [zone for zone, _ in itertools.groupby(reading["zone_id"] for reading in history)] == ["", "north_tent"]
    again = (await api.put(f"/devices/{ESP}/zone", json=wish)).raise_for_status().json()
    assert not again["changed"]
    (zone,) = (await api.get("/zones")).raise_for_status().json()["items"]
    expected = {
        "zone_id": "north_tent",
        "zone_name": "North tent",
        "master_zone_id": "house",
        "master": ESP,
        "ordered": 0,
    }
    assert {name: zone[name] for name in expected} == expected
    assert (await _device(api) or {})["zone_master"]


async def test_orders_that_cannot_be_are_refused_with_a_code(gateway: Service, api: httpx.AsyncClient) -> None:
    del gateway
    unknown = await api.post("/devices/ESP_FFFFFF/approve", json={})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "ESP_DEVICE_NOT_FOUND")
    nothing = await api.patch("/devices/ESP_FFFFFF", json={})
    assert (nothing.status_code, nothing.json()["code"]) == (400, "INVALID_PAYLOAD_FORMAT")
    zone = await api.put("/devices/ESP_FFFFFF/zone", json={"zone_id": "north tent"})
    assert (zone.status_code, zone.json()["code"]) == (404, "ESP_DEVICE_NOT_FOUND")
    wrong = await api.patch("/devices/ESP_FFFFFF", json={"board": "toaster"})
    assert wrong.status_code == 400


@contextlib.asynccontextmanager
async def _events(gateway: Service, api: httpx.AsyncClient) -> AsyncIterator[list[dict[str, Any]]]:
    """The registry's events as a WebSocket client gets them."""
    token = api.headers["Authorization"].removeprefix("Bearer ")
    types = [
        "device_registered",
        "device_approved",
        "device_renamed",
        "device_rejected",
        "device_retired",
        "zone_changed",
    ]
    heard: list[dict[str, Any]] = []
    async with websockets.connect(f"ws://127.0.0.1:{gateway.environment['KAISER_GATEWAY_PORT']}/ws") as socket:
        await socket.send(json.dumps({"action": "authenticate", "token": token}))
        await socket.send(json.dumps({"action": "subscribe", "filters": {"types": types}, "delivery": "immediate"}))

        async def listen() -> None:
            async for text in socket:
                heard.extend(json.loads(text).get("events", []))

        listening = asyncio.create_task(listen())
        yield heard
        await asyncio.sleep(0.3)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _device(api: httpx.AsyncClient) -> dict[str, Any] | None:
    answer = await api.get(f"/devices/{ESP}")
    found: dict[str, Any] | None = answer.json() if answer.is_success else None
    return found


async def _latest(api: httpx.AsyncClient) -> dict[str, Any] | None:
    answer = await api.get(f"/sensors/{ESP}/4/ds18b20/latest")
    found: dict[str, Any] | None = answer.json() if answer.is_success else None
    return found


async def _is(value: bool) -> bool:
    return value


async def _until(look: Callable[[], Awaitable[Any]], enough: Callable[[Any], bool]) -> Any:  # whatever is looked at
    async with asyncio.timeout(LIMIT_S):
        while not enough(seen := await look()):  # noqa: ASYNC110 - it happens in other processes
            await asyncio.sleep(0.05)
        return seen
