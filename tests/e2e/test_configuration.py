"""What is to hang on devices: ordered over REST, told to simulated firmware of both generations, and followed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import httpx
import pytest

from kaiser.fleet.device import Broker, Device
from kaiser.fleet.sent import Sent
from kaiser.fleet.spec import DeviceSpec
from kaiser.local.ephemeral import PASSWORD, Mosquitto

ESP: Final = "ESP_0A1B2C"
LIMIT_S: Final = 30.0
PROBE: Final = "28FF641E8C160350"
MISSING: Final = "28FF641E8C160351"
EQUIPMENT: Final = {
    "sensors": [{"gpio": 32, "sensor_type": "ph", "name": "Tank pH"}],
    "actuators": [{"gpio": 25, "actuator_type": "pump", "name": "Main pump"}],
}

Look = Callable[[], Awaitable[Any]]


@contextlib.asynccontextmanager
async def device(mosquitto: Mosquitto, api: httpx.AsyncClient, spec: DeviceSpec) -> AsyncIterator[Device]:
    """An approved device that lives; a minute of its own is a second."""
    broker = Broker(host=mosquitto.host, port=mosquitto.port, username="device", password=PASSWORD)
    device = Device(spec, broker, Sent(), time_scale=60)
    living = asyncio.create_task(device.run())
    try:
        await until(lambda: shown(api), lambda found: found is not None)
        (await api.post(f"/devices/{ESP}/approve", json={})).raise_for_status()
        yield device
    finally:
        device.stop()
        await asyncio.wait((living,), timeout=5)
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)


async def until(look: Look, enough: Callable[[Any], bool]) -> Any:
    """What is seen, once it is enough."""
    seen: Any = None
    try:
        async with asyncio.timeout(LIMIT_S):
            while not enough(seen := await look()):  # noqa: ASYNC110 - it happens in other processes
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(seen) from None
    return seen


async def shown(api: httpx.AsyncClient) -> dict[str, Any] | None:
    answer = await api.get(f"/devices/{ESP}")
    return answer.json() if answer.is_success else None


async def config(api: httpx.AsyncClient) -> dict[str, Any]:
    return (await api.get(f"/devices/{ESP}/config")).raise_for_status().json()


def settled(found: dict[str, Any]) -> bool:
    return found["state"] not in ("none", "ordered")


@pytest.mark.parametrize("generation", ["dec", "head"])
async def test_a_device_gets_its_equipment_and_loses_what_is_taken_off(mosquitto, api, generation) -> None:
    async with device(mosquitto, api, DeviceSpec(esp_id=ESP, generation=generation)) as living:
        assert (await config(api))["state"] == "none"
        ordered = await api.put(f"/devices/{ESP}/config", json=EQUIPMENT)
        assert (ordered.status_code, ordered.json()["changed"]) == (202, True)
        found = await until(lambda: config(api), settled)
        assert (found["state"], found["faults"]) == ("confirmed", [])
        assert found["until_restart"] == ([32] if generation == "dec" else [])
        assert (set(living.firmware.actuators), [s.sensor_type for s in living.firmware.on_pin(32)]) == ({25}, ["ph"])
        await until(lambda: shown(api), lambda found: found["config_state"] == "confirmed")
        again = (await api.put(f"/devices/{ESP}/config", json=EQUIPMENT)).json()
        assert not again["changed"]

        living.firmware.actuators[25].state = True  # it runs, and must go on while sensors change
        moved = EQUIPMENT | {"sensors": [{"gpio": 33, "sensor_type": "moisture", "name": "Bed"}]}
        (await api.put(f"/devices/{ESP}/config", json=moved)).raise_for_status()
        await until(lambda: config(api), settled)
        assert [s.sensor_type for pin in (32, 33) for s in living.firmware.on_pin(pin)] == ["moisture"]
        assert living.firmware.actuators[25].state


async def test_a_dec_device_is_told_again_after_it_was_started_anew(mosquitto, api) -> None:
    async with device(mosquitto, api, DeviceSpec(esp_id=ESP, generation="dec")) as living:
        (await api.put(f"/devices/{ESP}/config", json=EQUIPMENT)).raise_for_status()
        await until(lambda: config(api), settled)
        await until(lambda: shown(api), lambda found: (found["uptime_s"] or 0) > 60)
        living.power_cycle()
        await until(lambda: shown(api), lambda found: found["restarts"] == 1)
        found = await until(lambda: config(api), settled)
        await until(lambda: _now(set(living.firmware.actuators)), lambda pins: pins == {25})
        assert found["state"] == "confirmed"


async def test_what_a_head_device_does_not_take_is_told_pin_by_pin(mosquitto, api) -> None:
    async with device(mosquitto, api, DeviceSpec(esp_id=ESP, missing_probes=(MISSING,))):
        wanted = EQUIPMENT | {
            "sensors": [
                {"gpio": 4, "sensor_type": "ds18b20", "name": "Root", "onewire_address": PROBE},
                {"gpio": 14, "sensor_type": "ds18b20", "name": "Gone", "onewire_address": MISSING},
            ]
        }
        (await api.put(f"/devices/{ESP}/config", json=wanted)).raise_for_status()
        found = await until(lambda: config(api), settled)
        assert found["state"] == "partly"
        (fault,) = found["faults"]
        assert (fault["kind"], fault["gpio"], fault["code"]) == ("sensor", 14, "VALIDATION_FAILED")


async def test_what_a_device_could_not_do_is_refused_before_it_is_sent(mosquitto, api) -> None:
    async with device(mosquitto, api, DeviceSpec(esp_id=ESP)) as living:
        wrong = EQUIPMENT | {"sensors": [{"gpio": 25, "sensor_type": "flow", "name": "Main"}]}
        refused = await api.put(f"/devices/{ESP}/config", json=wrong)
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (400, "GPIO_CONFLICT")
        assert "sensors[0].gpio" in refused.text
        assert (await config(api))["state"] == "none"
        assert not living.firmware.actuators


@pytest.mark.parametrize("generation", ["dec", "head"])
async def test_subzones_are_parts_of_a_confirmed_zone_and_go_with_it(mosquitto, api, generation) -> None:
    async with device(mosquitto, api, DeviceSpec(esp_id=ESP, generation=generation)) as living:
        early = await api.put(f"/devices/{ESP}/subzones/bench_a", json={"gpios": [25]})
        assert (early.status_code, early.json()["code"]) == (409, "DEVICE_STATE_FORBIDS")
        (await api.put(f"/devices/{ESP}/zone", json={"zone_id": "north"})).raise_for_status()
        await until(lambda: shown(api), lambda found: found["zone_state"] == "confirmed")
        (await api.put(f"/devices/{ESP}/subzones/bench_a", json={"gpios": [25, 26]})).raise_for_status()
        found = await until(lambda: config(api), lambda found: found["subzones"][0]["state"] != "ordered")
        assert (found["subzones"][0]["state"], found["subzones"][0]["gpios"]) == ("confirmed", [25, 26])
        assert living.firmware.subzones["bench_a"]
        taken = await api.put(f"/devices/{ESP}/subzones/bench_b", json={"gpios": [26]})
        assert (taken.status_code, taken.json()["code"]) == (400, "GPIO_CONFLICT")
        (await api.delete(f"/devices/{ESP}/subzones/bench_a")).raise_for_status()
        await until(lambda: config(api), lambda found: not found["subzones"])
        left = await api.delete(f"/devices/{ESP}/zone")
        if generation == "dec":
            assert (left.status_code, left.json()["code"]) == (400, "DOWNLINK_FORBIDDEN")
        else:
            found = await until(lambda: shown(api), lambda found: found["zone_state"] == "confirmed")
            await until(lambda: _now(living.firmware.zone_id), lambda zone: not zone)


async def test_a_dec_device_that_lost_the_broker_is_found_deaf_and_left_alone(mosquitto, api) -> None:
    async with device(mosquitto, api, DeviceSpec(esp_id=ESP, generation="dec")) as living:
        living.drop()
        await asyncio.sleep(1)  # it is back within milliseconds
        (await api.put(f"/devices/{ESP}/config", json=EQUIPMENT)).raise_for_status()
        found = await until(lambda: shown(api), lambda found: found["deaf_since"] is not None)
        assert found["online"]
        living.power_cycle()
        await until(lambda: shown(api), lambda found: found["deaf_since"] is None)
        found = await until(lambda: config(api), settled)
        assert found["state"] == "confirmed"


async def _now(value: Any) -> Any:
    return value
