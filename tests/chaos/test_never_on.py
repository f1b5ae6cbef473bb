"""What nobody may see on an output, whoever is killed: power inside a stop, or for longer than its longest run.

The devices note themselves when an output had power. What is allowed beyond is the grace that ARCHITECTURE.md gives,
and the time in which somebody was not there who has to be: without a bridge no ``dec`` device can be told anything.
"""

import asyncio
import os
import random
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import httpx
import pytest

from kaiser.fleet.faults import Faults

from .conftest import Suite, at_once
from .greenhouse import PAIR, Greenhouse, Run, insist

MAX_ON_S: Final = 5
RUN_GRACE_S: Final = 15.0
STOP_GRACE_S: Final = 5.0
VICTIMS: Final = [
    pytest.param(("bridge", "safety", "actuator", "nats"), id="once", marks=pytest.mark.timeout(300)),
    pytest.param(
        ("actuator", "safety", "bridge", "nats", "gateway", "ingest", "postgres") * 3,
        id="everyone-thrice",
        marks=(pytest.mark.long, pytest.mark.timeout(1200)),
    ),
]


class Stopped(NamedTuple):
    """A device was to be off from when its stop was acknowledged until its release was asked for."""

    esp_id: str
    since: float
    until: float


class Outage(NamedTuple):
    """Somebody was not there."""

    who: str
    since: float
    until: float


def outages_s(outages: Sequence[Outage], since: float, until: float) -> float:
    """How long somebody was away in a time."""
    return sum(max(0.0, min(until, outage.until) - max(since, outage.since)) for outage in outages)


def too_long(runs: Sequence[Run], outages: Sequence[Outage], now: float) -> list[Run]:
    """Runs that were longer than anything allows."""
    ended = [Run(run.since, now if run.until is None else run.until) for run in runs]
    return [
        run
        for run in ended
        if run.until - run.since > MAX_ON_S + RUN_GRACE_S + outages_s(outages, run.since, run.until)
    ]


def inside(runs: Sequence[Run], stopped: Stopped, outages: Sequence[Outage]) -> list[Run]:
    """Runs that went on in a stop, or began in it."""
    from_s = stopped.since + STOP_GRACE_S
    from_s += outages_s(outages, stopped.since, from_s)
    return [run for run in runs if run.since < stopped.until and (run.until is None or run.until > from_s)]


class Somebody:
    """Switches at random, and stops one device after the other."""

    def __init__(self, greenhouse: Greenhouse, api: httpx.AsyncClient, chance: random.Random) -> None:
        self.greenhouse, self.api = greenhouse, api
        self.stopped: list[Stopped] = []
        self._chance = chance

    async def switch_for_ever(self) -> None:
        while True:
            await self.greenhouse.switch(self.api)
            await asyncio.sleep(0.05)

    async def stop(self) -> tuple[str, str, float]:
        """An emergency stop of one device: device, stop, and when it was acknowledged."""
        esp_id = self._chance.choice(self.greenhouse.devices).spec.esp_id
        body = {"scope": {"kind": "device", "esp_id": esp_id}, "reason": "drill"}
        while True:
            answer = await self.api.post("/emergency-stops", json=body)
            if answer.status_code == 202:
                return esp_id, answer.json()["emergency_id"], time.monotonic()
            assert answer.status_code >= 500, answer.text
            await asyncio.sleep(0.1)

    async def release(self, esp_id: str, emergency_id: str, since: float) -> None:
        self.stopped.append(Stopped(esp_id, since, time.monotonic()))
        body = {"reason": "drill is over", "unconfirmed": True}
        await insist(self.api, "POST", f"/emergency-stops/{emergency_id}/release", body)


@pytest.mark.parametrize("victims", VICTIMS)
async def test_nothing_is_on_inside_a_stop_or_longer_than_it_may_be_whoever_is_killed(
    suite: Suite, victims: tuple[str, ...]
) -> None:
    seed = int(os.environ.get("KAISER_CHAOS_SEED", random.randrange(10**6)))
    print(f"\nKAISER_CHAOS_SEED={seed}")
    chance, outages = random.Random(seed), []
    await at_once(suite.actuator.start, suite.safety.start, suite.gateway.start)
    greenhouse = Greenhouse(suite, chance, devices=6, faults=Faults(), interlocked=False)
    async with greenhouse.living(), greenhouse.api() as api:
        await greenhouse.introduce(api)
        for device in greenhouse.devices:
            for gpio in PAIR:
                path = f"/actuators/{device.spec.esp_id}/{gpio}/limits"
                await insist(api, "PUT", path, {"limits": {"max_on_s": MAX_ON_S}, "reason": "small tank"})
        somebody = Somebody(greenhouse, api, chance)
        switching = asyncio.create_task(somebody.switch_for_ever())
        for victim in victims:
            await asyncio.sleep(chance.uniform(1.0, 3.0))
            stop = await somebody.stop() if chance.random() < 0.5 else None
            process, since = getattr(suite, victim), time.monotonic()
            await at_once(process.kill)
            if stop is None and victim not in {"nats", "gateway"}:
                stop = await somebody.stop()
            await asyncio.sleep(chance.uniform(0.0, 1.5))
            await at_once(process.start)
            outages.append(Outage(victim, since, time.monotonic()))
            stop = stop or await somebody.stop()
            await asyncio.sleep(STOP_GRACE_S + chance.uniform(1.0, 3.0))
            await somebody.release(*stop)
        switching.cancel()
        await asyncio.gather(switching, return_exceptions=True)
        if switching.done() and not switching.cancelled():
            switching.result()
        await asyncio.sleep(MAX_ON_S + RUN_GRACE_S)
        now = time.monotonic()
        long = {place: found for place, runs in greenhouse.runs.items() if (found := too_long(runs, outages, now))}
        assert long == {}, outages
        for stopped in somebody.stopped:
            for gpio in PAIR:
                runs = greenhouse.runs.get((stopped.esp_id, gpio), ())
                assert inside(runs, stopped, outages) == [], (stopped, outages)
        assert [place for place, runs in greenhouse.runs.items() if runs and runs[-1].until is None] == []
    counted = sum(map(len, greenhouse.runs.values()))
    longest = max(run.until - run.since for runs in greenhouse.runs.values() for run in runs if run.until is not None)
    print(f"{counted} runs, the longest of {longest:.1f} s; {len(somebody.stopped)} stops")
    assert counted > len(victims)
