"""Finds interlocks that contradict each other: an actuator that they never let be switched on, or never be left on.

An actuator can only be on together with what it requires, and with what that requires, and so on. Everything else
about interlocks gets easier with fewer actuators on; so it can be on if and only if these can be on together and
nothing else, one after the other. That makes the check as fast as the chains are long, however many interlocks there
are; the tests compare it with the exhaustive exploration of :mod:`kaiser.safety.model`. Pure.
"""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Final

import msgspec

from kaiser.contracts.events.safeguards import ActuatorRef, AtMost, Limits, OnlyWhile, PowerBudget, Rule, SensorBand
from kaiser.safety.interlocks import words
from kaiser.safety.state import SensorKey, State, sensor_key

LEAST_LEVEL: Final[Mapping[str, float]] = {"pwm": 1 / 255, "valve": 0.5}
"""The lowest level but off; what is not named, or of a type that nobody knows, is on or off."""


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """An actuator that could never be on, and the way there.

    Attributes:
        ref: The actuator.
        interlock_id: The interlock at which it ends.
        trace: In words, step by step, from everything being off.
    """

    ref: ActuatorRef
    interlock_id: str
    trace: tuple[str, ...]

    def detail(self) -> str:
        """All of it in a sentence or a few."""
        return f"{words(self.ref)} could never be on: " + "; ".join(self.trace)


class Need(msgspec.Struct, frozen=True):
    """One actuator only while another is on."""

    interlock_id: str
    rule: OnlyWhile


def contradiction(state: State, interlock_id: str, rule: Rule) -> Contradiction | None:
    """What would contradict itself if an interlock were set; None where nothing does.

    Args:
        state: What is known: the other interlocks, limits, types, zones.
        interlock_id: The interlock.
        rule: What it would be.
    """
    return first_contradiction(state, {**state.interlocks, interlock_id: rule}, touched(state, rule))


def contradiction_of_limits(state: State, ref: ActuatorRef, limits: Limits | None) -> Contradiction | None:
    """What would contradict itself if an actuator were given other limits: a shorter run, more power."""
    changed = state.copy()
    changed.guards[ref] = msgspec.structs.replace(changed.guard(ref), limits=limits)
    return first_contradiction(changed, state.interlocks, {ref})


def touched(state: State, rule: Rule) -> frozenset[ActuatorRef]:
    """The actuators whose chances a rule can lessen by itself; those that require them have to be looked at, too."""
    match rule:
        case AtMost():
            return frozenset(rule.actuators)
        case OnlyWhile() | SensorBand():
            return frozenset({rule.actuator})
        case PowerBudget():
            return state.zones.get(rule.zone_id, frozenset())


def first_contradiction(
    state: State, interlocks: Mapping[str, Rule], among: Iterable[ActuatorRef]
) -> Contradiction | None:
    """The first contradiction about some actuators, and those that require them.

    Args:
        state: Limits, types, zones.
        interlocks: All of them by id.
        among: Actuators to look at.
    """
    needs = _needs(interlocks)
    needed_by: dict[ActuatorRef, set[ActuatorRef]] = {}
    for need in (need for those in needs.values() for need in those):
        needed_by.setdefault(need.rule.requires, set()).add(need.rule.actuator)
    for ref in sorted(_reach(among, needed_by)):
        found = _never_on(state, interlocks, needs, ref)
        if found is not None:
            return found
    return None


def never_on(state: State, interlocks: Mapping[str, Rule], ref: ActuatorRef) -> Contradiction | None:
    """Why one actuator could never be on; None where it could."""
    return _never_on(state, interlocks, _needs(interlocks), ref)


def _needs(interlocks: Mapping[str, Rule]) -> dict[ActuatorRef, list[Need]]:
    needs: dict[ActuatorRef, list[Need]] = {}
    for interlock_id, rule in sorted(interlocks.items()):
        if isinstance(rule, OnlyWhile):
            needs.setdefault(rule.actuator, []).append(Need(interlock_id, rule))
    return needs


def _reach(start: Iterable[ActuatorRef], edges: Mapping[ActuatorRef, set[ActuatorRef]]) -> set[ActuatorRef]:
    found, ahead = set(start), list(start)
    while ahead:
        new = edges.get(ahead.pop(), set()) - found
        found |= new
        ahead.extend(new)
    return found


def _never_on(
    state: State, interlocks: Mapping[str, Rule], needs: Mapping[ActuatorRef, list[Need]], ref: ActuatorRef
) -> Contradiction | None:
    chain = _Chain(needs, ref)
    if chain.circle:
        return Contradiction(ref=ref, interlock_id=chain.circle[-1].interlock_id, trace=_circle_words(chain.circle))
    for check in (_crowded, _overdrawn, _no_value, _too_slow):
        found = check(state, interlocks, chain)
        if found is not None:
            interlock_id, why = found
            return Contradiction(ref=ref, interlock_id=interlock_id, trace=(*_steps(chain), why))
    return None


