"""Emergency stops on a whole suite with firmware of both generations, and what goes on when somebody is killed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from .living import Tap, now, tapped, until
from .plant import FAN, PUMP, RELAY, Plant, planted
from .suite import Suite, hearing, logged_in, without

BOTH: Final = pytest.mark.parametrize("generation", ["dec", "head"])
PINS: Final = (PUMP, FAN, RELAY)


@pytest.fixture
async def api(suite: Suite) -> AsyncIterator[httpx.AsyncClient]:
    """A client; what its test stopped is released after it, whatever came of the test."""
    async with logged_in(suite.gateway) as client:
        yield client
        for emergency_id in await in_force(client):
            body = {"reason": "the test is over", "unconfirmed": True}
            (await client.post(f"/emergency-stops/{emergency_id}/release", json=body)).raise_for_status()


@pytest.fixture
async def tap(suite: Suite) -> AsyncIterator[Tap]:
    async with tapped(suite.mosquitto) as tap:
        yield tap


def esp(number: int, generation: str) -> str:
    """A device of the test's own."""
    return f"ESP_{number:02X}{'DEC1' if generation == 'dec' else '4EA1'}"


async def stopped(plant: Plant, *pins: int) -> None:
    """Return once the device itself has switched these pins off."""
    for gpio in pins or PINS:
        await until(lambda gpio=gpio: now(plant.level(gpio)), lambda level: level == 0.0)


async def stop(api: httpx.AsyncClient, **scope: Any) -> str:
    """An emergency stop; its id."""
    answer = await api.post("/emergency-stops", json={"scope": scope, "reason": "drill"})
    assert answer.status_code == 202, answer.json()
    emergency_id: str = answer.json()["emergency_id"]
    return emergency_id


