"""Servers that are away, or frozen, for a while under 2,000 readings/s."""

import asyncio
import time

import pytest

from .conftest import Suite, at_once
from .live import live_client
from .load import fleet, under_load
from .stored import assert_each_stored_once, caught_up, count, logged, until

LONG = (pytest.mark.long, pytest.mark.timeout(600))


@pytest.mark.parametrize("away_s", [pytest.param(5, id="5-s"), pytest.param(60, id="60-s", marks=LONG)])
async def test_while_postgresql_is_stopped_readings_go_on_to_the_log_and_to_websocket_clients(
    suite: Suite, away_s: float
) -> None:
    await at_once(suite.gateway.start)
    async with live_client(suite.gateway) as live:
        async with under_load(suite.mosquitto, fleet()) as load:
            await asyncio.sleep(1)
            await at_once(suite.postgres.stop)
            begun = len(load.acknowledged)
            await asyncio.sleep(away_s)
            during = set(load.acknowledged[begun:])
            assert len(during) > 1000 * away_s

            async def shown() -> bool:
                return during.issubset(live.got)

            await until(shown, within_s=30)
            assert during <= (await logged(suite.log, "TELEMETRY")).keys()
            assert await count(suite.postgres) == -1, "PostgreSQL is still away"
            began = time.monotonic()
            await at_once(suite.postgres.start)
            await caught_up(suite.postgres, load, since=began, what=f"PostgreSQL stopped for {away_s} s")
        await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)

        async def all_shown() -> bool:
            return len(live.got) >= len(load.acknowledged)

        await until(all_shown)
    assert sorted(live.got) == sorted(load.acknowledged)
    assert live.missed == 0


@pytest.mark.parametrize("away_s", [pytest.param(3, id="3-s"), pytest.param(10, id="10-s", marks=LONG)])
@pytest.mark.parametrize("verbs", [("pause", "resume"), ("kill", "start")], ids=["frozen", "killed"])
async def test_nats_away_for_a_while_delays_readings_and_loses_none(
    suite: Suite, verbs: tuple[str, str], away_s: float
) -> None:
    harm, repair = (getattr(suite.nats, verb) for verb in verbs)
    async with under_load(suite.mosquitto, fleet()) as load:
        await asyncio.sleep(1)
        await at_once(harm)
        await asyncio.sleep(away_s)
        began = time.monotonic()
        await at_once(repair)
        await caught_up(suite.postgres, load, since=began, what=f"NATS {verbs[0]} for {away_s} s")
    await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)


@pytest.mark.parametrize("rounds", [pytest.param(1, id="once"), pytest.param(5, id="five-times", marks=LONG)])
async def test_mosquitto_restarted_cleanly_loses_nothing(suite: Suite, rounds: int) -> None:
    async with under_load(suite.mosquitto, fleet()) as load:
        for _ in range(rounds):
            await asyncio.sleep(1.5)
            await at_once(suite.mosquitto.stop)
            began = time.monotonic()
            await at_once(suite.mosquitto.start)
            await caught_up(suite.postgres, load, since=began, what="Mosquitto restarted")
    await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)


@pytest.mark.long
async def test_mosquitto_restarted_cleanly_keeps_what_waits_for_a_bridge_that_is_away(suite: Suite) -> None:
    async with under_load(suite.mosquitto, fleet()) as load:
        await asyncio.sleep(1)
        await at_once(suite.bridge.kill)
        await asyncio.sleep(1)
        await at_once(suite.mosquitto.restart)
        await asyncio.sleep(1)
        began = time.monotonic()
        await at_once(suite.bridge.start)
        await caught_up(suite.postgres, load, since=began, what="Mosquitto restarted with a backlog")
    await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("frozen_s", [2, 60], ids=["2-s", "60-s"])
async def test_processes_frozen_one_after_the_other_lose_nothing(suite: Suite, frozen_s: float) -> None:
    """A process that is stopped in the middle of anything, as a busy or swapping machine does it."""
    async with under_load(suite.mosquitto, fleet()) as load:
        for name in ("mosquitto", "postgres", "ingest"):
            part = getattr(suite, name)
            await asyncio.sleep(0.5)
            await at_once(part.pause)
            await asyncio.sleep(frozen_s)
            began = time.monotonic()
            await at_once(part.resume)
            await caught_up(suite.postgres, load, since=began, what=f"{name} frozen for {frozen_s} s")
    await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)
