"""Explores every world that a configuration can come to, and finds the shortest way into one that may not be. Pure."""

from collections import deque
from collections.abc import Callable, Hashable

import msgspec

from kaiser.contracts.events.safeguards import AtMost, OnlyWhile, PowerBudget
from kaiser.safety.interlocks import words
from kaiser.safety.model import Move, move, moves
from kaiser.safety.worlds import DEVICE, TICK_S, TICK_US, Configuration, World, actuator, first_world


class Explored(msgspec.Struct, frozen=True, kw_only=True):
    """What an exploration has found.

    Attributes:
        worlds: How many there are.
        transitions: How many ways lead from one to the next.
        violation: What is wrong in the first world that may not be; empty where there is none.
        trace: The shortest way there, in words.
        was_on: Actuators that are on in some world.
        complete: Whether all worlds were seen.
    """

    worlds: int
    transitions: int
    violation: str = ""
    trace: tuple[str, ...] = ()
    was_on: frozenset[int] = frozenset()
    complete: bool = True


Check = Callable[[Configuration, World, Move, World], str]
"""What is wrong about a step, in words; empty where nothing is."""


def explore(configuration: Configuration, *, check: Check | None = None, at_most: int = 1_000_000) -> Explored:
    """See every world there is.

    Args:
        configuration: What is explored.
        check: Invariants; those of :func:`wrong` by default.
        at_most: Stop after so many worlds.
    """
    check = check or wrong
    first = first_world(configuration)
    start = key(configuration, first)
    came_from: dict[Hashable, tuple[Hashable, Move, str] | None] = {start: None}
    ahead: deque[tuple[Hashable, World]] = deque([(start, first)])
    transitions, was_on = 0, set[int]()
    while ahead and len(came_from) <= at_most:
        here, world = ahead.popleft()
        was_on.update(i for i, on in enumerate(world.on) if on)
        for what in moves(configuration, world):
            after = move(world, what)
            transitions += 1
            violation = check(configuration, world, what, after)
            there = key(configuration, after)
            if violation:
                came_from.setdefault(there, (here, what, after.last))
                trace = (*_trace(came_from, here), _step(what, after.last))
                return Explored(
                    worlds=len(came_from), transitions=transitions, violation=violation, trace=trace, complete=False
                )
            if there not in came_from:
                came_from[there] = (here, what, after.last)
                ahead.append((there, after))
    return Explored(worlds=len(came_from), transitions=transitions, was_on=frozenset(was_on), complete=not ahead)


def wrong(configuration: Configuration, before: World, what: Move, after: World) -> str:
    """The invariants: what is wrong about a step."""
    for i, on in enumerate(after.on):
        view = after.state.view(actuator(i))
        if (on or after.sent[i].startswith("on")) and not view.possible:
            return f"{words(actuator(i))} is on or about to be, and safety takes it for off"
        if what[0] == "tick" and on:
            late = _late(configuration, before, after, i)
            if late:
                return late
    if after.last.startswith("ON approved") and not before.lease:
        return "a command has passed without a lease"
    if after.last.startswith("ON approved") and before.state.latches:
        return "a command has passed inside of an emergency stop"
    if what[0] == "release" and any(after.on):
        return "an emergency stop was released with an actuator on"
    return _interlocked(configuration, after, what)


def _late(configuration: Configuration, before: World, after: World, i: int) -> str:
    most = configuration.limits[i].max_on_s
    if after.link and most is not None and after.link_ticks > 1 and after.on_ticks[i] * TICK_S > most + TICK_S:
        return f"{words(actuator(i))} is on for {after.on_ticks[i]} ticks"
    if after.link and before.state.latches:
        return f"{words(actuator(i))} is on a tick after an emergency stop"
    return ""


def _interlocked(configuration: Configuration, world: World, what: Move) -> str:
    on = [actuator(i) for i, each in enumerate(world.on) if each]
    for interlock_id, rule in configuration.interlocks.items():
        match rule:
            case AtMost():
                these = [ref for ref in on if ref in rule.actuators]
                if len(these) > rule.most:
                    return f"{interlock_id} is broken: {', '.join(words(ref) for ref in these)} are on"
            case PowerBudget():
                drawn = sum(configuration.limits[ref.gpio].power_w for ref in on)
                if drawn > rule.watts:
                    return f"{interlock_id} is broken: {drawn:g} W are drawn"
            case OnlyWhile() if rule.actuator in on and rule.requires not in on and world.link and what[0] == "status":
                known_off = not world.state.view(rule.requires).possible
                if known_off and world.state.guard(rule.actuator).stop is None:
                    return f"{interlock_id} is broken: {words(rule.actuator)} stays on without what it requires"
            case _:
                pass
    return ""


def key(configuration: Configuration, world: World) -> Hashable:
    """The same for worlds that behave the same: no ids, and of each time only what something compares it with.

    Starts per hour, duty cycles and hours of the day are not in it: they look at one actuator alone, and have tests of
    their own.
    """
    lost_at = world.state.member(DEVICE).lost_at
    latches = [latch.request.at for latch in world.state.latches.values()]
    whole = (
        world.link,
        min(world.link_ticks, 2),
        world.lease,
        lost_at == world.now,
        tuple(_ago(world, at, 1) for at in latches),
    )
    return (whole, *(_local(configuration, world, i, [lost_at, *latches]) for i in range(len(world.on))))


def _local(configuration: Configuration, world: World, i: int, marks: list[int]) -> Hashable:
    """What there is to say about one actuator; ``marks`` are times that its status has to be younger than."""
    ref, limits = actuator(i), configuration.limits[i]
    output, guard = world.state.output(ref), world.state.guard(ref)
    most = (limits.max_on_s or 0) // TICK_S + 1
    pending = guard.approved_seq == output.command_seq > 0 and not output.ended and not output.dispatched
    rules = configuration.interlocks.values()
    required = [rule.for_s for rule in rules if isinstance(rule, OnlyWhile) and rule.requires == ref and rule.for_s]
    stop_at = guard.stop.at if guard.stop is not None else 0
    return (
        world.on[i],
        min(world.on_ticks[i], most + 1),
        world.sent[i],
        output.level,
        tuple(output.reported_at > at for at in (*marks, stop_at)),
        output.command_level > 0,
        output.dispatched,
        output.ended,
        _ago(world, guard.run_since, most) if pending else None,
        output.on_since > 0 and not output.arrived and output.sent_at == world.now,
        output.arrived,
        output.refused,
        _ago(world, output.on_since, most),
        output.sent_level,
        output.sent_at == world.now,
        output.on_since <= marks[0],
        _ago(world, output.off_since, limits.min_off_s // TICK_S) if limits.min_off_s else None,
        _ago(world, output.reported_on_since, max(required) // TICK_S) if required else output.reported_on_since > 0,
        guard.stop is not None and stop_at == world.now,
        guard.stop is not None,
    )


def _ago(world: World, at: int, most: int) -> int:
    """Ticks since then, as far as they count; -1 for never."""
    return min((world.now - at) // TICK_US, most) if at else -1


def _trace(came_from: dict[Hashable, tuple[Hashable, Move, str] | None], here: Hashable) -> tuple[str, ...]:
    steps: list[str] = []
    while (step := came_from[here]) is not None:
        here, what, last = step
        steps.append(_step(what, last))
    return tuple(reversed(steps))


def _step(what: Move, last: str) -> str:
    name, i = what
    return f"{name}{f' {words(actuator(i))}' if i >= 0 else ''}{f': {last}' if last else ''}"
