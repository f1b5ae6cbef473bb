"""Commands on devices that answer late, twice, wrongly or not at all, while everything is killed in turn.

What must hold is looked at where it counts: on the outputs of the devices, and in the log.
"""

import asyncio
import os
import random
from typing import Final

import httpx
import pytest

from .conftest import Suite, at_once
from .greenhouse import PAIR, Greenhouse, assert_one_end_each, known

ROUNDS: Final = [
    pytest.param(("actuator", "safety"), 1, id="once", marks=pytest.mark.timeout(240)),
    pytest.param(
        ("actuator", "safety", "bridge", "nats", "gateway", "ingest", "postgres", "mosquitto"),
        2,
        id="everything-twice",
        marks=(pytest.mark.long, pytest.mark.timeout(1200)),
    ),
]


@pytest.mark.parametrize(("victims", "rounds"), ROUNDS)
async def test_commands_end_once_and_interlocks_hold_whoever_is_killed(
    suite: Suite, victims: tuple[str, ...], rounds: int
) -> None:
    seed = int(os.environ.get("KAISER_CHAOS_SEED", random.randrange(10**6)))
    print(f"\nKAISER_CHAOS_SEED={seed}")
    chance = random.Random(seed)
    await at_once(suite.actuator.start, suite.safety.start, suite.gateway.start)
    greenhouse = Greenhouse(suite, chance)
    async with greenhouse.living(), greenhouse.api() as api:
        await greenhouse.introduce(api)
        switching = asyncio.create_task(_switch_for_ever(greenhouse, api))
        for victim in victims * rounds:
            await asyncio.sleep(chance.uniform(1.0, 3.0))
            process = getattr(suite, victim)
            await at_once(process.kill)
            await asyncio.sleep(chance.uniform(0.0, 1.5))
            await at_once(process.start)
        await asyncio.sleep(3)
        switching.cancel()
        await asyncio.gather(switching, return_exceptions=True)
        if switching.done() and not switching.cancelled():
            switching.result()
        paths = [f"/actuators/{device.spec.esp_id}/{gpio}" for device in greenhouse.devices for gpio in PAIR]
        before = [await known(api, path) for path in paths]
        await at_once(suite.actuator.kill, suite.safety.kill)
        await at_once(suite.actuator.start, suite.safety.start)
        after = [await known(api, path) for path in paths]
    assert greenhouse.both_on == []
    ends = await assert_one_end_each(suite, greenhouse.keys)
    print(f"{sum(ends.values())} commands: {dict(ends)}")
    assert ends["succeeded"] > 0
    assert ends["rejected"] > 0, "the other one was on, now and then"
    assert [found["desired"] for found in after] == [found["desired"] for found in before], (
        "the same, from the log alone"
    )


async def _switch_for_ever(greenhouse: Greenhouse, api: httpx.AsyncClient) -> None:
    while True:
        await greenhouse.switch(api)
        await asyncio.sleep(0.05)
