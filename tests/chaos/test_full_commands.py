"""Streams that take no more, under commands: who is not served is told so, and nothing is lost or done twice."""

import asyncio
import random
from collections.abc import AsyncIterator
from functools import partial

import httpx
import pytest

from kaiser.eventlog import EventLog, new_id
from kaiser.fleet.faults import Faults
from kaiser.local.ephemeral_services import Service

from .conftest import Suite, at_once
from .greenhouse import PAIR, Greenhouse, assert_one_end_each
from .stored import until

FULL = "SERVICE_ERROR"


async def fill(log: EventLog, stream: str) -> None:
    """Leave no room for another event."""
    info = await log.js.stream_info(stream)
    info.config.max_bytes = max(1, info.state.bytes)
    await log.js.update_stream(info.config)


async def empty(log: EventLog, stream: str) -> None:
    """Give it room again."""
    config = (await log.js.stream_info(stream)).config
    config.max_bytes = -1
    await log.js.update_stream(config)


async def says_full(service: Service, stream: str) -> bool:
    """Whether health and metrics of a service say that a stream takes no more."""
    async with httpx.AsyncClient() as client:
        ready, metrics = await client.get(f"{service.url}/health/ready"), await client.get(f"{service.url}/metrics")
    told = ready.status_code == 503 and f"{stream} takes no more" in ready.text
    return told and f'kaiser_{service.name}_log_full{{stream="{stream}"}} 1.0' in metrics.text


async def is_ready(service: Service) -> bool:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{service.url}/health/ready")).status_code == 200


class Switching:
    """Two devices whose first relays run, and somebody at the API."""

    def __init__(self, greenhouse: Greenhouse, api: httpx.AsyncClient) -> None:
        self.greenhouse, self.api = greenhouse, api
        self.esps = [device.spec.esp_id for device in greenhouse.devices]

    async def command(self, number: int, gpio: int, word: str, key: str, wait: float = 0) -> httpx.Response:
        path = f"/actuators/{self.esps[number]}/{gpio}/command"
        answer = await self.api.post(
            path, json={"command": word}, params={"wait": wait}, headers={"Idempotency-Key": key}
        )
        if answer.is_success:
            self.greenhouse.keys[key] = answer.json()["command_id"]
        return answer

    async def stop(self, number: int) -> httpx.Response:
        scope = {"kind": "device", "esp_id": self.esps[number]}
        return await self.api.post("/emergency-stops", json={"scope": scope, "reason": "drill"})

    async def switched_on(self, number: int) -> bool:
        answer = await self.command(number, PAIR[0], "ON", f"on-{new_id()}", wait=20)
        return bool(answer.json().get("state") == "succeeded")

    def on(self, number: int, gpio: int) -> bool:
        return self.greenhouse.on(self.greenhouse.devices[number], gpio)

    async def until_off(self, number: int, gpio: int) -> None:
        async def off() -> bool:
            return not self.on(number, gpio)

        await until(off)

    async def ended(self, key: str) -> str:
        async def end() -> bool:
            answer = await self.api.get(f"/commands/{self.greenhouse.keys[key]}")
            return bool(answer.is_success and answer.json()["ended_at"])

        await until(end)
        answer = await self.api.get(f"/commands/{self.greenhouse.keys[key]}")
        state: str = answer.json()["state"]
        return state


