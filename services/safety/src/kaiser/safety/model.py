"""What can happen in the worlds that safety is explored in (:mod:`kaiser.safety.worlds`).

What safety does here it does by the functions that run in production: folding, deciding, watching. The rest of the
world is as bad as it may be: commands come at any time and supersede each other, messages arrive or are lost, statuses
come or do not, the link goes down with everything on, the actuator service hears late of a stop.

What is assumed: a message arrives within a tick or never, in the order in which it was sent; a command does not end
before that; an OFF that is repeated every tick over a link that is up arrives. All times are whole ticks, so that two
worlds whose times differ by as many ticks behave the same: that makes the worlds finitely many. Pure.
"""

from typing import Literal

import msgspec

from kaiser.contracts.events.actuation import CommandDispatched, CommandEnded, CommandOutcome, CommandRequested
from kaiser.contracts.events.safeguards import EmergencyReleased, EmergencyRequested, Scope
from kaiser.safety.deciding import decide, decision
from kaiser.safety.folding import fold_member
from kaiser.safety.latching import unconfirmed
from kaiser.safety.watching import confirmed, due, stopped
from kaiser.safety.worlds import (
    AROUND,
    DEVICE,
    TICK_US,
    Configuration,
    World,
    actuator,
    say_status,
    take_actuators,
    take_safety,
)

Move = tuple[str, int]
"""What happens, and at which actuator; -1 for what happens to all of them."""


def moves(configuration: Configuration, world: World) -> list[Move]:
    """What can happen next."""
    return [
        (name, i)
        for name in configuration.moves
        for i in (range(len(world.on)) if name not in AROUND else (-1,))
        if _possible(world, name, i)
    ]


def _possible(world: World, name: str, i: int) -> bool:
    output, guard = world.state.output(actuator(i)), world.state.guard(actuator(i))
    match name:
        case "dispatch":
            return guard.approved_seq == output.command_seq > 0 and not output.ended and not output.dispatched
        case "report":
            return world.link
        case "arrive":
            return world.link and world.sent[i] != ""
        case "lose":
            return world.sent[i] != ""
        case "end":
            return not output.ended and not world.sent[i].startswith("on")
        case "status" | "stop link":
            return world.link
        case "start link":
            return not world.link and world.state.member(DEVICE).lost_at < world.now
        case "stop lease":
            return world.lease
        case "start lease":
            return not world.lease
        case "emergency":
            return not world.state.latches
        case "release":
            return any(not unconfirmed(world.state, latch) for latch in world.state.latches.values())
        case "tick":
            return not any(world.sent)
    return True


def move(world: World, what: Move) -> World:
    """The world after something has happened, and safety has looked at it."""
    name, i = what
    after = world.copy()
    if name in AROUND:
        _around(after, name)
    else:
        _local(after, name, i)
    _watch(after)
    return after


def _local(world: World, name: str, i: int) -> None:
    match name:
        case "ask on":
            _ask(world, i, "ON")
        case "ask off":
            _ask(world, i, "OFF")
        case "switch on" | "switch off":
            _ask(world, i, "ON" if name == "switch on" else "OFF")
            approved = _possible(world, "dispatch", i)
            if approved:
                _dispatch(world, i)
            if world.link and (approved or name == "switch off"):
                _switch(world, i, on=approved)
        case "report":
            if not world.state.output(actuator(i)).ended:
                _end_by_state(world, i)
            say_status(world, i, world.now)
        case "dispatch":
            _dispatch(world, i)
        case "arrive":
            _arrive(world, i)
        case "lose":
            world.sent[i] = "off" if world.sent[i] == "on off" else ""
        case "end":
            _end_by_state(world, i)
        case "status":
            say_status(world, i, world.now)


def _around(world: World, name: str) -> None:
    site = Scope(kind="site")
    match name:
        case "stop link" | "start link":
            _link(world, up=name == "start link")
        case "stop lease" | "start lease":
            world.lease = name == "start lease"
        case "emergency":
            take_safety(world, EmergencyRequested(at=world.now, by="", emergency_id="e", scope=site, reason=""))
            for each in range(len(world.on)):
                _send(world, each, "off")
        case "release":
            take_safety(world, EmergencyReleased(at=world.now, by="", emergency_id="e", scope=site, reason=""))
        case "tick":
            _tick(world)


