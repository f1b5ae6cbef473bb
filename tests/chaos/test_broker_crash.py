"""kill -9 of Mosquitto: the only fault that loses what was acknowledged. How much, and never more than that.

``docs/mosquitto-durability.md`` has the figures and what an operator can do.
"""

import asyncio
import os
import random
import statistics
import time

import pytest

from kaiser.local.ephemeral import Mosquitto
from kaiser.local.readiness import service_is_ready

from .conftest import Suite, at_once
from .load import Load, Reading, fleet, under_load
from .stored import LIMIT_S, assert_projections_agree, stored, until

ROUNDS = [
    pytest.param(2, id="twice"),
    pytest.param(12, id="twelve-times", marks=(pytest.mark.long, pytest.mark.timeout(600))),
]
AUTOSAVE_S = 5
"""As ``make up`` has it; the tests' own broker saves every second."""
UNDER_WAY_S = 2.0
"""Longer than any reading is under way from the broker to a bridge that drains."""


@pytest.fixture
def mosquitto(infra_tree, servers_folder, tmp_path):
    server = Mosquitto(infra_tree, tmp_path / "mosquitto", autosave_s=AUTOSAVE_S)
    try:
        yield server.start()
    finally:
        server.kill()


async def _lost(suite: Suite, load: Load) -> dict[Reading, float]:
    """What the broker acknowledged and nobody stored, with when it did; waits until nothing more arrives."""
    acknowledged = dict(zip(load.acknowledged, load.acknowledged_at, strict=True))
    await until(lambda: _connected(suite))
    before = -1
    async with asyncio.timeout(LIMIT_S):
        while (there := len(await stored(suite.postgres))) > before:
            before = there
            await asyncio.sleep(1.5)
    rows = await stored(suite.postgres)
    assert max(rows.values()) == 1, "stored twice"
    assert rows.keys() <= set(load.sent)
    await assert_projections_agree(suite.postgres)
    return {reading: at for reading, at in acknowledged.items() if reading not in rows}


async def _connected(suite: Suite) -> bool:
    """Whether the bridge drains again; it pauses between attempts to connect."""
    return await asyncio.to_thread(service_is_ready, suite.bridge.port)


def _print(what: str, kills: list[float], lost: dict[Reading, float], load: Load) -> None:
    each = [
        sum(before < at <= kill for at in lost.values()) for before, kill in zip([0.0, *kills], kills, strict=False)
    ]
    print(
        f"\n{what}: {len(lost)} of {len(load.acknowledged)} acknowledged readings lost in {len(kills)} kills;"
        f" a kill: median {statistics.median(each):.0f}, most {max(each)}: {each}"
    )


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_kill_9_of_mosquitto_loses_at_most_what_was_under_way_to_a_bridge_that_drains(
    suite: Suite, rounds: int
) -> None:
    seed = int(os.environ.get("KAISER_CHAOS_SEED", random.randrange(10**6)))
    chance = random.Random(seed)
    print(f"\nKAISER_CHAOS_SEED={seed}")
    kills: list[float] = []
    async with under_load(suite.mosquitto, fleet()) as load:
        await asyncio.sleep(AUTOSAVE_S + 0.5)  # the first save; before it, the broker forgets the bridge's session
        for _ in range(rounds):
            await asyncio.sleep(chance.uniform(0.5, 1.5 if rounds == 2 else 4.0))
            kills.append(time.monotonic())
            await at_once(suite.mosquitto.kill)
            await at_once(suite.mosquitto.start)
            await until(_more(load, len(load.acknowledged)))
            await until(lambda: _connected(suite))
    lost = await _lost(suite, load)
    _print(f"draining bridge, autosave every {AUTOSAVE_S} s", kills, lost, load)
    for reading, at in lost.items():
        assert any(kill - UNDER_WAY_S < at <= kill + 0.1 for kill in kills), f"{reading} was not under way"


@pytest.mark.long
async def test_kill_9_of_mosquitto_while_no_bridge_is_there_loses_what_came_since_the_last_save(suite: Suite) -> None:
    async with under_load(suite.mosquitto, fleet()) as load:
        await asyncio.sleep(AUTOSAVE_S + 0.5)
        await at_once(suite.bridge.kill)
        await asyncio.sleep(AUTOSAVE_S + 1)
        killed = time.monotonic()
        await at_once(suite.mosquitto.kill)
        await at_once(suite.mosquitto.start)
        await at_once(suite.bridge.start)
        await until(_more(load, len(load.acknowledged)))
    lost = await _lost(suite, load)
    _print(f"no bridge, autosave every {AUTOSAVE_S} s", [killed], lost, load)
    for reading, at in lost.items():
        assert killed - AUTOSAVE_S - UNDER_WAY_S < at <= killed + 0.1, f"{reading} was saved"


def _more(load: Load, than: int):
    async def more() -> bool:
        return len(load.acknowledged) > than + 100

    return more
