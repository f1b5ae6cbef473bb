"""Instances come and go: one decides, another one goes on, and nothing is decided twice or lost."""

import asyncio
import contextlib
import time

import httpx
import msgspec
from tests.integration.logic.again import assert_the_same_again
from tests.integration.logic.site import ESP, FAN, PUMP, US, below, rule, switch

from kaiser.contracts.events.logic import CommandAsked, EngineResumed, RunEnded, RunStarted, StepWaiting
from kaiser.contracts.logic import RulesQuery
from kaiser.logic.checkpoints import Checkpoints

PAUSED = [switch("ON"), {"kind": "delay", "for_s": 4}, switch("OFF")]


async def leader_of(site, *services):
    """The one that decides, once one does, and the others."""
    found = []

    async def leads() -> bool:
        found.clear()
        async with httpx.AsyncClient(timeout=5) as client:
            for service in services:
                with contextlib.suppress(httpx.HTTPError):
                    text = (await client.get(f"{service.url}/metrics")).text
                    found.extend([service] if "\nkaiser_logic_leads 1.0" in text else [])
        return len(found) == 1

    await site.comes_to(leads, wanted=True)
    return found[0], *(service for service in services if service is not found[0])


def assert_without_gaps(site) -> None:
    numbers = [event.n for _, event in site.events if hasattr(event, "n")]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_run_survives_kill_9_in_the_middle_of_a_delay(site, acting, new_logic):
    service = new_logic()
    service.start()
    await site.knows_device()
    await site.live("water", rule(below(30), *PAUSED))
    await site.measures(20)
    await site.one(StepWaiting)
    service.kill()
    await site.until(lambda: site.told == [(ESP, PUMP, "ON")])
    service.start()
    ended = await site.one(RunEnded)
    assert (ended.run_id, ended.outcome) == ("water.1.1", "succeeded")
    assert site.told == [(ESP, PUMP, "ON"), (ESP, PUMP, "OFF")]
    assert len(site.of(RunStarted)) == 1
    assert len(site.of(EngineResumed)) == 2
    assert_without_gaps(site)
    assert await assert_the_same_again(site.log) == len([1 for _, event in site.events if hasattr(event, "n")])


async def test_a_warm_instance_takes_over_from_one_that_was_killed_and_its_run_goes_on(site, acting, new_logic):
    first, second = new_logic(), new_logic()
    first.start()
    second.start()
    await site.knows_device()
    await site.live("water", rule(below(30), *PAUSED))
    await site.measures(20)
    await site.one(StepWaiting)
    first, second = await leader_of(site, first, second)
    first.kill()
    await site.one(RunEnded)
    assert site.told == [(ESP, PUMP, "ON"), (ESP, PUMP, "OFF")]
    await site.measures(40)
    await site.measures(10)
    await site.until(lambda: len(site.of(RunEnded)) == 2)
    first.start()
    terms = len(site.of(EngineResumed))
    second.kill()
    await site.until(lambda: len(site.of(EngineResumed)) > terms)
    await site.measures(41)
    await site.measures(11)
    await site.until(lambda: len(site.of(RunEnded)) == 3)
    assert site.told == [(ESP, PUMP, "ON"), (ESP, PUMP, "OFF")] * 3
    assert_without_gaps(site)
    await assert_the_same_again(site.log)


async def test_an_instance_that_was_frozen_decides_nothing_when_it_wakes(site, acting, new_logic):
    first, second = new_logic(), new_logic()
    first.start()
    second.start()
    await site.knows_device()
    await site.live("water", rule(below(30), switch("ON"), otherwise=[switch("OFF")]))
    for _ in range(3):
        frozen, other = await leader_of(site, first, second)
        terms = len(site.of(EngineResumed))
        frozen.pause()
        await site.until(lambda terms=terms: len(site.of(EngineResumed)) > terms)
        count = len(site.of(RunEnded))
        await site.measures(20)
        await site.until(lambda count=count: len(site.of(RunEnded)) == count + 1)
        frozen.resume()
        assert (await leader_of(site, other))[0] is other
        await site.measures(40)
        await site.until(lambda count=count: len(site.of(RunEnded)) == count + 2)
    assert site.told == [(ESP, PUMP, "ON"), (ESP, PUMP, "OFF")] * 3
    assert_without_gaps(site)
    await assert_the_same_again(site.log)


