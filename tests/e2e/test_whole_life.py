"""The whole life of a device, of both generations, on a broker where everybody needs a key of their own.

Whatever crosses the broker meanwhile is checked against the wire contract.
"""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from kaiser.contracts.streams import ACTUATORS
from kaiser.contracts.topics import DownlinkKind
from kaiser.eventlog import connect, replay
from kaiser.fleet.device import Broker, Device
from kaiser.fleet.sent import Sent
from kaiser.fleet.spec import DeviceSpec
from kaiser.local.ephemeral import PASSWORD, Mosquitto, Nats
from kaiser.local.ephemeral_services import Service
from kaiser.local.tree import Tree

from .living import FAST, Seen, Tap, now, tapped, until, watching

ESP: Final = "ESP_11FE00"
SENSOR: Final = f"/sensors/{ESP}/32/ph"
SHOWN: Final = ("esp_health", "config_response", "device_discovered", "zone_changed")
EQUIPMENT: Final = {
    "sensors": [{"gpio": 32, "sensor_type": "ph", "name": "Tank pH"}],
    "actuators": [{"gpio": 25, "actuator_type": "pump", "name": "Main pump"}],
}


@pytest.fixture
def mosquitto(infra_tree: Tree, tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker on which every device needs a key."""
    server = Mosquitto(infra_tree, tmp_path / "mosquitto", shared_account=False)
    try:
        yield server.start()
    finally:
        server.kill()


@pytest.fixture
async def tap(mosquitto: Mosquitto) -> AsyncIterator[Tap]:
    async with tapped(mosquitto) as tap:
        yield tap


@contextlib.asynccontextmanager
async def switched_on(mosquitto: Mosquitto, generation: str, user: str, password: str) -> AsyncIterator[Device]:
    """The device with these credentials in a flash that is empty but for them."""
    broker = Broker(host=mosquitto.host, port=mosquitto.port, username=user, password=password)
    device = Device(DeviceSpec(esp_id=ESP, generation=generation), broker, Sent(), time_scale=FAST)
    living = asyncio.create_task(device.run())
    try:
        yield device
    finally:
        device.stop()
        await asyncio.wait((living,), timeout=5)
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)


async def configured(seen: Seen, device: Device) -> None:
    """It holds what is to hang on it, and measures."""
    await until(seen.config, lambda found: found["state"] == "confirmed")
    assert set(device.firmware.actuators) == {25}
    await until(lambda: seen.latest(32, "ph"), lambda reading: reading is not None)


async def zoned(seen: Seen, device: Device, zone: str) -> None:
    """It is where it was told to be, and so are its readings, from then on."""
    (await seen.put("zone", {"zone_id": zone, "master_zone_id": "house"})).raise_for_status()
    await until(seen.device, lambda found: (found["zone_wanted"], found["zone_state"]) == (zone, "confirmed"))
    assert device.firmware.zone_id == zone
    await until(seen.device, lambda found: (found["zone_id"], found["master_zone_id"]) == (zone, "house"))
    zones = {found["zone_id"]: found for found in (await seen.api.get("/zones")).raise_for_status().json()["items"]}
    assert (zones.keys(), zones[zone]["devices"], zones[zone]["master_zone_id"]) == ({zone}, 1, "house")
    await until(lambda: seen.latest(32, "ph"), lambda reading: reading["zone_id"] == zone)


async def calibrated(api: httpx.AsyncClient, seen: Seen) -> None:
    """Two buffers; from then on its value is good."""
    (await api.post(f"{SENSOR}/calibration", json={"kind": "ph"})).raise_for_status()
    for raw, reference in ((1861, 7.0), (2520, 4.0)):
        point = {"raw": raw, "reference": reference, "temperature_c": 25.0}
        (await api.post(f"{SENSOR}/calibration/points", json=point)).raise_for_status()
    found: dict[str, Any] = (await api.post(f"{SENSOR}/calibration/finish", json={})).raise_for_status().json()
    assert found["calibration"]["rms"] == pytest.approx(0.0, abs=1e-6)
    reading = await until(lambda: seen.latest(32, "ph"), lambda reading: reading["quality"] in ("good", "fair"))
    assert reading["value"] is not None


async def statuses(nats_server: Nats) -> list[tuple[int, int]]:
    """What the log holds of the pump's state: the device's second, and when it was received in microseconds."""
    async with await connect(nats_server.url, name="test") as log:
        found = [
            json.loads(d.data) async for d in replay(log, ACTUATORS.name, subjects=(f"actuator.*.{ESP}.25.status",))
        ]
    return [(said["message"]["ts"], said["received_at"]) for said in found]


async def away_and_back(mosquitto: Mosquitto, nats_server: Nats, seen: Seen, device: Device) -> None:
    """Without a broker for a while.

    What ``dec`` keeps in memory meanwhile comes late, with its own time. Neither generation keeps readings (wire
    contract, section 6.3), so that their history has a hole and nothing in it.
    """
    restarts = (await until(seen.device, lambda found: found["online"]))["restarts"]
    await asyncio.to_thread(mosquitto.stop)
    await until(lambda: now(device.connected), lambda connected: not connected)
    gone_at, uptime_s = time.time(), device.firmware.clock.uptime_s
    await until(lambda: now(device.firmware.clock.uptime_s), lambda uptime: uptime > uptime_s + 120)
    back_at = time.time()
    await asyncio.to_thread(mosquitto.start)
    await until(lambda: now(device.connected), bool)
    last = await seen.latest(32, "ph")
    assert last is not None
    await until(lambda: seen.latest(32, "ph"), lambda reading: reading["reading_id"] != last["reading_id"])
    assert (await until(seen.device, lambda found: found["online"]))["restarts"] == restarts
    if device.spec.generation == "dec":
        late = [
            ts for ts, received_at in await statuses(nats_server) if ts < int(back_at) and received_at > back_at * 1e6
        ]
        assert late
        assert min(late) >= int(gone_at) - 1
    taken = [datetime.fromisoformat(reading["measured_at"]).timestamp() for reading in await seen.readings(32, "ph")]
    assert [at for at in taken if gone_at + 1 <= at < int(back_at)] == []


@pytest.mark.parametrize("generation", ["dec", "head"])
async def test_from_factory_new_to_retired(
    mosquitto: Mosquitto, nats_server: Nats, gateway: Service, api: httpx.AsyncClient, tap: Tap, generation: str
) -> None:
    async with watching(gateway, api, *SHOWN) as frames:
        await live(mosquitto, nats_server, api, tap, generation)
        seen = await until(lambda: now([event for frame in frames for event in frame["events"]]), bool)
    assert {event["type"] for event in seen if event["data"]["esp_id"] == ESP} == set(SHOWN)
    settled = [event["data"] for event in seen if event["type"] == "zone_changed"]
    confirmed = [data["zone_id"] for data in settled if data["outcome"] == "confirmed"]
    assert confirmed[:2] == ["north", "south"]


async def live(mosquitto: Mosquitto, nats_server: Nats, api: httpx.AsyncClient, tap: Tap, generation: str) -> None:
    """All of it."""
    seen = Seen(api, ESP)
    async with switched_on(mosquitto, generation, "commissioning", PASSWORD):
        found = await until(seen.device, lambda found: found is not None)
        assert (found["state"], found["generation"]) == ("pending", generation)
        approved = (await api.post(f"/devices/{ESP}/approve", json={"name": "Bench A"})).raise_for_status().json()

    async with switched_on(mosquitto, generation, ESP, approved["key"]) as device:
        await until(lambda: now(device.connected), bool)
        (await seen.put("config", EQUIPMENT)).raise_for_status()
        await configured(seen, device)
        await zoned(seen, device, "north")
        await calibrated(api, seen)
        await away_and_back(mosquitto, nats_server, seen, device)
        if generation == "dec":  # it lost the broker, so it hears nothing more until somebody cuts its power
            (await seen.put("zone", {"zone_id": "south"})).raise_for_status()
            await until(seen.device, lambda found: found["deaf_since"] is not None)
            told = len(tap.to(ESP, DownlinkKind.ZONE_ASSIGN))
            device.power_cycle()
            await until(seen.device, lambda found: found["deaf_since"] is None)
            assert told <= len(tap.to(ESP, DownlinkKind.ZONE_ASSIGN)) <= told + 1, (
                "it was not hammered while it was deaf"
            )
            await configured(seen, device)
        await zoned(seen, device, "south")
        rotated = (await api.post(f"/devices/{ESP}/key")).raise_for_status().json()
        await until(lambda: now(device.connected), lambda connected: not connected)

    async with switched_on(mosquitto, generation, ESP, rotated["key"]) as device:
        await until(lambda: now(device.connected), bool)
        # Its flash is empty, which its heartbeats show: it is told everything again, without being asked to
        await until(lambda: now(set(device.firmware.actuators)), lambda pins: pins == {25})
        retired = (await api.post(f"/devices/{ESP}/retire", json={"reason": "water"})).raise_for_status().json()
        await until(lambda: now(device.connected), lambda connected: not connected)

    shown = (await api.get(f"/devices/{ESP}", params={"at_least": retired["seq"]})).raise_for_status().json()
    assert (shown["state"], shown["state_reason"]) == ("retired", "water")
    readings = sorted(await seen.readings(32, "ph"), key=lambda reading: reading["received_at"])
    zones = [zone for zone, _ in itertools.groupby(reading["zone_id"] for reading in readings)]
    assert zones[:3] == ["", "north", "south"], "its history stays, each reading where it was taken"
    assert tap.faults({ESP: generation}) == []
