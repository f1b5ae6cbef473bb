"""A site of compose, used as its people use it: a device introduces itself, is approved, and its readings are seen."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import aiomqtt
import httpx
import pytest

from kaiser.fleet.device import Broker, Device
from kaiser.fleet.sensors import SensorSpec
from kaiser.fleet.sent import Sent
from kaiser.fleet.spec import DeviceSpec
from kaiser.local.programs import SERVERS, SERVICES

from .conftest import Site

ESP: Final = "ESP_0A1B2C"
SPEC: Final = DeviceSpec(
    esp_id=ESP, sensors=(SensorSpec(gpio=4, sensor_type="ds18b20", address="28FF641E8C160350"),), interval_s=0.5
)
LIMIT_S: Final = 60.0

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def api(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A client that trusts the site's authority and has logged in with the password that was made."""
    context = ssl.create_default_context(cafile=str(site.ca_file))
    async with httpx.AsyncClient(base_url="https://localhost:8443/api/v1", verify=context, timeout=20) as client:
        answer = await client.post("/auth/login", json={"username": "admin", "password": site.secret("admin")})
        client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['tokens']['access_token']}"
        yield client


@contextlib.asynccontextmanager
async def _on(user: str, password: str) -> AsyncIterator[Device]:
    device = Device(SPEC, Broker(host="127.0.0.1", port=1883, username=user, password=password), Sent())
    living = asyncio.create_task(device.run())
    try:
        yield device
    finally:
        device.stop()
        await asyncio.wait((living,), timeout=5)
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)


async def _until(look: Callable[[], Awaitable[httpx.Response]], enough: Callable[[Any], bool]) -> Any:
    seen: Any = None
    async with asyncio.timeout(LIMIT_S):
        while True:
            answer = await look()
            seen = answer.json() if answer.is_success else None
            if seen is not None and enough(seen):
                return seen
            await asyncio.sleep(0.1)


async def test_from_a_new_device_to_its_reading_over_rest_and_over_a_restart(
    site: Site, api: httpx.AsyncClient
) -> None:
    latest = f"/sensors/{ESP}/4/ds18b20/latest"
    async with _on("commissioning", site.secret("mqtt-commissioning")):
        await _until(lambda: api.get(f"/devices/{ESP}"), lambda device: device["state"] == "pending")
        approved = (await api.post(f"/devices/{ESP}/approve", json={"name": "Bench"})).raise_for_status().json()
    async with _on(ESP, approved["key"]):
        first = await _until(lambda: api.get(latest), lambda reading: reading["value"] is not None)
        # Everything anew, servers too: nothing of it lives in a container
        site.compose("restart")
        for name in (*SERVERS, *SERVICES):
            site.until_healthy(name)
        await _until(lambda: api.get(latest), lambda reading: reading["measured_at"] > first["measured_at"])
    history = (await api.get(f"/sensors/{ESP}/4/ds18b20/history", params={"resolution": "raw"})).json()["readings"]
    assert first["reading_id"] in [reading["reading_id"] for reading in history]


def test_a_backup_is_made_beside_everything_and_written_over_nothing(site: Site) -> None:
    said = site.compose("--profile", "backup", "run", "--rm", "backup")
    assert "pieces: whole" in said
    (line,) = site.compose("--profile", "backup", "run", "--rm", "backup", "list").splitlines()[1:]
    assert line.split()[0] in said
    with pytest.raises(AssertionError, match="the log is not empty"):
        site.compose("--profile", "backup", "run", "--rm", "backup", "restore")


async def test_a_second_start_changes_no_secret_and_no_certificate(site: Site) -> None:
    before = site.secret("admin"), site.compose("exec", "gateway", "cat", "/site/tls.crt")
    site.compose("up", "--detach", "--wait", "--force-recreate", "--wait-timeout", "300")
    assert (site.secret("admin"), site.compose("exec", "gateway", "cat", "/site/tls.crt")) == before


async def test_whoever_has_no_account_hears_nothing(site: Site) -> None:
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client("127.0.0.1", 1883):
            pass
    context = ssl.create_default_context(cafile=str(site.ca_file))
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client("localhost", 8883, tls_context=context, username="device", password="guess"):
            pass


def test_only_the_broker_and_the_api_are_reached_from_outside(site: Site) -> None:
    del site
    reached = []
    for port in (1883, 4222, 5432, 8081, 8222, 8443, 8883):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                reached.append(port)
    assert reached == [1883, 8443, 8883]


@pytest.mark.parametrize("service", [*SERVERS, *SERVICES])
def test_every_container_is_confined(site: Site, service: str) -> None:
    found = site.inspect(service)
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] > 0
    assert found["Config"]["User"] not in ("", "0", "root")
    assert not [pair for pair in found["Config"]["Env"] if "PASSWORD=" in pair or "SECRET=" in pair]


@pytest.mark.parametrize(
    ("service", "host", "port"),
    [
        ("gateway", "postgres", 5432),
        ("gateway", "mosquitto", 1883),
        ("bridge", "postgres", 5432),
        ("safety", "mosquitto", 1883),
    ],
)
def test_a_service_cannot_reach_what_is_no_business_of_its(site: Site, service: str, host: str, port: int) -> None:
    attempt = f"import socket\ntry: socket.create_connection(({host!r}, {port}), 2)\nexcept OSError: print('no way')"
    assert "no way" in site.compose("exec", service, "python3", "-c", attempt)
