"""Rules that set each other off: by switching each other, by waiting for each other's runs, or through an actuator."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Literal

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Fault
from kaiser.contracts.rules import ActuatorIs, Command, Ramp, RanTrigger, Rule, RuleRan, SwitchRule
from kaiser.logic import walking
from kaiser.logic.state import ActuatorKey


class Touch(msgspec.Struct, frozen=True):
    """What a rule acts on, and what it goes by."""

    switches: frozenset[str]
    commands: frozenset[ActuatorKey]
    waits_for: frozenset[str]
    watches: frozenset[ActuatorKey]


_known: dict[int, tuple[Rule, Touch]] = {}
"""By identity, with the rule itself, so that its identity stays its own: to check one rule is to look at all others."""
MOST_KNOWN = 10_000


def cycles(rule_id: str, rule: Rule, others: Mapping[str, Rule]) -> Iterator[Fault]:
    """Every way from a rule through others back to it.

    One through an actuator's state is a warning, since that can settle; all others are errors.
    """
    touches = {other_id: touch(other) for other_id, other in others.items() if other_id != rule_id}
    touches[rule_id] = touch(rule)
    ways: list[tuple[str, ...]] = [(rule_id,)]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for other_id in sorted(touches):
            link = _link(way[-1], other_id, touches)
            if link is None:
                continue
            if other_id == rule_id:
                if len(way) == 1 and link == "actuator":
                    continue  # a rule that watches what it switches is how one waits for it
                yield _fault((*way, rule_id), touches)
            elif other_id not in seen:
                seen.add(other_id)
                ways.append((*way, other_id))


def touch(rule: Rule) -> Touch:
    """What a rule acts on, and what it goes by."""
    known = _known.get(id(rule))
    if known is None:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        known = _known[id(rule)] = rule, _touch(rule)
    return known[1]


def _touch(rule: Rule) -> Touch:
    actions = [action for _, action in walking.actions(rule)]
    conditions = [condition for _, condition in walking.conditions(rule)]
    ran = {each.rule for each in conditions if isinstance(each, RuleRan)}
    ran |= {each.rule for each in rule.triggers if isinstance(each, RanTrigger)}
    return Touch(
        switches=frozenset(each.rule for each in actions if isinstance(each, SwitchRule) and each.enabled),
        commands=frozenset(_key(each) for each in actions if isinstance(each, Command | Ramp)),
        waits_for=frozenset(ran),
        watches=frozenset(_key(each) for each in conditions if isinstance(each, ActuatorIs)),
    )


def _link(first: str, second: str, touches: Mapping[str, Touch]) -> Literal["rule", "actuator"] | None:
    if second in touches[first].switches or first in touches[second].waits_for:
        return "rule"
    return "actuator" if touches[first].commands & touches[second].watches else None


def _fault(way: tuple[str, ...], touches: Mapping[str, Touch]) -> Fault:
    links = {_link(first, second, touches) for first, second in pairwise(way)}
    detail = " sets off ".join(way)
    return Fault(
        path="",
        code=Code.RULE_CYCLE,
        detail=f"{detail} through the state of an actuator" if "actuator" in links else detail,
        weight="warning" if "actuator" in links else "error",
    )


def _key(each: Command | Ramp | ActuatorIs) -> ActuatorKey:
    return each.actuator.esp_id, each.actuator.gpio
