"""A device that is moved into a zone that is stopped, and out of it: stopped on the way in, and on by nothing later."""

import asyncio
import random
from functools import partial
from typing import Any, Final

import httpx

from kaiser.fleet.device import Device
from kaiser.fleet.faults import Faults

from .conftest import Suite, at_once
from .greenhouse import PAIR, Greenhouse, insist, known
from .stored import until

RELAY: Final = PAIR[0]


async def move(api: httpx.AsyncClient, device: Device, zone: str) -> None:
    """Return when a device is in a zone, by its own word."""
    path = f"/devices/{device.spec.esp_id}"
    await insist(api, "PUT", f"{path}/zone", {"zone_id": zone, "master_zone_id": "house"})

    async def there() -> bool:
        found = (await api.get(path)).json()
        return bool((found["zone_id"], found["zone_state"]) == (zone, "confirmed"))

    await until(there)


async def command(api: httpx.AsyncClient, device: Device, word: str) -> dict[str, Any]:
    path = f"/actuators/{device.spec.esp_id}/{RELAY}/command"
    found: dict[str, Any] = (await api.post(path, json={"command": word}, params={"wait": 20})).json()
    return found


async def on(api: httpx.AsyncClient, device: Device) -> bool:
    return bool((await command(api, device, "ON")).get("state") == "succeeded")


async def off(greenhouse: Greenhouse, device: Device) -> bool:
    """Whether a relay is off, and the watch on it has seen that."""
    runs = greenhouse.runs.get((device.spec.esp_id, RELAY), [])
    return not greenhouse.on(device, RELAY) and all(run.until is not None for run in runs)


async def test_a_device_that_moves_into_a_stop_is_stopped_and_nothing_switches_it_on_when_it_moves_out(
    suite: Suite,
) -> None:
    await at_once(suite.actuator.start, suite.safety.start, suite.gateway.start)
    greenhouse = Greenhouse(suite, random.Random(1), devices=2, faults=Faults(), interlocked=False)
    async with greenhouse.living(), greenhouse.api() as api:
        await greenhouse.introduce(api)
        for device in greenhouse.devices:
            await move(api, device, "south")
            await until(partial(on, api, device))
            path = f"/actuators/{device.spec.esp_id}/{RELAY}/policy"
            await insist(api, "PUT", path, {"policy": "reassert", "reason": "it has to run"})
        scope = {"kind": "zone", "zone_id": "north"}
        answer = await api.post("/emergency-stops", json={"scope": scope, "reason": "drill"})
        emergency_id = answer.raise_for_status().json()["emergency_id"]
        assert [await off(greenhouse, device) for device in greenhouse.devices] == [False, False], "in another zone"
        for device in greenhouse.devices:
            await insist(
                api, "PUT", f"/devices/{device.spec.esp_id}/zone", {"zone_id": "north", "master_zone_id": "house"}
            )
            await until(partial(off, greenhouse, device))
        before = {output: list(runs) for output, runs in greenhouse.runs.items()}
        for device in greenhouse.devices:
            await move(api, device, "north")
            refused = await command(api, device, "ON")
            assert refused["code"] == "EMERGENCY_ACTIVE", refused
        await at_once(suite.actuator.kill, suite.safety.kill, suite.bridge.kill)
        await at_once(suite.actuator.start, suite.safety.start, suite.bridge.start)
        for device in greenhouse.devices:
            await move(api, device, "south")
            shown = await known(api, f"/actuators/{device.spec.esp_id}/{RELAY}")
            assert shown["desired"]["level"] == 0.0
        await asyncio.sleep(8)  # as long as a drift takes to be settled, and safety to look at everything
        assert greenhouse.runs == before
        assert emergency_id in (await api.get("/emergency-stops")).text, "it holds for whoever comes"
        (dec, head) = greenhouse.devices
        await until(partial(on, api, dec))
        refused = await command(api, head, "ON")
        assert refused["code"] == "COMMAND_REFUSED", "it is in its own emergency until that is cleared"
        over = f"/emergency-stops/{emergency_id}/release"
        (await api.post(over, json={"reason": "the drill is over", "unconfirmed": True})).raise_for_status()
        await until(partial(on, api, head))
