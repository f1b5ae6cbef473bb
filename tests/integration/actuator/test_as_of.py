"""What actuators and commands were, told by the service that folds their events."""

from typing import Any

import msgspec
import pytest

from kaiser.actuator.as_of import UNSAID
from kaiser.contracts.past import StateAt, StateAtQuery
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import message_at, now_us
from kaiser.service.past import Fold, Past

from .conftest import DEC, PUMP, VALVE, RefusedError
from .test_shadow import on


async def was(site, kind: str, name: str, at: int, seq: int = 0) -> StateAt:
    asked = StateAtQuery(kind=kind, name=name, at=at, seq=seq)
    return await site.ask("query.actuator.state_at", asked, StateAt)


async def refused(site, kind: str, name: str, at: int, seq: int = 0) -> str:
    with pytest.raises(RefusedError) as error:
        await was(site, kind, name, at, seq)
    return error.value.problem.code


async def stored(site, seq: int) -> int:
    """When the event of a sequence was stored."""
    return (await message_at(site.log, "ACTUATORS", seq)).stored_at


def without(shown: dict[str, Any]) -> dict[str, Any]:
    """An actuator without what a process says of it from when it began to listen."""
    return shown | {"reported": {key: value for key, value in shown["reported"].items() if key not in UNSAID}}


async def test_an_actuator_was_what_its_events_had_made_of_it_by_then(there):
    start = now_us()
    command = await on(there, DEC, PUMP)
    ended = (await there.command(command.command_id, 5)).seq
    after_on = now_us()
    off = await there.send(DEC, PUMP, "OFF")
    await there.sent(off.command_id)
    await there.status(DEC, PUMP, 0)
    await there.ended(off.command_id)
    name = f"{DEC}/{PUMP}"
    before = await was(there, "actuator", name, start)  # it was configured, and had neither been told nor said anything
    assert (before.seq, before.events, before.state["desired"], before.state["reported"]) == (0, 0, None, None)
    assert (before.state["name"], before.state["actuator_type"], before.state["online"]) == ("Pump", "pump", True)
    between = await was(there, "actuator", name, after_on)
    assert (between.state["desired"]["level"], between.state["reported"]["level"]) == (1.0, 1.0)
    assert (between.state["desired"]["command_id"], between.state["open_commands"]) == (command.command_id, [])
    assert (between.stream, between.seq) == ("ACTUATORS", ended)
    first = await was(there, "actuator", name, now_us(), command.seq)
    assert (first.seq, first.state["open_commands"]) == (command.seq, [command.command_id])
    assert (first.state["desired"], first.state["reported"]) == (None, None)
    final = (await there.command(off.command_id, 5)).seq
    live = msgspec.to_builtins(await there.actuator(DEC, PUMP, at_least=final))
    assert (await was(there, "actuator", name, now_us())).state == without(live)
    assert live["reported"]["level"] == 0.0


async def test_a_command_was_as_far_as_it_had_come(there):
    command = await on(there, DEC, PUMP)
    live = await there.command(command.command_id, 5)
    now = await was(there, "command", command.command_id, now_us())
    assert (now.state, now.seq) == (msgspec.to_builtins(live), live.seq)
    assert now.state["state"] == "succeeded"
    begun = await was(there, "command", command.command_id, await stored(there, command.seq))
    assert (begun.state["state"], begun.events, begun.state["ended_at"]) == ("requested", 1, 0)
    sent = await was(there, "command", command.command_id, now_us(), command.seq + 1)
    assert (sent.state["state"], sent.events) == ("dispatched", 2)
    assert await refused(there, "command", command.command_id, await stored(there, command.seq) - 1) == (
        "EVENT_NOT_FOUND"
    )


async def test_what_was_not_there_or_cannot_be_said_is_refused_with_its_code(there):
    now = now_us()
    for kind, name in (("actuator", "ESP_DEAD00/25"), ("command", "nobody")):
        assert await refused(there, kind, name, now) == "EVENT_NOT_FOUND"
    assert await refused(there, "actuator", f"{DEC}/{PUMP}", 1) == "EVENT_NOT_FOUND"
    for kind, name in (("actuator", "ESP_DEAD00"), ("actuator", f"{DEC}/x"), ("rule", "water")):
        assert await refused(there, kind, name, now) == "VALUE_OUT_OF_RANGE"


async def test_a_past_whose_beginning_was_let_go_is_not_guessed(there):
    command = await on(there, DEC, VALVE)
    await there.log.js.purge_stream("ACTUATORS", seq=command.seq + 1)
    for kind, name in (("actuator", f"{DEC}/{VALVE}"), ("command", command.command_id)):
        assert await refused(there, kind, name, now_us()) == "EVENTS_GONE"


async def test_more_events_than_a_question_may_read_are_not_read(there):
    command = await on(there, DEC, PUMP)
    fold = Fold(
        stream="ACTUATORS",
        subjects=("actuator.>",),
        initial=0,
        decode=lambda delivery: delivery.seq,
        evolve=lambda count, _, __: count + 1,
        begins=lambda _: True,
    )
    asked = StateAtQuery(kind="actuator", name="x", at=now_us())
    with pytest.raises(Refusal) as error:
        await Past(there.log, most=2).answer(asked, fold, lambda count: {"count": count})
    assert error.value.code == "TOO_MANY_EVENTS"
    at_first = StateAtQuery(kind="actuator", name="x", at=await stored(there, command.seq))
    found = await Past(there.log, most=2).answer(at_first, fold, lambda count: {"count": count})
    assert found.state == {"count": found.events}
