"""The ledger over hundreds of rounds, each of which kills a process at random with SIGKILL (``D1``).

Readings and commands are under way all the time. After every ten rounds all hops have to hold the same readings, each
once. What Mosquitto acknowledged and had not written when it was killed is not of the log: it is counted apart.
"""

import asyncio
import os
import random
import time
from collections import Counter
from typing import Final

import pytest

from kaiser.contracts.streams import STREAMS, TELEMETRY_RAW
from kaiser.eventlog import now_us
from kaiser.local.ledger import take_hops

from .conftest import Suite, at_once
from .greenhouse import Greenhouse, assert_one_end_each
from .load import Load, fleet, under_load
from .stored import assert_projections_agree, rows, until

ROUNDS: Final = int(os.environ.get("KAISER_CHAOS_ROUNDS", "200"))
RATE: Final = float(os.environ.get("KAISER_CHAOS_RATE", "2000"))
BLOCK: Final = 10
PARTS: Final = ("bridge", "ingest", "actuator", "safety", "logic", "gateway", "nats", "postgres", "mosquitto")
PATIENCE_S: Final = 120.0
DUPLICATES: Final = "SELECT count(*) - count(DISTINCT (reading_id, measured_at)) FROM ingest.readings"


@pytest.mark.long
@pytest.mark.timeout(7200)
async def test_the_ledger_balances_whoever_is_killed_how_often(suite: Suite) -> None:
    seed = int(os.environ.get("KAISER_CHAOS_SEED", random.randrange(10**6)))
    chance = random.Random(seed)
    print(f"\nKAISER_CHAOS_SEED={seed}")
    await at_once(suite.actuator.start, suite.safety.start, suite.logic.start, suite.gateway.start)
    killed: Counter[str] = Counter()
    readings = lost = 0
    greenhouse = Greenhouse(suite, chance, devices=4)
    async with greenhouse.living(), greenhouse.api() as api:
        await greenhouse.introduce(api)
        switching = asyncio.create_task(_switch_for_ever(greenhouse, api))
        for block in range(0, ROUNDS, BLOCK):
            began_us, devices = now_us(), fleet(first=0x100000 + 0x1000 * block)
            victims = [chance.choice(PARTS) for _ in range(min(BLOCK, ROUNDS - block))]
            async with under_load(suite.mosquitto, devices, rate=RATE, name=f"load-{block}") as load:
                for victim in victims:
                    await _kill(suite, victim, chance)
            killed.update(victims)
            here = await _assert_balanced(suite, load, began_us, mosquitto_killed="mosquitto" in victims)
            readings, lost = readings + len(load.acknowledged), lost + here
            assert not switching.done(), switching.result()
            print(f"{sum(killed.values())} rounds, {readings} readings; lost by Mosquitto in these ten: {here}")
        switching.cancel()
        await asyncio.gather(switching, return_exceptions=True)
        await asyncio.sleep(45)  # deadlines of commands that were under way
    assert greenhouse.both_on == []
    ends = await assert_one_end_each(suite, greenhouse.keys)
    print(f"{sum(killed.values())} rounds: {dict(killed)}; {readings} readings, {lost} lost by Mosquitto alone")
    print(f"{sum(ends.values())} commands: {dict(ends)}")


async def _switch_for_ever(greenhouse: Greenhouse, api) -> None:
    while True:
        await greenhouse.switch(api)
        await asyncio.sleep(0.1)


async def _kill(suite: Suite, victim: str, chance: random.Random) -> None:
    """One round: it is killed, comes back, and everybody gets beyond where the log was then."""
    await asyncio.sleep(chance.uniform(0.5, 2.0))
    process = getattr(suite, victim)
    await at_once(process.kill)
    await asyncio.sleep(chance.uniform(0.0, 1.0))
    began = time.monotonic()
    process.wait = False  # of a service; that it works is what is waited for below
    await at_once(process.start)
    there = await _last(suite)

    async def beyond() -> bool:
        raw = (await suite.log.js.stream_info(TELEMETRY_RAW.name)).state.last_seq
        return raw > there[TELEMETRY_RAW.name] and not await _behind(suite, there)

    await until(beyond, within_s=PATIENCE_S)
    print(f"kill -9 of {victim}: {time.monotonic() - began:.1f} s until all had caught up")


async def _last(suite: Suite) -> dict[str, int]:
    return {stream.name: (await suite.log.js.stream_info(stream.name)).state.last_seq for stream in STREAMS}


async def _behind(suite: Suite, there: dict[str, int]) -> list[str]:
    """Durable consumers that have not acknowledged everything up to these sequences."""
    found = []
    for stream, seq in there.items():
        for info in await suite.log.js.consumers_info(stream):
            if info.config.durable_name and (info.num_pending or info.num_ack_pending):
                floor = info.ack_floor.stream_seq if info.ack_floor else 0
                if floor < seq:
                    found.append(f"{stream}/{info.name}")
    return found


async def _assert_balanced(suite: Suite, load: Load, began_us: int, *, mosquitto_killed: bool) -> int:
    """Every hop holds the same readings, each once.

    Returns:
        Readings that the broker acknowledged to devices and nobody else ever had.
    """
    hops = await take_hops(suite.log, suite.postgres.dsn(), since_us=began_us, until_us=now_us(), patience_s=PATIENCE_S)
    assert hops.balanced, (len(hops.unfinished), len(hops.unstored), len(hops.unexplained))
    assert hops.dead_letters == {}
    assert await rows(suite.postgres, DUPLICATES) == [(0,)]
    await assert_projections_agree(suite.postgres)
    acknowledged = {reading.reading_id for reading in load.acknowledged}
    lost = acknowledged - hops.raw
    assert mosquitto_killed or not lost, f"{len(lost)} readings are nowhere"
    return len(lost)