async def test_a_clock_fires_once_though_who_leads_dies_at_that_moment(site, acting, new_logic):
    first, second = new_logic(), new_logic()
    first.start()
    second.start()
    every_minute = {"kind": "cron", "expression": "* * * * *"}
    for number in range(20):
        alarm = {"kind": "alarm", "do": "raise", "name": "tick", "message": "tick"}
        await site.live(f"clock-{number}", rule(None, alarm, triggers=[every_minute]))
    first, second = await leader_of(site, first, second)
    await asyncio.sleep(59.98 - time.time() % 60)
    minute = round(time.time() / 60) * 60 * US
    first.kill()
    everybody = {f"clock-{number}" for number in range(20)}

    def fired():
        """Rules that ran for that minute; those that were quick may have run for the one before, too."""
        return [event.rule_id for event in site.of(RunStarted) if event.cause.at == minute]

    await site.until(lambda: len(fired()) >= len(everybody))
    first.start()
    await site.until(lambda: len(site.of(RunEnded)) == len(site.of(RunStarted)))
    assert sorted(fired()) == sorted(everybody)
    runs = [(event.rule_id, event.cause.at) for event in site.of(RunStarted)]
    assert len(set(runs)) == len(runs)
    assert_without_gaps(site)
    await assert_the_same_again(site.log)


async def test_what_happens_while_nobody_is_there_is_acted_on_as_it_is_by_then(site, acting, new_logic):
    service = new_logic()
    service.start()
    await site.knows_device()
    await site.live("water", rule(below(30), switch("ON"), otherwise=[switch("OFF")]))
    await site.live("fan", rule(below(15), switch("ON", FAN)))
    service.kill()
    await site.measures(10)
    await site.measures(20)
    service.start()
    await site.one(RunEnded)
    assert [event.rule_id for event in site.of(CommandAsked)] == ["water"]
    await assert_the_same_again(site.log)


async def test_any_instance_answers_and_shows_the_same(site, acting, new_logic):
    first, second = new_logic(), new_logic()
    first.start()
    second.start()
    await site.knows_device()
    await site.live("water", rule(below(30), switch("ON")))
    await site.measures(20)
    await site.one(RunEnded)
    for _ in range(10):

        async def active() -> bool:
            (view,) = (await site.asked("rules", RulesQuery()))["items"]
            return view["active"] and view["truth"] is True

        await site.comes_to(active, wanted=True)


async def test_without_a_checkpoint_runs_go_on_from_the_log_and_nothing_is_done_twice(site, acting, new_logic):
    service = new_logic()
    service.start()
    await site.knows_device()
    await site.live("water", rule(below(30), *PAUSED))
    await site.measures(20)
    await site.one(StepWaiting)
    service.kill()
    await site.until(lambda: site.told == [(ESP, PUMP, "ON")])
    await site.log.js.delete_key_value("logic")
    service.start()
    ended = await site.one(RunEnded)
    assert (ended.run_id, ended.outcome) == ("water.1.1", "succeeded")
    assert site.told == [(ESP, PUMP, "ON"), (ESP, PUMP, "OFF")]
    await site.measures(40)
    await site.measures(10)
    await site.until(lambda: len(site.of(RunStarted)) == 2)
    assert [event.run_id for event in site.of(RunStarted)] == ["water.1.1", "water.1.2"]
    assert_without_gaps(site)
    await assert_the_same_again(site.log)


async def test_who_stops_leaves_a_checkpoint_so_that_the_next_one_reads_nothing_twice(site, acting, new_logic):
    service = new_logic(checkpoint_s="3600")
    service.start()
    await site.knows_device()
    await site.live("water", rule(below(30), *PAUSED))
    await site.measures(20)
    await site.one(StepWaiting)
    service.stop()
    kept = await Checkpoints(site.log, "logic").last()
    assert kept is not None
    assert kept.mark.n == len([1 for _, event in site.events if hasattr(event, "n")])
    service.start()
    await site.one(RunEnded)
    assert site.told == [(ESP, PUMP, "ON"), (ESP, PUMP, "OFF")]
    await assert_the_same_again(site.log)


async def test_an_instance_that_does_not_agree_with_the_log_goes_on_from_it_all_the_same(site, acting, new_logic):
    service = new_logic()
    service.start()
    await site.knows_device()
    await site.live("water", rule(below(30), *PAUSED))
    await site.measures(20)
    await site.one(StepWaiting)
    service.stop()
    checkpoints = Checkpoints(site.log, "logic")
    kept = await checkpoints.last()
    assert kept is not None
    engine = msgspec.json.decode(kept.engine)
    other = msgspec.Raw(msgspec.json.encode(engine | {"n": engine["n"] - 1}))
    await checkpoints.write(msgspec.structs.replace(kept, engine=other))
    service.start()
    await site.one(RunEnded)
    assert site.told == [(ESP, PUMP, "ON"), (ESP, PUMP, "OFF")]
    assert_without_gaps(site)
