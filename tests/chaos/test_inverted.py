"""Active-low relays on ``dec``, which are set without regard to that when they are configured (wire contract, 6.5).

What they really do is looked at on the devices themselves, for their word is wrong.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from kaiser.fleet.faults import Faults

from .conftest import Suite, at_once
from .greenhouse import EQUIPMENT, PAIR, Greenhouse, Run, insist, known
from .stored import until

RELAY: Final = PAIR[0]
SCOPES: Final = {"site": {}, "device": {}, "actuator": {"gpio": RELAY}}
INVERTED: Final = EQUIPMENT | {"actuators": [item | {"inverted": True} for item in EQUIPMENT["actuators"]]}


class Bench:
    """One device with two inverted relays."""

    def __init__(self, greenhouse: Greenhouse, api: httpx.AsyncClient) -> None:
        self.greenhouse, self.api = greenhouse, api
        (self.device,) = greenhouse.devices
        self.esp_id = self.device.spec.esp_id

    def runs(self) -> list[Run]:
        """When either relay had power."""
        return [run for runs in self.greenhouse.runs.values() for run in runs]

    def on(self) -> bool:
        return self.greenhouse.on(self.device, RELAY)

    async def command(self, word: str) -> None:
        answer = await self.api.post(
            f"/actuators/{self.esp_id}/{RELAY}/command", json={"command": word}, params={"wait": 20}
        )
        assert answer.json().get("state") == "succeeded", answer.text

    async def told_off(self, times: int) -> None:
        """Wait until both relays were told OFF by Kaiser itself so often, and did it."""

        async def told() -> bool:
            answer = await self.api.get("/commands", params={"esp_id": self.esp_id, "limit": 500})
            found = [item for item in answer.json()["items"] if item["source"] == "safety"]
            done = [item["gpio"] for item in found if item["state"] == "succeeded"]
            return all(done.count(gpio) >= times for gpio in PAIR)

        await until(told)

    async def power_cycle(self) -> None:
        """Off and on, until it is configured anew, which ``dec`` needs for its actuators."""
        before = await self.config()
        self.device.power_cycle()

        async def configured() -> bool:
            found = await self.config()
            return bool(found["state"] == "confirmed" and found != before and self.device.firmware.actuators)

        await until(configured)

    async def config(self) -> dict[str, Any]:
        answer = await self.api.get(f"/devices/{self.esp_id}/config")
        return dict(answer.raise_for_status().json())

    async def stop(self, **scope: Any) -> str:
        answer = await self.api.post("/emergency-stops", json={"scope": scope, "reason": "drill"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["emergency_id"])

    async def release(self, emergency_id: str) -> None:
        body = {"reason": "drill is over"}
        await insist(self.api, "POST", f"/emergency-stops/{emergency_id}/release", body)


@pytest.fixture
async def bench(suite: Suite) -> AsyncIterator[Bench]:
    await at_once(suite.actuator.start, suite.safety.start, suite.gateway.start)
    greenhouse = Greenhouse(suite, random.Random(1), devices=1, faults=Faults(), interlocked=False, equipment=INVERTED)
    async with greenhouse.living(), greenhouse.api() as api:
        await greenhouse.introduce(api)
        yield Bench(greenhouse, api)


async def test_inverted_relays_have_no_power_after_they_were_configured_or_started_and_say_what_they_do(
    bench: Bench,
) -> None:
    await bench.told_off(1)
    await bench.power_cycle()
    await bench.told_off(2)
    assert bench.runs() == []
    shown = await known(bench.api, f"/actuators/{bench.esp_id}/{RELAY}")
    assert (shown["reported"]["level"], shown["desired"]["level"]) == (0.0, 0.0)
    await bench.command("ON")
    assert bench.on()
    await bench.command("OFF")
    assert not bench.on()


async def test_a_configuration_ends_what_an_inverted_relay_did_and_it_is_shown_as_off(bench: Bench) -> None:
    await bench.told_off(1)
    await bench.command("ON")
    await insist(bench.api, "PUT", f"/devices/{bench.esp_id}/config", INVERTED | {"sensors": []})
    await bench.told_off(2)
    assert not bench.on()
    assert [run.until is None for run in bench.runs()] == [False]
    shown = await known(bench.api, f"/actuators/{bench.esp_id}/{RELAY}")
    assert (shown["reported"]["level"], shown["desired"]["level"]) == (0.0, 0.0)


@pytest.mark.parametrize("kind", ["site", "device", "actuator"])
async def test_a_stop_switches_an_inverted_relay_off_and_a_start_inside_of_it_does_not_switch_it_on(
    bench: Bench, kind: str
) -> None:
    await bench.told_off(1)
    await bench.command("ON")
    scope = SCOPES[kind] | ({} if kind == "site" else {"esp_id": bench.esp_id})
    emergency_id = await bench.stop(kind=kind, **scope)

    async def off() -> bool:
        return all(run.until is not None for run in bench.runs())

    await until(off)
    before = bench.runs()
    await bench.power_cycle()
    await asyncio.sleep(2)  # what the start might do
    await bench.release(emergency_id)
    await bench.told_off(2)
    assert bench.runs() == before
    await until(lambda: _works(bench))


async def _works(bench: Bench) -> bool:
    answer = await bench.api.post(
        f"/actuators/{bench.esp_id}/{RELAY}/command", json={"command": "ON"}, params={"wait": 20}
    )
    return bool(answer.json().get("state") == "succeeded" and bench.on())
