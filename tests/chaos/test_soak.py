"""Everything at work for half an hour: memory and lag stay where they are.

``KAISER_SOAK_MINUTES`` says for how long, ``KAISER_SOAK_RATE`` how many readings a second. The first third is for
caches to fill; after that no process may grow by more than a little, and no consumer may fall behind.
"""

import asyncio
import os
import random
import statistics
import time
from typing import Final

import psutil
import pytest

from kaiser.contracts.streams import STREAMS

from .conftest import Suite, at_once
from .greenhouse import Greenhouse, assert_one_end_each
from .load import fleet, under_load
from .stored import assert_each_stored_once, assert_projections_agree

MINUTES: Final = float(os.environ.get("KAISER_SOAK_MINUTES", "30"))
RATE: Final = float(os.environ.get("KAISER_SOAK_RATE", "500"))
LOOK_EVERY_S: Final = 5.0
GROWTH: Final = 0.10
GROWTH_MIB: Final = 12.0
"""A third of the time later; an allocator does not give back all that it once had."""
LAG_S: Final = 5.0
SERVICES: Final = ("bridge", "ingest", "actuator", "safety", "logic", "gateway")


@pytest.mark.long
@pytest.mark.timeout(int(MINUTES * 60) + 900)
async def test_memory_and_lag_are_flat(suite: Suite) -> None:
    await at_once(suite.actuator.start, suite.safety.start, suite.logic.start, suite.gateway.start)
    memory: dict[str, list[float]] = {name: [] for name in SERVICES}
    lags: list[int] = []
    greenhouse = Greenhouse(suite, random.Random(7), devices=4)
    async with greenhouse.living(), greenhouse.api() as api:
        await greenhouse.introduce(api)
        async with under_load(suite.mosquitto, fleet(), rate=RATE) as load:
            working = [asyncio.create_task(work) for work in (_switching(greenhouse, api), _reading(api))]
            end = time.monotonic() + MINUTES * 60
            while time.monotonic() < end:
                await asyncio.sleep(LOOK_EVERY_S)
                for name, sizes in memory.items():
                    sizes.append(_mib(getattr(suite, name).pid))
                lags.append(await _lag(suite))
                assert [task.exception() for task in working if task.done()] == []
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
        await asyncio.sleep(45)  # deadlines of commands that were under way
    others = [device.spec.esp_id for device in greenhouse.devices]
    await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged, others=others)
    await assert_projections_agree(suite.postgres)
    ends = await assert_one_end_each(suite, greenhouse.keys)
    print(f"\n{MINUTES:.0f} minutes, {len(load.acknowledged)} readings, {sum(ends.values())} commands: {dict(ends)}")
    middle = {name: statistics.median(_third(sizes, 1)) for name, sizes in memory.items()}
    last = {name: statistics.median(_third(sizes, 2)) for name, sizes in memory.items()}
    for name in SERVICES:
        print(f"  {name:<10}{middle[name]:7.1f} MiB in the second third, {last[name]:7.1f} in the last")
    print(
        f"  messages behind: median {statistics.median(lags)}, {statistics.median(_third(lags, 2))} in the last third"
    )
    grown = {name: last[name] - middle[name] for name in SERVICES}
    assert {name: size for name, size in grown.items() if size > max(GROWTH_MIB, GROWTH * middle[name])} == {}
    assert statistics.median(_third(lags, 2)) <= LAG_S * RATE


async def _switching(greenhouse: Greenhouse, api) -> None:
    while True:
        await greenhouse.switch(api)
        await asyncio.sleep(0.2)


async def _reading(api) -> None:
    """Somebody who looks at everything."""
    while True:
        for path in ("/devices", "/actuators", "/commands", "/sensors", "/interlocks"):
            await api.get(path)
        await asyncio.sleep(1)


def _mib(pid: int) -> float:
    return psutil.Process(pid).memory_info().rss / 1024 / 1024


async def _lag(suite: Suite) -> int:
    """Messages that durable consumers have not taken."""
    found = 0
    for stream in STREAMS:
        infos = await suite.log.js.consumers_info(stream.name)
        found += sum(info.num_pending or 0 for info in infos if info.config.durable_name)
    return found


def _third(values: list, number: int) -> list:
    size = len(values) // 3
    return values[number * size : (number + 1) * size]
