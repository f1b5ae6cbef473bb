"""What follows from decisions, by whoever leads and whoever leads next: once, whatever happens in between."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.integration.logic.site import ESP, PUMP

from kaiser.contracts import subjects
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.logic import CommandAsked, RuleDefined, RuleDisabled, RuleEnabled, RuleSwitched
from kaiser.contracts.events.safeguards import ActuatorRef, SensorRef
from kaiser.contracts.rules import Command, Compare, Rule
from kaiser.contracts.streams import LOGIC
from kaiser.eventlog import Delivery, Event, EventLog, now_us, replay
from kaiser.logic.effects import SEND, Effects
from kaiser.logic.metrics import LogicMetrics
from kaiser.logic.rules import Rules
from kaiser.logic.rules import event_of as rule_event

STEP = {"n": 1, "rule_id": "water", "version": 1, "run_id": "water.1.1", "step": 1, "path": "actions[0]"}


def asked(**fields: object) -> CommandAsked:
    return msgspec.convert(
        {**STEP, "at": now_us(), "esp_id": ESP, "gpio": PUMP, "command": "ON"} | fields, CommandAsked
    )


class Actuators:
    """Plays the actuator service: says no to the first request, and yes to all others."""

    def __init__(self, log: EventLog) -> None:
        self.keys: list[str] = []
        self._log = log

    async def answer(self, message: object) -> None:
        body = msgspec.json.decode(message.data)  # type: ignore[attr-defined]  # nats-py's
        self.keys.append(body["idempotency_key"])
        no = {"problem": {"code": "ACTUATOR_BUSY", "detail": "not now"}}
        yes = {"ok": {}}
        await message.respond(msgspec.json.encode(no if len(self.keys) == 1 else yes))  # type: ignore[attr-defined]


@pytest.fixture
async def actuators(log: EventLog) -> AsyncIterator[Actuators]:
    playing = Actuators(log)
    subscription = await log.nc.subscribe(SEND, cb=playing.answer)
    yield playing
    await subscription.unsubscribe()


def effects_of(log: EventLog) -> Effects:
    return Effects(log, Rules(log), LogicMetrics(), ttl_s=3600)


async def stored(log: EventLog, decision: CommandAsked | RuleSwitched) -> Delivery:
    """A decision in the log, as a consumer gets it."""
    subject = subjects.run(decision.rule_id)
    ack = await log.publish(Event(subject=subject, type=decision.TYPE, data=encode(decision), source="kaiser/logic"))
    (delivery,) = [each async for each in replay(log, LOGIC.name, subjects=(subject,), from_seq=ack.seq)]
    return delivery


async def test_what_was_refused_to_a_leader_that_died_is_not_asked_for_again(
    log: EventLog, actuators: Actuators
) -> None:
    decision = asked()
    delivery = await stored(log, decision)
    await effects_of(log).handle([delivery])
    assert [each.type async for each in replay(log, LOGIC.name, subjects=("logic.refused.>",))]
    await effects_of(log).handle([delivery])
    assert actuators.keys == ["water.1.1/1"]


async def test_a_delivery_that_is_quicker_than_the_word_that_all_is_stored_is_not_done_over(
    log: EventLog, actuators: Actuators
) -> None:
    decision = asked()
    delivery = await stored(log, decision)
    effects = effects_of(log)
    await effects.handle([delivery])
    effects.begin([decision])
    await asyncio.gather(*effects.under_way)
    assert actuators.keys == ["water.1.1/1"]


async def test_a_rule_that_was_switched_and_by_people_back_since_is_left_as_it_is(log: EventLog) -> None:
    rule = Rule(
        name="Heat",
        condition=Compare(sensor=SensorRef(ESP, 34, "moisture"), operator="<", value=3.0),
        actions=(Command(actuator=ActuatorRef(ESP, PUMP), command="OFF"),),
    )
    about = {"rule_id": "heat", "at": now_us(), "by": "eva"}
    await log.publish(rule_event(RuleDefined(**about, version=1, rule=rule), "defined"))
    switched = msgspec.convert({**STEP, "at": now_us(), "target": "heat", "enabled": True}, RuleSwitched)
    delivery = await stored(log, switched)
    await effects_of(log).handle([delivery])
    await log.publish(rule_event(RuleDisabled(**about), "back"))
    await effects_of(log).handle([delivery])
    facts = [each.type async for each in replay(log, LOGIC.name, subjects=(subjects.rule_of("heat"),))]
    assert facts == [RuleDefined.TYPE, RuleEnabled.TYPE, RuleDisabled.TYPE]
