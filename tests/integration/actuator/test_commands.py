"""The life of commands, event by event."""

import asyncio

import msgspec
import pytest

from kaiser.contracts import actuation
from kaiser.contracts.events.actuation import (
    CommandAcknowledged,
    CommandAnsweredLate,
    CommandDispatched,
    CommandRequested,
)

from .conftest import DEC, DIMMER, HEAD, INVERTED, PUMP, VALVE, RefusedError, known


async def _refused(awaitable) -> str:
    with pytest.raises(RefusedError) as caught:
        await awaitable
    return caught.value.problem.code


async def test_a_command_is_requested_approved_dispatched_acknowledged_and_succeeds_under_one_correlation_id(there):
    command = await there.send(DEC, PUMP, "ON", correlation_id="c-1")
    assert (command.state, command.action, command.level, command.by) == ("requested", "ON", 1.0, "ada")
    await there.sent(command.command_id)
    assert there.told(command.command_id) == [{"command": "ON", "value": 1.0, "duration": 0}]
    await there.respond(DEC, PUMP, "ON")
    await there.until(lambda: there.of(command.command_id, CommandAcknowledged))
    await there.status(DEC, PUMP, 255)
    end = await there.ended(command.command_id)
    assert (end.outcome, end.code) == ("succeeded", "")
    names = [type(fact).__name__ for fact in there.of(command.command_id)]
    assert names == ["CommandRequested", "CommandDispatched", "CommandAcknowledged", "CommandEnded"]
    assert {fact.correlation_id for fact in there.of(command.command_id)} == {"c-1"}
    seen = await there.command(command.command_id, wait_s=5)
    assert (seen.state, seen.attempts) == ("succeeded", 1)
    assert list(seen.steps) == ["requested", "dispatched", "acknowledged", "succeeded"]


async def test_head_matches_by_id_and_by_intent_outcomes(there):
    command = await there.send(HEAD, PUMP, "ON", duration_s=60)
    await there.sent(command.command_id)
    (told,) = there.told(command.command_id)
    assert (told["correlation_id"], told["intent_id"], told["duration"]) == (
        command.command_id, command.command_id, 60,
    )  # fmt: skip
    await there.outcome(HEAD, command.command_id, "accepted")
    acknowledged = (await there.until(lambda: there.of(command.command_id, CommandAcknowledged)))[0]
    assert acknowledged.by_message == "intent_outcome"
    await there.outcome(HEAD, command.command_id, "failed", code="COMMAND_FAILED", reason="relay stuck")
    end = await there.ended(command.command_id)
    assert (end.outcome, end.code, end.detail) == ("failed", "COMMAND_REFUSED", "COMMAND_FAILED relay stuck")


async def test_what_is_asked_is_checked_before_it_becomes_a_command(there):
    assert await there.refusal("ESP_FFFFFF", PUMP, "ON") == "ESP_DEVICE_NOT_FOUND"
    assert await there.refusal(DEC, 14, "ON") == "ACTUATOR_NOT_FOUND"
    assert await there.refusal(DEC, PUMP, "PWM", level=0.5) == "COMMAND_NOT_FOR_TYPE"
    assert await there.refusal(DEC, DIMMER, "PWM") == "MISSING_REQUIRED_FIELD"
    assert await there.refusal(DEC, PUMP, "TOGGLE") == "STATE_UNKNOWN"
    assert there.facts == []


async def test_safety_rejects_and_the_end_names_its_rule(there):
    there.safety = False
    command = await there.send(DEC, PUMP, "ON")
    asked = (await there.until(lambda: there.of(command.command_id, CommandRequested)))[0]
    seq = await there.reject(asked, "INTERLOCKED", "interlock lamp-or-heater")
    end = await there.ended(command.command_id)
    assert (end.outcome, end.code, end.rule, end.decision_seq) == (
        "rejected", "INTERLOCKED", "interlock lamp-or-heater", seq,
    )  # fmt: skip
    assert there.told(command.command_id) == []


async def test_while_safety_is_silent_nothing_is_switched_on_and_off_goes_through(there):
    there.safety = False
    on = await there.send(DEC, PUMP, "ON")
    off = await there.send(DEC, DIMMER, "OFF")
    assert off.state == "dispatched"
    await there.sent(off.command_id)
    end = await there.ended(on.command_id)
    assert (end.outcome, end.code) == ("failed", "SAFETY_UNAVAILABLE")
    await there.approve(there.of(on.command_id, CommandRequested)[0])
    later = await there.send(DEC, VALVE, "OFF")
    await there.sent(later.command_id)
    assert there.told(on.command_id) == []