@pytest.fixture
async def switching(suite: Suite) -> AsyncIterator[Switching]:
    await at_once(suite.actuator.start, suite.safety.start, suite.gateway.start)
    greenhouse = Greenhouse(suite, random.Random(1), devices=2, faults=Faults(), interlocked=False)
    async with greenhouse.living(), greenhouse.api() as api:
        await greenhouse.introduce(api)
        made = Switching(greenhouse, api)
        for number in range(2):  # head takes none before it has heard of its approval
            await until(partial(made.switched_on, number))
        yield made


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_without_room_for_commands_they_are_refused_and_an_emergency_stop_goes_through(
    suite: Suite, switching: Switching
) -> None:
    first, second = PAIR
    await fill(suite.log, "ACTUATORS")
    assert refusal(await switching.command(1, second, "ON", "full-on")) == (503, FULL)
    assert refusal(await switching.command(1, first, "OFF", "full-off")) == (503, FULL)
    await until(lambda: says_full(suite.actuator, "ACTUATORS"))
    assert switching.on(1, first)
    assert not switching.on(1, second)
    assert (await switching.stop(0)).status_code == 202
    await switching.until_off(0, first)
    await empty(suite.log, "ACTUATORS")
    for key, gpio, word in (("full-off", first, "OFF"), ("full-on", second, "ON")):
        answer = await switching.command(1, gpio, word, key, wait=20)
        assert answer.json()["state"] == "succeeded", answer.json()
    assert (switching.on(1, first), switching.on(1, second)) == (False, True)
    await until(lambda: is_ready(suite.actuator))
    assert (await assert_one_end_each(suite, switching.greenhouse.keys))["succeeded"] >= 4


async def test_without_room_on_the_way_down_an_off_says_so_and_goes_out_once_when_there_is_room(
    suite: Suite, switching: Switching
) -> None:
    first, second = PAIR
    await fill(suite.log, "DOWNLINK")
    off = await switching.command(0, first, "OFF", "off")
    assert refusal(off) == (503, FULL)
    assert "emergency stop" in off.json()["detail"]
    assert refusal(await switching.command(0, first, "OFF", "off")) == (503, FULL)
    assert refusal(await switching.command(1, second, "ON", "on")) == (503, FULL)
    await until(lambda: says_full(suite.actuator, "DOWNLINK"))
    assert (await switching.stop(1)).status_code == 202
    await switching.until_off(1, first)
    assert switching.on(0, first)
    await empty(suite.log, "DOWNLINK")
    again = await switching.command(0, first, "OFF", "off", wait=30)
    assert again.json()["state"] == "succeeded", again.json()
    assert not switching.on(0, first)
    await until(lambda: is_ready(suite.actuator))
    await assert_one_end_each(suite, switching.greenhouse.keys)


async def test_what_safety_allowed_while_there_was_no_way_down_is_told_once_or_never(
    suite: Suite, switching: Switching
) -> None:
    """The first that meets the full stream is accepted; it is told late, or ends without having been told."""
    second = PAIR[1]
    await fill(suite.log, "DOWNLINK")
    accepted = await switching.command(0, second, "ON", "on")
    assert accepted.status_code == 202, accepted.json()
    await until(lambda: says_full(suite.actuator, "DOWNLINK"))
    await asyncio.sleep(2)  # as an outage lasts
    assert not switching.on(0, second)
    await empty(suite.log, "DOWNLINK")
    state = await switching.ended("on")
    assert switching.on(0, second) == (state == "succeeded")
    await assert_one_end_each(suite, switching.greenhouse.keys)


async def test_without_room_for_safety_nothing_is_switched_on_and_a_stop_says_that_it_was_not_stored(
    suite: Suite, switching: Switching
) -> None:
    first, second = PAIR
    await fill(suite.log, "SAFETY")
    refused = await switching.stop(0)
    assert refusal(refused) == (503, FULL)
    assert "by hand" in refused.json()["detail"]
    assert refusal(await switching.command(0, second, "ON", "on", wait=10)) == (503, "SAFETY_UNAVAILABLE")
    off = await switching.command(1, first, "OFF", "off", wait=20)
    assert off.json()["state"] == "succeeded", "OFF needs nobody's leave"
    await until(lambda: says_full(suite.safety, "SAFETY"))
    await switching.until_off(0, first)  # by the bridge, which hears nothing of safety any more
    assert not switching.on(0, second)
    await empty(suite.log, "SAFETY")
    assert (await switching.stop(0)).status_code == 202
    await until(lambda: is_ready(suite.safety))