def _ask(world: World, i: int, action: Literal["ON", "OFF"]) -> None:
    if not world.state.output(actuator(i)).ended:
        _end(world, i, "superseded")
    request = CommandRequested(
        kaiser_id="",
        esp_id=DEVICE,
        gpio=i,
        at=world.now,
        command_id=str(world.seqs[0] + 1),
        correlation_id="",
        action=action,
        asked=action,
        level=1.0 if action == "ON" else 0.0,
        source="user",
        by="",
        deadline_at=world.now + 2 * TICK_US,
    )
    take_actuators(world, request)
    lease_until = world.now + 1 if world.lease else 0
    verdict = decide(world.state, request, world.now, lease_until=lease_until)
    world.last = f"{action} {verdict.outcome} {verdict.rule}"
    take_safety(world, decision(verdict, request, world.seqs[0], world.now))
    if not verdict.approved:
        _end(world, i, "rejected")
    elif action == "OFF":
        _dispatch(world, i)


def _dispatch(world: World, i: int) -> None:
    output = world.state.output(actuator(i))
    take_actuators(
        world,
        CommandDispatched(
            kaiser_id="",
            esp_id=DEVICE,
            gpio=i,
            at=world.now,
            command_id=output.command_id,
            correlation_id="",
            attempt=1,
            answer_by=world.now + TICK_US,
        ),
    )
    _send(world, i, "on" if output.command_level > 0 else "off")


def _send(world: World, i: int, what: Literal["on", "off"]) -> None:
    if world.link and not world.coarse:
        world.sent[i] = "on off" if what == "off" and world.sent[i] in {"on", "on off"} else what


def _arrive(world: World, i: int) -> None:
    on = world.sent[i].startswith("on")
    world.sent[i] = "off" if world.sent[i] == "on off" else ""
    _switch(world, i, on=on)


def _switch(world: World, i: int, *, on: bool) -> None:
    world.on_ticks[i] = world.on_ticks[i] if on and world.on[i] else 0
    world.on[i] = on


def _end(world: World, i: int, outcome: CommandOutcome) -> None:
    take_actuators(
        world,
        CommandEnded(
            kaiser_id="",
            esp_id=DEVICE,
            gpio=i,
            at=world.now,
            command_id=world.state.output(actuator(i)).command_id,
            correlation_id="",
            outcome=outcome,
        ),
    )


def _end_by_state(world: World, i: int) -> None:
    agrees = world.on[i] == (world.state.output(actuator(i)).command_level > 0)
    _end(world, i, "succeeded" if agrees else "failed")


def _link(world: World, *, up: bool) -> None:
    member = world.state.member(DEVICE)
    times = {"heard_at": world.now} if up else {"lost_at": world.now, "lost_because": "last_will"}
    fold_member(world.state, msgspec.structs.replace(member, **times))
    world.link, world.link_ticks = up, 0
    if not up:
        world.sent = [""] * len(world.sent)


def _tick(world: World) -> None:
    world.now += TICK_US
    world.link_ticks += 1
    for i, on in enumerate(world.on):
        told = world.state.guard(actuator(i)).stop is not None or world.state.latches
        if on and told and world.link:
            _switch(world, i, on=False)
        world.on_ticks[i] += world.on[i]


def _watch(world: World) -> None:
    """What safety does by itself, until there is nothing more to do: one stop may be the reason for another."""
    while True:
        looks, _ = due(world.state, world.now)
        if not looks:
            return
        for seen in looks:
            if seen.stop is not None:
                take_safety(world, stopped(world.state, seen, world.now, stop_id=f"s{world.seqs[1]}"))
                _send(world, seen.ref.gpio, "off")
            else:
                take_safety(world, confirmed(seen, world.now, tries=1))
