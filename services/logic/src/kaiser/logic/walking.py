"""Every condition and action of a rule with its path in it."""

from collections.abc import Iterator

from kaiser.contracts.rules import (
    Action,
    AllOf,
    AnyOf,
    AtLeast,
    Choose,
    Command,
    Condition,
    Not,
    Parallel,
    Ramp,
    Repeat,
    Rule,
    Sequence,
    Sustained,
    WaitUntil,
)
from kaiser.logic.state import ActuatorKey


def actions(rule: Rule) -> Iterator[tuple[str, Action]]:
    """Actions, the outer before the inner."""
    for root, each in (("actions", rule.actions), ("otherwise", rule.otherwise)):
        for i, action in enumerate(each):
            yield from _action(f"{root}[{i}]", action)


def conditions(rule: Rule) -> Iterator[tuple[str, Condition]]:
    """Conditions, the inner before the outer: the rule's own, and those of its actions."""
    if rule.condition is not None:
        yield from _condition("condition", rule.condition)
    for path, action in actions(rule):
        match action:
            case WaitUntil(condition=condition):
                yield from _condition(f"{path}.condition", condition)
            case Repeat(until=until) if until is not None:
                yield from _condition(f"{path}.until", until)
            case Choose(options=options):
                for i, option in enumerate(options):
                    yield from _condition(f"{path}.options[{i}].when", option.when)


def commanded(rule: Rule) -> Iterator[ActuatorKey]:
    """Every actuator that a rule commands."""
    for _, action in actions(rule):
        if isinstance(action, Command | Ramp):
            yield action.actuator.esp_id, action.actuator.gpio


def _action(path: str, action: Action) -> Iterator[tuple[str, Action]]:
    yield path, action
    match action:
        case Sequence(steps=steps):
            for i, step in enumerate(steps):
                yield from _action(f"{path}.steps[{i}]", step)
        case Parallel(branches=branches):
            for i, branch in enumerate(branches):
                yield from _action(f"{path}.branches[{i}]", branch)
        case Repeat(action=inner):
            yield from _action(f"{path}.action", inner)
        case Choose(options=options, otherwise=otherwise):
            for i, option in enumerate(options):
                yield from _action(f"{path}.options[{i}].do", option.do)
            if otherwise is not None:
                yield from _action(f"{path}.otherwise", otherwise)


def _condition(path: str, condition: Condition) -> Iterator[tuple[str, Condition]]:
    match condition:
        case AllOf(conditions=parts) | AnyOf(conditions=parts) | AtLeast(conditions=parts):
            for i, part in enumerate(parts):
                yield from _condition(f"{path}.conditions[{i}]", part)
        case Not(condition=inner) | Sustained(condition=inner):
            yield from _condition(f"{path}.condition", inner)
    yield path, condition