class _Chain:
    """Everything that has to be on for one actuator to be on, in an order in which it can be switched on.

    Attributes:
        ref: The actuator.
        order: What has to be on, requirements first, the actuator last.
        all: The same, for looking things up.
        circle: Requirements that lead back to where they began; empty where none do.
        needs: Requirements between those in ``order``.
    """

    def __init__(self, needs: Mapping[ActuatorRef, list[Need]], ref: ActuatorRef) -> None:
        self.ref = ref
        self.order: list[ActuatorRef] = []
        self.circle: list[Need] = []
        self.needs: list[Need] = []
        self._follow(needs)
        self.all = frozenset(self.order)

    def _follow(self, needs: Mapping[ActuatorRef, list[Need]]) -> None:
        """Depth first without recursion, for chains are as long as people make them."""
        done: set[ActuatorRef] = set()
        above: dict[ActuatorRef, list[Need]] = {self.ref: list(needs.get(self.ref, ()))}
        ways: list[Need] = []
        while above:
            ref, left = next(reversed(above.items()))
            if not left:
                del above[ref]
                ways = ways[:-1]
                done.add(ref)
                self.order.append(ref)
                continue
            need = left.pop(0)
            self.needs.append(need)
            if need.rule.requires in above:
                start = list(above).index(need.rule.requires)
                self.circle = [*ways[start:], need]
                return
            if need.rule.requires not in done:
                above[need.rule.requires] = list(needs.get(need.rule.requires, ()))
                ways.append(need)


def _steps(chain: _Chain) -> tuple[str, ...]:
    steps = ["everything is off"]
    first = {need.rule.requires: need for need in reversed(chain.needs)}
    for ref in chain.order[:-1]:
        need = first[ref]
        steps.append(f"{words(ref)} is switched on, which {need.interlock_id} wants for {words(need.rule.actuator)}")
    return (*steps, f"{words(chain.ref)} is to be switched on")


def _circle_words(circle: list[Need]) -> tuple[str, ...]:
    steps = ["everything is off"]
    steps += [
        f"{words(need.rule.actuator)} is rejected by {need.interlock_id}, for {words(need.rule.requires)} is not on"
        for need in circle
    ]
    return (*steps, f"which leads back to {words(circle[-1].rule.requires)}: none of them can be the first")


Found = tuple[str, str] | None
"""The interlock that objects, and why."""


def _crowded(state: State, interlocks: Mapping[str, Rule], chain: _Chain) -> Found:
    del state
    for interlock_id, rule in sorted(interlocks.items()):
        if isinstance(rule, AtMost):
            on = [ref for ref in dict.fromkeys(rule.actuators) if ref in chain.all]
            if len(on) > rule.most:
                these = ", ".join(words(ref) for ref in on)
                return interlock_id, f"{interlock_id} rejects it, for of {these} at most {rule.most} may be on"
    return None


def _overdrawn(state: State, interlocks: Mapping[str, Rule], chain: _Chain) -> Found:
    for interlock_id, rule in sorted(interlocks.items()):
        if isinstance(rule, PowerBudget):
            members = state.zones.get(rule.zone_id, frozenset())
            least = sum(_least_w(state, ref) for ref in chain.all & members)
            if least > rule.watts:
                why = f"they draw {least:g} W at least, and zone {rule.zone_id} may draw {rule.watts:g} W"
                return interlock_id, f"{interlock_id} rejects it, for {why}"
    return None


def _least_w(state: State, ref: ActuatorRef) -> float:
    limits = state.limits(ref)
    wanted = state.member(ref.esp_id).actuators.get(ref.gpio)
    least = LEAST_LEVEL.get(wanted.actuator_type, 1.0) if wanted is not None else 1.0
    return limits.power_w * max(least, min(limits.min_level, 1.0))


def _no_value(state: State, interlocks: Mapping[str, Rule], chain: _Chain) -> Found:
    del state
    bands: dict[SensorKey, tuple[float, float]] = {}
    for interlock_id, rule in sorted(interlocks.items()):
        if not isinstance(rule, SensorBand) or rule.actuator not in chain.all:
            continue
        key = sensor_key(rule.sensor)
        low, high = bands.get(key, (-inf, inf))
        low = max(low, -inf if rule.minimum is None else rule.minimum)
        high = min(high, inf if rule.maximum is None else rule.maximum)
        bands[key] = (low, high)
        if low > high:
            name = f"{rule.sensor.esp_id}/{rule.sensor.gpio} {rule.sensor.sensor_type}"
            return (
                interlock_id,
                f"{interlock_id} rejects it, for {name} would have to be {low:g} at least and {high:g} at most",
            )
    return None


def _too_slow(state: State, interlocks: Mapping[str, Rule], chain: _Chain) -> Found:
    """Something has to be on for longer than it may be before what requires it may follow."""
    del interlocks
    lead: dict[ActuatorRef, int] = dict.fromkeys(chain.order, 0)
    needs: dict[ActuatorRef, list[Need]] = {ref: [] for ref in chain.order}
    for need in chain.needs:
        needs[need.rule.actuator].append(need)
    for ref in reversed(chain.order):
        for need in needs[ref]:
            lead[need.rule.requires] = max(lead[need.rule.requires], lead[ref] + need.rule.for_s)
    for need in chain.needs:
        ref = need.rule.requires
        most = state.limits(ref).max_on_s
        if most is not None and lead[ref] >= most:
            why = f"{words(ref)} has to be on for {lead[ref]} s before, and may be on for {most} s"
            return need.interlock_id, f"{need.interlock_id} rejects it, for {why}"
    return None
