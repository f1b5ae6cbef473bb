"""A small world for safety to be explored in: one device with a few actuators, a link, a lease, a clock that ticks.

What safety does here it does by the functions that run in production: folding, deciding, watching. The rest of the
world is as bad as it may be: commands come at any time and supersede each other, messages arrive or are lost, statuses
come or do not, the link goes down with everything on, the actuator service hears late of a stop.

What is assumed: a message arrives within a tick or never, in the order in which it was sent; a command does not end
before that; an OFF that is repeated every tick over a link that is up arrives. All times are whole ticks, so that two
worlds whose times differ by as many ticks behave the same: that makes the worlds finitely many. Pure.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from kaiser.contracts.events.actuation import (
    CommandDispatched,
    CommandEnded,
    CommandOutcome,
    CommandRequested,
)
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.equipment import WantedActuator
from kaiser.contracts.events.safeguards import (
    ActuatorRef,
    EmergencyReleased,
    EmergencyRequested,
    InterlockSet,
    Limits,
    LimitsSet,
    Rule,
    Scope,
)
from kaiser.contracts.wire import ActuatorStatus
from kaiser.roster import Member
from kaiser.safety.deciding import decide, decision
from kaiser.safety.folding import fold_actuators, fold_member, fold_safety
from kaiser.safety.latching import unconfirmed
from kaiser.safety.objecting import SECOND
from kaiser.safety.state import State
from kaiser.safety.watching import confirmed, due, stopped

TICK_S: Final = 10
TICK_US: Final = TICK_S * SECOND
START_US: Final = 1000 * TICK_US

DEVICE: Final = "ESP_00000A"
ZONE: Final = "zone"

Move = tuple[str, int]
"""What happens, and at which actuator; -1 for what happens to all of them."""

Sent = Literal["", "on", "off", "on off"]
"""Messages on their way to an actuator, the first one first."""


AROUND: Final = ("stop link", "start link", "stop lease", "start lease", "emergency", "release", "tick")
"""What happens to all actuators at once."""

FINE: Final = ("ask on", "ask off", "dispatch", "arrive", "lose", "end", "status", *AROUND)
"""Every message by itself."""

COARSE: Final = ("switch on", "switch off", "report", *AROUND)
"""A command with everything up to its arrival, and a status with the end of the command: for more actuators."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """What is explored.

    Attributes:
        limits: Of each actuator; their times in whole ticks.
        interlocks: By id, about :func:`actuator` 0 and so on.
        moves: What may happen, by name.
    """

    limits: tuple[Limits, ...]
    interlocks: Mapping[str, Rule] = {}
    moves: tuple[str, ...] = FINE


class World(msgspec.Struct, kw_only=True):
    """Everything at one moment.

    Attributes:
        state: What safety knows.
        now: Unix microseconds, whole ticks.
        on: Which actuators are on in fact.
        on_ticks: For how long each has been, in ticks.
        sent: Messages on their way to each.
        link: Whether the device is there.
        link_ticks: For how long it has been, in ticks.
        lease: Whether safety may decide.
        coarse: Whether commands arrive at once, and stops with the next tick.
        seqs: Of the last events in ACTUATORS and SAFETY.
        last: What safety said to the last command; empty where that was no command.
    """

    state: State
    now: int = START_US
    on: list[bool]
    on_ticks: list[int]
    sent: list[Sent]
    link: bool = True
    link_ticks: int = 1
    lease: bool = True
    coarse: bool = False
    seqs: list[int] = []
    last: str = ""

    def copy(self) -> "World":
        """A world that goes on apart from this one."""
        return World(
            state=self.state.copy(),
            now=self.now,
            on=self.on.copy(),
            on_ticks=self.on_ticks.copy(),
            sent=self.sent.copy(),
            link=self.link,
            link_ticks=self.link_ticks,
            lease=self.lease,
            coarse=self.coarse,
            seqs=self.seqs.copy(),
        )


def actuator(i: int) -> ActuatorRef:
    """The ``i``-th actuator of the model."""
    return ActuatorRef(DEVICE, i)


def first_world(configuration: Configuration) -> World:
    """Everything is off, known to be, and has been for long."""
    count = len(configuration.limits)
    world = World(state=State(), on=[False] * count, on_ticks=[0] * count, sent=[""] * count, seqs=[0, 0])
    world.coarse = "switch on" in configuration.moves
    wanted = {i: WantedActuator(gpio=i, actuator_type="relay", name=str(i)) for i in range(count)}
    since = world.now - 900 * TICK_US
    fold_member(
        world.state,
        Member(esp_id=DEVICE, standing="approved", zone_confirmed=ZONE, actuators=wanted, heard_at=since),
    )
    for i, limits in enumerate(configuration.limits):
        _safety(world, LimitsSet(at=since, by="", esp_id=DEVICE, gpio=i, limits=limits, reason=""))
        _status(world, i, since)
    for interlock_id, rule in configuration.interlocks.items():
        _safety(world, InterlockSet(at=since, by="", interlock_id=interlock_id, rule=rule, reason=""))
    return world


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
    match name:
        case "ask on":
            _ask(after, i, "ON")
        case "ask off":
            _ask(after, i, "OFF")
        case "switch on" | "switch off":
            _ask(after, i, "ON" if name == "switch on" else "OFF")
            approved = _possible(after, "dispatch", i)
            if approved:
                _dispatch(after, i)
            if after.link and (approved or name == "switch off"):
                _switch(after, i, on=approved)
        case "report":
            if not after.state.output(actuator(i)).ended:
                _end_by_state(after, i)
            _status(after, i, after.now)
        case "dispatch":
            _dispatch(after, i)
        case "arrive":
            _arrive(after, i)
        case "lose":
            after.sent[i] = "off" if after.sent[i] == "on off" else ""
        case "end":
            _end_by_state(after, i)
        case "status":
            _status(after, i, after.now)
        case "stop link" | "start link":
            _link(after, up=name == "start link")
        case "stop lease" | "start lease":
            after.lease = name == "start lease"
        case "emergency":
            event = EmergencyRequested(at=after.now, by="", emergency_id="e", scope=Scope(kind="site"), reason="")
            _safety(after, event)
            for each in range(len(after.on)):
                _send(after, each, "off")
        case "release":
            _safety(
                after, EmergencyReleased(at=after.now, by="", emergency_id="e", scope=Scope(kind="site"), reason="")
            )
        case "tick":
            _tick(after)
    _watch(after)
    return after


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
    _actuators(world, request)
    lease_until = world.now + 1 if world.lease else 0
    verdict = decide(world.state, request, world.now, lease_until=lease_until)
    world.last = f"{action} {verdict.outcome} {verdict.rule}"
    _safety(world, decision(verdict, request, world.seqs[0], world.now))
    if not verdict.approved:
        _end(world, i, "rejected")
    elif action == "OFF":
        _dispatch(world, i)


def _dispatch(world: World, i: int) -> None:
    output = world.state.output(actuator(i))
    _actuators(
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
    _actuators(
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


def _status(world: World, i: int, at: int) -> None:
    status = ActuatorStatus(esp_id=DEVICE, ts=0, gpio=i, actuator_type="relay", state=world.on[i])
    _actuators(world, DeviceSaid(kaiser_id="", esp_id=DEVICE, generation="dec", received_at=at, message=status))


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
                _safety(world, stopped(world.state, seen, world.now, stop_id=f"s{world.seqs[1]}"))
                _send(world, seen.ref.gpio, "off")
            else:
                _safety(world, confirmed(seen, world.now, tries=1))


def _actuators(world: World, event: Any) -> None:  # any event of the stream
    world.seqs[0] += 1
    fold_actuators(world.state, world.seqs[0], event)


def _safety(world: World, event: Any) -> None:  # any event of the stream
    world.seqs[1] += 1
    fold_safety(world.state, world.seqs[1], event)
