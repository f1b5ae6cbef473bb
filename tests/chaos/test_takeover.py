"""Two bridges: one takes over what the other leaves, and devices never read ``offline``."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from functools import partial

import httpx
import pytest

from kaiser.local.ephemeral import Mosquitto
from kaiser.local.ephemeral_services import Service
from kaiser.mqtt import Session, topic_filter

from .conftest import Suite, at_once
from .load import fleet, under_load
from .stored import assert_each_stored_once, caught_up, until

LONG = (pytest.mark.long, pytest.mark.timeout(600))
WILL_DELAY_S = 8
"""Longer than a lease (5 s), so that a successor is in time, and short enough to wait for."""
MISSED_S = 0.5
"""By then something waits that only a successor can carry."""
OPTIONS = [{"slots": slots, "will_delay_s": str(WILL_DELAY_S)} for slots in ("1", "2")]
STANDBY, SHARED = (pytest.param(options, id=name) for options, name in zip(OPTIONS, ("standby", "shared"), strict=True))
SHARED_TOO = pytest.param(OPTIONS[1], id="shared", marks=pytest.mark.long)
SLOTS = pytest.mark.parametrize("bridge_options", [STANDBY, SHARED_TOO])


@contextlib.asynccontextmanager
async def _statuses(mosquitto: Mosquitto) -> AsyncIterator[list[str]]:
    """What a device reads in ``server/status`` during the block, and until a will would have been published."""
    seen: list[str] = []
    session = Session(
        host=mosquitto.host,
        port=mosquitto.port,
        client_id="watcher",
        username=mosquitto.username,
        password=mosquitto.password,
        subscriptions=[topic_filter("kaiser/god/server/status")],
    )

    async def watch() -> None:
        async for batch in session.batches():
            seen.extend(json.loads(message.payload)["status"] for message in batch)
            session.acknowledge(batch)

    async with session:
        watching = asyncio.create_task(watch())
        await session.wait_connected()
        try:
            yield seen
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


@SLOTS
async def test_a_second_bridge_takes_over_when_the_first_is_killed(suite: Suite, second: Service) -> None:
    async with _statuses(suite.mosquitto) as seen:
        async with under_load(suite.mosquitto, fleet()) as load:
            await asyncio.sleep(1)
            began = time.monotonic()
            await at_once(suite.bridge.kill)
            await asyncio.sleep(MISSED_S)
            await caught_up(suite.postgres, load, since=began, what="takeover after kill -9")
        await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)
        await asyncio.sleep(max(0.0, began + WILL_DELAY_S + 2 - time.monotonic()))
    assert "online" in seen
    assert "offline" not in seen


@pytest.mark.parametrize("frozen_s", [pytest.param(7, id="7-s"), pytest.param(60, id="60-s", marks=LONG)])
@SLOTS
async def test_a_bridge_that_was_frozen_stores_nothing_twice_after_another_took_over(
    suite: Suite, second: Service, frozen_s: float
) -> None:
    """60 s are longer than the keep-alive: the broker has cut it off by then. After 7 s the lease has run out."""
    async with _statuses(suite.mosquitto) as seen:
        async with under_load(suite.mosquitto, fleet()) as load:
            await asyncio.sleep(1)
            began = time.monotonic()
            await at_once(suite.bridge.pause)
            await asyncio.sleep(MISSED_S)
            await caught_up(suite.postgres, load, since=began, what="takeover from a frozen bridge")
            await asyncio.sleep(max(0.0, began + frozen_s - time.monotonic()))
            await at_once(suite.bridge.resume)
            await asyncio.sleep(3)
        await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)
        await asyncio.sleep(max(0.0, began + WILL_DELAY_S + 2 - time.monotonic()))
    assert "online" in seen
    assert "offline" not in seen


@pytest.mark.parametrize("harm", ["kill", pytest.param("stop", marks=pytest.mark.long)])
@pytest.mark.parametrize("bridge_options", [SHARED])
async def test_two_bridges_share_the_slots_and_move_them_without_loss(suite: Suite, second: Service, harm: str) -> None:
    async with under_load(suite.mosquitto, fleet()) as load:
        for bridge in (suite.bridge, second):
            await until(partial(_carries, bridge))
        began = time.monotonic()
        await at_once(getattr(second, harm))
        await asyncio.sleep(MISSED_S)
        await caught_up(suite.postgres, load, since=began, what=f"{harm} of one of two that share")
        await at_once(second.start)
        began = time.monotonic()
        for bridge in (suite.bridge, second):
            await until(partial(_carries, bridge))
        print(f"\nshared again {time.monotonic() - began:.1f} s after it was started")
        await caught_up(suite.postgres, load, since=began, what="one of two started again")
    await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)


async def _carries(bridge: Service) -> bool:
    """Whether readings go through this bridge right now."""
    before = await _acknowledged(bridge)
    await asyncio.sleep(0.5)
    return await _acknowledged(bridge) > before


async def _acknowledged(bridge: Service) -> float:
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{bridge.url}/metrics")).text
    line = "kaiser_bridge_acknowledged_messages_total "
    return float(next(found for found in text.splitlines() if found.startswith(line)).removeprefix(line))


@pytest.mark.long
@SLOTS
async def test_both_bridges_killed_and_one_started_leave_nothing_stuck(suite: Suite, second: Service) -> None:
    async with under_load(suite.mosquitto, fleet()) as load:
        await asyncio.sleep(1)
        await at_once(suite.bridge.kill, second.kill)
        began = time.monotonic()
        await at_once(second.start)
        await caught_up(suite.postgres, load, since=began, what="both killed, one started")
    await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)