async def in_force(api: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    """Stops in force, by their id, once safety says so."""
    answer = await until(lambda: api.get("/emergency-stops"), lambda answer: answer.is_success)
    listed = answer.json()["items"]
    return {item["emergency_id"]: item for item in listed}


async def released(api: httpx.AsyncClient, emergency_id: str, *here: Plant) -> None:
    """Release a stop, once everything in its scope has said that it is off.

    Where some plants are named, those of tests before this one are in the scope too, and are gone for good.
    """
    names = {f"{plant.esp_id}/{gpio}" for plant in here for gpio in PINS}
    path, body = f"/emergency-stops/{emergency_id}/release", {"reason": "drill is over", "unconfirmed": bool(here)}
    await until(
        lambda: in_force(api),
        lambda found: not (names or {*found[emergency_id]["unconfirmed"]}) & {*found[emergency_id]["unconfirmed"]},
    )
    answer = await api.post(path, json=body)
    assert answer.status_code == 200, answer.json()
    await until(lambda: in_force(api), lambda found: emergency_id not in found)


async def runs_again(plant: Plant, gpio: int = PUMP) -> None:
    """Return once a pin can be switched on again; head needs a while to clear its own emergency."""
    found = await until(lambda: plant.command(gpio, "ON"), lambda answer: answer.status_code == 200 and _won(answer))
    assert found.json()["state"] == "succeeded"
    assert plant.level(gpio) == 1.0


def _won(answer: httpx.Response) -> bool:
    return answer.json()["state"] == "succeeded"


@BOTH
async def test_a_device_is_stopped_refused_and_released_with_a_reason_and_stays_off(
    suite: Suite, api: httpx.AsyncClient, tap: Tap, generation: str
) -> None:
    esp_id, other_id = esp(1, generation), esp(2, generation)
    async with planted(suite, api, esp_id, generation) as plant, planted(suite, api, other_id, generation) as other:
        for gpio in PINS:
            await plant.done(gpio, "ON")
        await other.done(PUMP, "ON")
        async with hearing(suite.gateway, api, types=["emergency_stop"], esp_ids=["ESP_000000"]) as heard:
            emergency_id = await stop(api, kind="device", esp_id=esp_id)
            await stopped(plant)
            refused = await plant.command(PUMP, "ON")
            assert (refused.status_code, refused.json()["code"]) == (409, "EMERGENCY_ACTIVE")
            off = await plant.command(PUMP, "OFF")
            assert (off.status_code, off.json()["state"]) == (200, "succeeded"), off.json()
            shown = await until(lambda: in_force(api), lambda found: found[emergency_id]["unconfirmed"] == [])
            assert (shown[emergency_id]["by"], shown[emergency_id]["confirmed"]) == ("admin", len(PINS))
            assert other.level(PUMP) == 1.0, "a stop of one device is nobody else's"
            await released(api, emergency_id)
            async with asyncio.timeout(10):
                while len(heard.events) < 2:
                    await heard.more()
        assert [event["data"]["state"] for event in heard.events] == ["requested", "released"]
        assert {event["data"]["emergency_id"] for event in heard.events} == {emergency_id}
        assert [plant.level(gpio) for gpio in PINS] == [0.0] * 3, "a release switches nothing on"
        await runs_again(plant)
        assert tap.faults({esp_id: generation, other_id: generation}) == []


@BOTH
async def test_the_whole_site_is_stopped_and_a_device_that_comes_back_is_not_stopped_again_after_the_release(
    suite: Suite, api: httpx.AsyncClient, tap: Tap, generation: str
) -> None:
    esp_id = esp(3, generation)
    async with planted(suite, api, esp_id, generation) as plant:
        await plant.done(PUMP, "ON")
        emergency_id = await stop(api, kind="site")
        await stopped(plant)
        refused = await plant.command(FAN, "PWM", value=0.5)
        assert (refused.status_code, refused.json()["code"]) == (409, "EMERGENCY_ACTIVE")
        early = await api.post(f"/emergency-stops/{emergency_id}/release", json={"reason": "others are gone"})
        assert (early.status_code, early.json()["code"]) == (409, "EMERGENCY_UNCONFIRMED")
        await released(api, emergency_id, plant)
        uptime_s = plant.device.firmware.clock.uptime_s
        plant.device.power_cycle()
        await until(lambda: now(plant.device.firmware.clock.uptime_s), lambda since_boot_s: since_boot_s < uptime_s)
        await until(lambda: now(plant.device.connected), bool)
        await until(plant.seen.config, lambda found: found["state"] == "confirmed")
        await runs_again(plant)
        assert [line for line in tap.lines if line.retain and "emergency" in line.topic] == []
        assert tap.faults({esp_id: generation}) == []


async def test_without_safety_nothing_is_switched_on_and_off_and_stops_go_through(
    suite: Suite, api: httpx.AsyncClient
) -> None:
    async with (
        planted(suite, api, esp(4, "dec"), "dec") as dec,
        planted(suite, api, esp(4, "head"), "head") as head,
    ):
        for plant in (dec, head):
            await plant.done(PUMP, "ON")
            await plant.done(RELAY, "ON")
        async with without(suite.safety):
            for plant in (dec, head):
                refused = await plant.command(FAN, "ON")
                assert (refused.status_code, refused.json()["code"]) == (503, "SAFETY_UNAVAILABLE"), refused.json()
                assert plant.level(FAN) == 0.0
                await plant.done(RELAY, "OFF")
            emergency_id = await stop(api, kind="site")
            for plant in (dec, head):
                await stopped(plant)
        await released(api, emergency_id, dec, head)
        for plant in (dec, head):
            assert plant.level(PUMP) == 0.0
            await runs_again(plant)


async def test_without_the_actuator_service_a_stop_reaches_the_devices(suite: Suite, api: httpx.AsyncClient) -> None:
    async with (
        planted(suite, api, esp(5, "dec"), "dec") as dec,
        planted(suite, api, esp(5, "head"), "head") as head,
    ):
        for plant in (dec, head):
            await plant.done(PUMP, "ON")
        async with without(suite.actuator):
            refused = await dec.command(FAN, "ON")
            assert (refused.status_code, refused.json()["code"]) == (503, "SERVICE_ERROR")
            stops = [await stop(api, kind="device", esp_id=plant.esp_id) for plant in (dec, head)]
            for plant in (dec, head):
                await stopped(plant)
        for emergency_id in stops:
            await released(api, emergency_id)
        for plant in (dec, head):
            await runs_again(plant)


async def test_without_the_database_commands_safety_and_stops_work_as_ever(
    suite: Suite, api: httpx.AsyncClient
) -> None:
    async with (
        planted(suite, api, esp(6, "dec"), "dec") as dec,
        planted(suite, api, esp(6, "head"), "head") as head,
    ):
        path = f"/actuators/{dec.esp_id}/{FAN}/limits"
        async with without(suite.postgres):
            history = await api.get(f"/actuators/{dec.esp_id}/{PUMP}/history")
            assert (history.status_code, history.json()["code"]) == (503, "DATABASE_ERROR")
            (await api.put(path, json={"limits": {"max_level": 0.5}, "reason": "noise"})).raise_for_status()
            refused = await dec.command(FAN, "ON")
            assert (refused.status_code, refused.json()["code"]) == (409, "LEVEL_NOT_ALLOWED")
            for plant in (dec, head):
                await plant.done(PUMP, "ON")
                assert (await plant.actuator(PUMP))["desired"]["level"] == 1.0
                emergency_id = await stop(api, kind="device", esp_id=plant.esp_id)
                await stopped(plant)
                await released(api, emergency_id)
        violations = await until(
            lambda: api.get("/safety/violations", params={"esp_id": dec.esp_id}),
            lambda answer: answer.is_success and answer.json()["items"],
        )
        assert violations.json()["items"][0]["code"] == "LEVEL_NOT_ALLOWED", "and is caught up afterwards"