async def test_a_lost_answer_is_tried_again_three_times_under_the_same_id_and_then_it_expires(there):
    command = await there.send(DEC, PUMP, "OFF", timeout_s=2)
    await there.sent(command.command_id, 3)
    assert there.told(command.command_id) == [{"command": "OFF", "value": 0.0, "duration": 0}] * 3
    end = await there.ended(command.command_id)
    assert (end.outcome, end.code) == ("expired", "COMMAND_EXPIRED")
    assert [fact.attempt for fact in there.of(command.command_id, CommandDispatched)] == [1, 2, 3]
    await there.respond(DEC, PUMP, "OFF")
    late = (await there.until(lambda: there.of(command.command_id, CommandAnsweredLate)))[0]
    assert late.success
    assert (await there.command(command.command_id)).state == "expired"


async def test_a_second_try_is_answered(there):
    command = await there.send(HEAD, PUMP, "ON")
    await there.sent(command.command_id, 2)
    await there.respond(HEAD, PUMP, "ON", correlation_id=command.command_id)
    await there.status(HEAD, PUMP, 255)
    assert (await there.ended(command.command_id)).outcome == "succeeded"


async def test_a_device_that_says_that_it_did_it_and_shows_otherwise_has_failed(there):
    command = await there.send(DEC, PUMP, "ON")
    await there.sent(command.command_id)
    await there.respond(DEC, PUMP, "ON")
    await there.until(lambda: there.of(command.command_id, CommandAcknowledged))
    await there.status(DEC, PUMP, 0)
    end = await there.ended(command.command_id)
    assert (end.outcome, end.code) == ("failed", "COMMAND_UNVERIFIED")


async def test_a_message_that_the_bridge_refused_is_a_failed_command(there):
    command = await there.send(DEC, PUMP, "OFF")
    await there.sent(command.command_id)
    await there.refuse_downlink(DEC, command.command_id, "PUBLISH_FAILED")
    end = await there.ended(command.command_id)
    assert (end.outcome, end.code) == ("failed", "PUBLISH_FAILED")


async def test_a_later_command_takes_the_place_of_the_earlier(there):
    first = await there.send(DEC, PUMP, "ON")
    await there.sent(first.command_id)
    second = await there.send(DEC, PUMP, "OFF")
    assert (await there.ended(first.command_id)).outcome == "superseded"
    await there.status(DEC, PUMP, 0)
    assert (await there.ended(second.command_id)).outcome == "succeeded"


async def test_toggle_is_resolved_by_what_the_device_reports(there):
    seq = await there.status(DEC, PUMP, 255)

    async def read() -> bool:
        return (await there.actuator(DEC, PUMP)).seq >= seq

    await there.eventually(read)
    command = await there.send(DEC, PUMP, "TOGGLE")
    assert (command.asked, command.action, command.state) == ("TOGGLE", "OFF", "dispatched")


async def test_a_command_to_an_offline_device_is_refused_or_held_or_expires(there):
    await there.go(DEC)
    await known(there, DEC, online=False)
    assert await there.refusal(DEC, PUMP, "OFF") == "ESP_OFFLINE"
    off = await there.send(DEC, PUMP, "OFF", hold_s=30)
    on = await there.send(DEC, DIMMER, "ON", hold_s=30)
    lapsing = await there.send(DEC, VALVE, "ON", hold_s=1)
    assert [command.state for command in (off, on, lapsing)] == ["held"] * 3
    assert (await there.ended(lapsing.command_id)).code == "COMMAND_EXPIRED"
    assert there.downlinks == []
    await there.come(DEC)
    await there.sent(off.command_id)
    sent = await there.sent(on.command_id)
    assert sent.decision_seq > 0


