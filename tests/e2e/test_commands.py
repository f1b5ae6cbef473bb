"""Commands on a whole suite, with firmware of both generations: their life, their limits, and what refuses them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from kaiser.contracts.topics import DownlinkKind

from .living import Tap, now, tapped, until
from .plant import FAN, PUMP, RELAY, planted
from .suite import Suite, hearing, logged_in

BOTH: Final = pytest.mark.parametrize("generation", ["dec", "head"])
LIFE: Final = ["requested", "dispatched", "acknowledged", "succeeded"]
"""As the actuator service tells it; safety's decision is of another stream, which has an order of its own."""


@pytest.fixture
async def api(suite: Suite) -> AsyncIterator[httpx.AsyncClient]:
    async with logged_in(suite.gateway) as client:
        yield client


@pytest.fixture
async def tap(suite: Suite) -> AsyncIterator[Tap]:
    async with tapped(suite.mosquitto) as tap:
        yield tap


def esp(number: int, generation: str) -> str:
    """A device of the test's own."""
    return f"ESP_{number:02X}{'DEC0' if generation == 'dec' else '4EAD'}"


@BOTH
async def test_a_command_lives_under_one_name_and_ends_once(
    suite: Suite, api: httpx.AsyncClient, tap: Tap, generation: str
) -> None:
    esp_id = esp(1, generation)
    async with planted(suite, api, esp_id, generation) as plant:
        async with hearing(suite.gateway, api, types=["command"], esp_ids=[esp_id]) as heard:
            done = await plant.done(PUMP, "ON", key="k-1", reason="dry bench")
            async with asyncio.timeout(10):
                while not {"approved", "succeeded"} <= {event["data"]["state"] for event in heard.events}:
                    await heard.more()
        assert plant.level(PUMP) == 1.0
        states = [event["data"]["state"] for event in heard.events]
        assert [state for state in states if state != "approved"] == [state for state in LIFE if state in states]
        assert {*LIFE, "approved"} - {*states} <= {"acknowledged"}, "a status may be faster than the answer"
        assert {event["data"]["command_id"] for event in heard.events} == {done["command_id"]}
        assert {event["data"]["correlation_id"] for event in heard.events} == {done["correlation_id"]}

        again = await plant.command(PUMP, "ON", key="k-1", reason="dry bench")
        assert (again.status_code, again.json()["command_id"]) == (200, done["command_id"])
        other = await plant.command(PUMP, "OFF", key="k-1")
        assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")

        shown = await plant.settled(PUMP, 1.0)
        assert (shown["desired"]["level"], shown["drift_since"], shown["open_commands"]) == (1.0, None, [])
        await plant.done(PUMP, "OFF")
        assert plant.level(PUMP) == 0.0
        await until(lambda: _levels(api, f"/actuators/{esp_id}/{PUMP}/history"), lambda found: found[-2:] == [1.0, 0.0])
        await until(
            lambda: _commands(api, esp_id), lambda found: [item["state"] for item in found] == ["succeeded"] * 2
        )
        told = tap.to(esp_id, DownlinkKind.ACTUATOR_COMMAND)
        assert [message["command"] for message in told if message["command"] == "ON"] == ["ON"]
        assert tap.faults({esp_id: generation}) == []


async def _levels(api: httpx.AsyncClient, path: str) -> list[Any]:
    return [item["level"] for item in (await api.get(path)).raise_for_status().json()["items"]]


async def _commands(api: httpx.AsyncClient, esp_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get("/commands", params={"esp_id": esp_id})).json()["items"]
    return found


@BOTH
async def test_toggle_and_levels_are_resolved_by_the_server(
    suite: Suite, api: httpx.AsyncClient, tap: Tap, generation: str
) -> None:
    esp_id = esp(2, generation)
    async with planted(suite, api, esp_id, generation) as plant:
        for action, level in (("ON", 1.0), ("OFF", 0.0)):
            done = await plant.done(RELAY, "TOGGLE")
            assert (done["asked"], done["action"], plant.level(RELAY)) == ("TOGGLE", action, level)
        await plant.done(FAN, "PWM", value=0.4)
        assert plant.level(FAN) == pytest.approx(0.4, abs=0.01)
        await plant.done(FAN, "ON")
        assert plant.level(FAN) == 1.0
        await plant.done(FAN, "PWM", value=0)
        refused = await plant.command(PUMP, "PWM", value=0.4)
        assert (refused.status_code, refused.json()["code"]) == (400, "COMMAND_NOT_FOR_TYPE")
        words = {message["command"] for message in tap.to(esp_id, DownlinkKind.ACTUATOR_COMMAND)}
        assert "TOGGLE" not in words
        assert tap.faults({esp_id: generation}) == []


async def test_a_duration_ends_by_the_servers_timer_where_the_device_has_none(
    suite: Suite, api: httpx.AsyncClient, tap: Tap
) -> None:
    esp_id = esp(3, "dec")
    async with planted(suite, api, esp_id, "dec") as plant:
        done = await plant.done(PUMP, "ON", duration=2)
        assert plant.level(PUMP) == 1.0
        await until(lambda: now(plant.level(PUMP)), lambda level: level == 0.0)
        listed = await until(lambda: _commands(api, esp_id), lambda found: found and found[0]["source"] == "timer")
        assert (listed[0]["action"], listed[0]["causation_id"]) == ("OFF", done["command_id"])
        assert {message["duration"] for message in tap.to(esp_id, DownlinkKind.ACTUATOR_COMMAND)} == {0}


