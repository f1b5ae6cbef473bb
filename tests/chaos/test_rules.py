"""Rules run while whoever carries them out is killed in turn: no action is lost, none is done twice.

What must hold is looked at in the log: every command that a run asked for was requested once, or refused once; runs
come to their end; decisions are numbered without a gap, and a new engine comes to the same ones from the same log.
"""

import asyncio
import itertools
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from tests.integration.logic.again import assert_the_same_again
from tests.integration.logic.site import Site, below, rule, switch

from kaiser.contracts.events.logic import CommandAsked, RunEnded, RunStarted, StepRefused
from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import connect, ensure_streams, now_us
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Nats, Postgres, Server

from .conftest import at_once

DEVICES: Final = tuple(f"ESP_C1{number:04X}" for number in range(8))
PINS: Final = (4, 5, 13, 14, 18, 19, 21, 22)
RULES: Final = tuple(itertools.product(DEVICES, PINS))
ROUNDS: Final = [
    pytest.param(("logic-0", "logic-1"), 2, id="logic", marks=pytest.mark.timeout(300)),
    pytest.param(
        ("logic-0", "nats", "logic-1", "actuator", "logic-0", "safety", "logic-1", "postgres"),
        3,
        id="everything",
        marks=(pytest.mark.long, pytest.mark.timeout(1200)),
    ),
]


class Plant(NamedTuple):
    """Devices that are events, and the processes around them, each of which may be killed."""

    site: Site
    processes: dict[str, Server]


@pytest.fixture
async def plant(nats_server: Nats, own_postgres: Postgres, tmp_path: Path) -> AsyncIterator[Plant]:
    """Two instances of logic, the actuator service and safety."""
    services = {
        "actuator": ephemeral_services.actuator(tmp_path / "actuator", nats_server, own_postgres),
        "safety": ephemeral_services.safety(tmp_path / "safety", nats_server, own_postgres),
    } | {
        f"logic-{number}": ephemeral_services.logic(
            tmp_path / f"logic-{number}", nats_server, own_postgres, lease_s="1", checkpoint_s="5"
        )
        for number in range(2)
    }
    try:
        async with await connect(nats_server.url, name="chaos") as log:
            await ensure_streams(log, STREAMS)
            await at_once(*(service.start for service in services.values()))
            async with Site(log) as site:
                yield Plant(site, {**services, "nats": nats_server, "postgres": own_postgres})
    finally:
        for service in services.values():
            service.kill()


def sensor(esp_id: str, gpio: int) -> dict[str, object]:
    """The sensor that goes with a pump; on the same pin, for nobody minds here."""
    return {"esp_id": esp_id, "gpio": gpio, "sensor_type": "moisture"}


async def plan(site: Site) -> None:
    """A rule for each pump: on while it is dry for a second, and off."""
    for esp_id in DEVICES:
        await site.has_device(esp_id, *PINS)
    for esp_id, gpio in RULES:
        await site.measures(50, esp_id=esp_id, gpio=gpio)
    for esp_id in DEVICES:
        await site.knows_device(esp_id, *PINS)
    for esp_id, gpio in RULES:
        steps = (switch("ON", gpio, esp_id), {"kind": "delay", "for_s": 1}, switch("OFF", gpio, esp_id))
        await site.live(f"{esp_id.lower()}-{gpio}", rule(below(30, sensor(esp_id, gpio)), *steps))


@asynccontextmanager
async def weather(site: Site, chance: random.Random) -> AsyncIterator[None]:
    """It gets dry and wet, anywhere, until the end; then it is wet everywhere."""

    async def change() -> None:
        while True:
            esp_id, gpio = chance.choice(RULES)
            await site.measures(chance.choice((10, 50)), esp_id=esp_id, gpio=gpio)
            for beating in DEVICES if chance.random() < 0.05 else ():
                await site.beats(beating)
            await asyncio.sleep(0.03)

    changing = asyncio.create_task(change())
    try:
        yield
    finally:
        changing.cancel()
        await asyncio.gather(changing, return_exceptions=True)


def assert_each_action_once(site: Site) -> Counter[str]:
    """Every command that was asked for was requested once or refused once, and never both."""
    keys = [f"{asked.run_id}/{asked.step}" for asked in site.of(CommandAsked)]
    assert len(keys) == len(set(keys))
    requested = Counter(event.idempotency_key for event in site.requested())
    refused = Counter(f"{event.run_id}/{event.step}" for event in site.of(StepRefused))
    assert not requested.keys() - set(keys)
    assert {key for key, count in (requested + refused).items() if count > 1} == set()
    assert set(keys) == requested.keys() | refused.keys(), "no action is lost"
    numbers = [event.n for _, event in site.events if hasattr(event, "n")]
    assert numbers == list(range(1, len(numbers) + 1))
    return Counter(event.code or event.outcome for event in site.of(RunEnded))


@pytest.mark.parametrize(("victims", "rounds"), ROUNDS)
async def test_no_action_is_lost_and_none_done_twice_whoever_is_killed(
    plant: Plant, victims: tuple[str, ...], rounds: int
) -> None:
    seed = int(os.environ.get("KAISER_CHAOS_SEED", random.randrange(10**6)))
    print(f"\nKAISER_CHAOS_SEED={seed}")
    chance, site = random.Random(seed), plant.site
    await plan(site)
    async with weather(site, chance):
        for victim in victims * rounds:
            await asyncio.sleep(chance.uniform(0.5, 3.0))
            process = plant.processes[victim]
            await at_once(process.kill)
            await asyncio.sleep(chance.uniform(0.0, 1.5))
            await at_once(process.start)
        await asyncio.sleep(2)
    await site.until(lambda: {one.run_id for one in site.of(RunStarted)} == {one.run_id for one in site.of(RunEnded)})
    keys = [f"{asked.run_id}/{asked.step}" for asked in site.of(CommandAsked)]
    await site.until(lambda: len(site.requested()) + len(site.of(StepRefused)) >= len(keys))
    ends = assert_each_action_once(site)
    print(f"{sum(ends.values())} runs, {len(keys)} commands: {dict(ends)}")
    assert ends["succeeded"] > 20
    await assert_the_same_again(site.log)


@pytest.mark.timeout(240)
async def test_rules_go_on_firing_while_the_database_is_away(plant: Plant) -> None:
    site, chance = plant.site, random.Random(1)
    await plan(site)
    await at_once(plant.processes["postgres"].kill)
    away_since = now_us()
    await at_once(plant.processes["logic-0"].kill)
    plant.processes["logic-0"].wait = False  # type: ignore[attr-defined]  # it says that the database is missing
    await at_once(plant.processes["logic-0"].start, plant.processes["logic-1"].kill)
    async with weather(site, chance):
        await site.until(lambda: sum(run.at > away_since for run in site.of(RunEnded, outcome="succeeded")) > 20)
    await at_once(plant.processes["postgres"].start)
    await site.until(lambda: {one.run_id for one in site.of(RunStarted)} == {one.run_id for one in site.of(RunEnded)})
    assert_each_action_once(site)
    await assert_the_same_again(site.log)