async def test_a_held_command_is_cancelled_and_a_sent_one_is_not(there):
    await there.go(DEC)
    await known(there, DEC, online=False)
    held = await there.send(DEC, PUMP, "OFF", hold_s=30)
    cancel = actuation.CancelCommand(esp_id=DEC, gpio=PUMP, by="bob", command_id=held.command_id)
    cancelled = await there.ask("command.actuator.cancel", cancel, actuation.Command)
    assert (cancelled.state, cancelled.detail) == ("cancelled", "by bob")
    assert await _refused(there.ask("command.actuator.cancel", cancel, actuation.Command)) == "COMMAND_ENDED"
    nobody = actuation.CancelCommand(esp_id=DEC, gpio=PUMP, by="bob", command_id="nobody")
    assert await _refused(there.ask("command.actuator.cancel", nobody, actuation.Command)) == "COMMAND_NOT_FOUND"


async def test_a_deaf_device_is_refused(there):
    await there.deafen(DEC)
    await there.until_refused("DEVICE_DEAF", DEC, PUMP, "OFF", timeout_s=1)


@pytest.mark.parametrize(("esp_id", "words"), [(HEAD, ["ON", "OFF"]), (DEC, ["OFF"])], ids=["head", "dec"])
async def test_an_inverted_relay_is_told_off_by_itself_after_it_was_configured_and_on_first_where_it_has_to_be(
    there, service, esp_id, words
):
    def asked() -> list[CommandRequested]:
        return [fact for fact in there.facts if isinstance(fact, CommandRequested) and fact.source == "safety"]

    def told() -> list[str]:
        return [msgspec.json.decode(one.payload)["command"] for one in there.downlinks]

    await there.configured(esp_id)
    (first,) = await there.until(asked)
    assert (first.gpio, first.action, first.by) == (INVERTED, "OFF", "kaiser")
    await there.until(lambda: told() == words)
    await there.status(esp_id, INVERTED, 0)
    assert (await there.ended(first.command_id)).outcome == "succeeded"
    second = await there.send(esp_id, INVERTED, "OFF")
    await there.sent(second.command_id)
    assert told() == [*words, "OFF"]
    await there.status(esp_id, INVERTED, 0)
    await there.ended(second.command_id)
    service.kill()
    await there.configured(esp_id)
    service.start()
    await there.until(lambda: len(asked()) == 2)
    await there.until(lambda: told() == [*words, "OFF", *words])


async def test_the_same_key_is_the_same_command(there):
    first = await there.send(DEC, PUMP, "ON", idempotency_key="k")
    again = await there.send(DEC, PUMP, "ON", idempotency_key="k")
    assert again.command_id == first.command_id
    assert await there.refusal(DEC, PUMP, "OFF", idempotency_key="k") == "IDEMPOTENCY_CONFLICT"
    elsewhere = await there.send(DEC, DIMMER, "ON", idempotency_key="k")
    assert elsewhere.command_id != first.command_id


async def test_who_asks_for_a_command_may_wait_for_its_end(there):
    command = await there.send(DEC, PUMP, "ON")
    asking = asyncio.create_task(there.command(command.command_id, wait_s=10))
    await there.sent(command.command_id)
    assert not asking.done()
    await there.status(DEC, PUMP, 255)
    assert (await asking).state == "succeeded"
    assert await _refused(there.command("nobody", wait_s=1)) == "COMMAND_NOT_FOUND"


async def test_many_commands_at_once_end_once_each(there):
    pins = [(esp_id, gpio) for esp_id in (DEC, HEAD) for gpio in (PUMP, VALVE, DIMMER)]
    sends = [there.send(*pins[i % len(pins)], "ON" if i % 3 else "OFF", timeout_s=2) for i in range(120)]
    commands = await asyncio.gather(*sends)
    for command in commands:
        await there.ended(command.command_id, within_s=30)
    ends = [fact.command_id for fact in there.facts if type(fact).__name__ == "CommandEnded"]
    assert sorted(ends) == sorted(command.command_id for command in commands)


async def test_answers_to_nothing_of_ours_are_of_no_effect(there):
    await there.respond(HEAD, PUMP, "OFF", correlation_id="somebody-elses")
    await there.respond(DEC, PUMP, "OFF")
    await there.outcome(HEAD, "somebody-elses", "failed")
    command = await there.send(HEAD, PUMP, "OFF")
    await there.sent(command.command_id)
    await there.status(HEAD, PUMP, 0)
    assert (await there.ended(command.command_id)).outcome == "succeeded"
    assert {fact.command_id for fact in there.facts} == {command.command_id}