@BOTH
async def test_limits_refuse_with_their_rule_and_what_they_saw(
    suite: Suite, api: httpx.AsyncClient, generation: str
) -> None:
    esp_id = esp(4, generation)
    async with planted(suite, api, esp_id, generation) as plant:
        path = f"/actuators/{esp_id}/{PUMP}/limits"
        (await api.put(path, json={"limits": {"max_on_s": 600}, "reason": "small tank"})).raise_for_status()
        shown = (await api.get(path)).raise_for_status().json()
        assert (shown["limits"]["max_on_s"], shown["by"], shown["reason"]) == (600, "admin", "small tank")
        too_long = await plant.command(PUMP, "ON", duration=601)
        assert (too_long.status_code, too_long.json()["code"]) == (409, "RUN_TOO_LONG")
        await plant.done(PUMP, "ON", duration=600)
        await plant.done(PUMP, "OFF")
        body = {"limits": {"max_on_s": 600, "min_off_s": 300}, "reason": "it runs hot"}
        (await api.put(path, json=body)).raise_for_status()
        refused = await plant.command(PUMP, "ON")
        found = refused.json()
        assert (refused.status_code, found["code"], found["rule"]) == (409, "COOLING_DOWN", "min_off")
        assert found["saw"]
        assert plant.level(PUMP) == 0.0
        listed = await until(lambda: _violations(api, esp_id), lambda items: len(items) == 2)
        assert [item["rule"] for item in listed] == ["min_off", too_long.json()["rule"]]
        assert listed[0]["saw"] == found["saw"]
        (await api.delete(path, params={"reason": "bigger tank"})).raise_for_status()
        await plant.done(PUMP, "ON")


async def _violations(api: httpx.AsyncClient, esp_id: str) -> list[dict[str, Any]]:
    answer = await api.get("/safety/violations", params={"esp_id": esp_id})
    found: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return found


@BOTH
async def test_interlocks_refuse_until_they_are_removed(suite: Suite, api: httpx.AsyncClient, generation: str) -> None:
    esp_id = esp(5, generation)
    pump, relay = ({"esp_id": esp_id, "gpio": gpio} for gpio in (PUMP, RELAY))
    never_both = {"kind": "at_most", "most": 1, "actuators": [pump, relay]}
    async with planted(suite, api, esp_id, generation) as plant:
        path = f"/interlocks/{esp_id.lower()}-never-both"
        (await api.put(path, json={"rule": never_both, "reason": "one fuse"})).raise_for_status()
        await plant.done(PUMP, "ON")
        refused = await plant.command(RELAY, "ON")
        found = refused.json()
        assert (refused.status_code, found["code"]) == (409, "INTERLOCKED")
        assert path.rpartition("/")[2] in found["rule"]
        assert plant.level(RELAY) == 0.0
        await plant.done(PUMP, "OFF")
        await plant.settled(PUMP, 0.0)
        await plant.done(RELAY, "ON")
        (await api.delete(path, params={"reason": "another fuse"})).raise_for_status()
        await plant.done(PUMP, "ON")


async def test_an_interlock_that_contradicts_another_is_refused_with_the_way_into_it(
    suite: Suite, api: httpx.AsyncClient
) -> None:
    pump, relay = ({"esp_id": esp(6, "head"), "gpio": gpio} for gpio in (PUMP, RELAY))
    never_both = {"kind": "at_most", "most": 1, "actuators": [pump, relay]}
    (await api.put("/interlocks/one-fuse", json={"rule": never_both, "reason": "one fuse"})).raise_for_status()
    only_while = {"kind": "only_while", "actuator": pump, "requires": relay}
    refused = await api.put("/interlocks/lamp-first", json={"rule": only_while, "reason": "cannot be"})
    assert refused.status_code == 409, refused.json()
    assert refused.json()["code"] == "INTERLOCK_CONTRADICTION"
    assert refused.json()["detail"]
    listed = (await api.get("/interlocks")).raise_for_status().json()["items"]
    assert "lamp-first" not in {item["interlock_id"] for item in listed}
    (await api.delete("/interlocks/one-fuse", params={"reason": "tried"})).raise_for_status()


async def test_what_cannot_be_told_is_refused(suite: Suite, api: httpx.AsyncClient) -> None:
    esp_id = esp(7, "head")
    async with planted(suite, api, esp_id, "head") as plant:
        missing = await plant.command(27, "ON")
        assert (missing.status_code, missing.json()["code"]) == (404, "ACTUATOR_NOT_FOUND")
        plant.device.drop()
        plant.device.stop()
    await until(lambda: api.get(f"/devices/{esp_id}"), lambda answer: not answer.json()["online"])
    offline = await plant.command(PUMP, "ON")
    assert (offline.status_code, offline.json()["code"]) == (409, "ESP_OFFLINE")
    held = await plant.command(PUMP, "OFF", wait=0, hold_s=600)
    assert (held.status_code, held.json()["state"]) == (202, "held")
    taken_back = (await api.delete(f"/commands/{held.json()['command_id']}")).raise_for_status()
    assert taken_back.json()["state"] == "cancelled"
