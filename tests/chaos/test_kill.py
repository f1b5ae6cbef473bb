"""kill -9 of every process under 2,000 readings/s: nothing lost, nothing twice, caught up within seconds."""

import asyncio
import os
import random
import time

import pytest

from .conftest import Suite, at_once
from .load import fleet, under_load
from .stored import assert_each_stored_once, caught_up

ROUNDS = [
    pytest.param(1, id="once"),
    pytest.param(5, id="five-times", marks=(pytest.mark.long, pytest.mark.timeout(600))),
]


async def _survive(suite: Suite, victims: tuple[str, ...], rounds: int) -> None:
    seed = int(os.environ.get("KAISER_CHAOS_SEED", random.randrange(10**6)))
    chance = random.Random(seed)
    print(f"\nKAISER_CHAOS_SEED={seed}")
    await at_once(suite.gateway.start)
    processes = [getattr(suite, victim) for victim in victims]
    async with under_load(suite.mosquitto, fleet()) as load:
        for _ in range(rounds):
            await asyncio.sleep(chance.uniform(1.0, 2.0 if rounds == 1 else 6.0))
            await at_once(*(process.kill for process in processes))
            await asyncio.sleep(chance.uniform(0.0, 1.0 if rounds == 1 else 3.0))
            began = time.monotonic()
            await at_once(*(process.start for process in processes))
            await caught_up(suite.postgres, load, since=began, what=f"kill -9 of {' and '.join(victims)}")
    await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_kill_9_of_the_bridge_loses_nothing(suite: Suite, rounds: int) -> None:
    await _survive(suite, ("bridge",), rounds)


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_kill_9_of_ingest_loses_nothing(suite: Suite, rounds: int) -> None:
    await _survive(suite, ("ingest",), rounds)


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_kill_9_of_bridge_and_ingest_together_loses_nothing(suite: Suite, rounds: int) -> None:
    await _survive(suite, ("bridge", "ingest"), rounds)


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_kill_9_of_the_gateway_loses_nothing(suite: Suite, rounds: int) -> None:
    await _survive(suite, ("gateway",), rounds)


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_kill_9_of_nats_loses_nothing(suite: Suite, rounds: int) -> None:
    await _survive(suite, ("nats",), rounds)


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_kill_9_of_postgresql_loses_nothing(suite: Suite, rounds: int) -> None:
    await _survive(suite, ("postgres",), rounds)
