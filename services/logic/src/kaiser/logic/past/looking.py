"""What a rule saw at a moment of the past: it looks at the log up to then, and does nothing."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from kaiser.contracts.events.logic import RuleDefined, RuleEnabled
from kaiser.contracts.logic import Explanation
from kaiser.contracts.rules import Rule
from kaiser.logic.conditions import Evaluator
from kaiser.logic.engine import Engine
from kaiser.logic.ordering import Message


async def looked_back(
    rule_id: str,
    version: int,
    rule: Rule,
    messages: AsyncIterator[Message],
    at: int,
    plugins: Mapping[str, Evaluator] | None = None,
) -> Explanation:
    """What its condition was, with values, times and sequences.

    Args:
        rule_id: Its id.
        version: The version that was live.
        rule: The same.
        messages: Of the time before, in order.
        at: The moment, unix microseconds.
        plugins: Conditions of others.
    """
    engine = Engine(plugins)
    engine.hold()
    begun = False
    async for message in messages:
        if not begun:
            _begin(engine, rule_id, version, rule, message.at)
            begun = True
        engine.take(message.stream, message.seq, message.at, message.event)
    if not begun:
        _begin(engine, rule_id, version, rule, at)
    engine.tick(at)
    # The last message was earlier, and how old things are counts from the moment that is asked about
    engine.core.clock = engine.core.moment = max(engine.clock, at)
    return engine.explain(rule_id)


def _begin(engine: Engine, rule_id: str, version: int, rule: Rule, at: int) -> None:
    about: dict[str, Any] = {"rule_id": rule_id, "at": at, "by": "look", "version": version}  # of two types
    engine.take("SIMULATED", 0, at - 2, RuleDefined(rule=rule, **about))
    engine.take("SIMULATED", 0, at - 1, RuleEnabled(**about))
