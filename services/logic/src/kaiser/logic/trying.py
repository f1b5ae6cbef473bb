"""A rule held against what is known now, with values to assume, without anything being done or remembered."""

from collections.abc import Mapping
from typing import Any

from kaiser.contracts.events.logic import RuleDefined, RuleEnabled
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.logic import Explanation
from kaiser.contracts.rules import Rule
from kaiser.logic.conditions import Evaluator
from kaiser.logic.engine import Engine

DRAFT = "draft.of.nobody"  # no id of a rule has dots


def dry_run(
    engine: Engine, rule: Rule, readings: Readings | None, plugins: Mapping[str, Evaluator] | None = None
) -> Explanation:
    """Why a rule would run now, or would not.

    Args:
        engine: As it is; it is not changed.
        rule: Checked.
        readings: Latest readings of its sensors, as ingest has them, and values to assume; None for none. A sensor that
            no rule watches yet is known by these alone.
        plugins: Conditions of others.
    """
    return on_snapshot(engine.snapshot(), rule, readings, plugins)


def on_snapshot(
    snapshot: bytes, rule: Rule, readings: Readings | None, plugins: Mapping[str, Evaluator] | None = None
) -> Explanation:
    """The same, of an engine as it was."""
    aside = Engine.restore(snapshot, plugins)
    aside.hold()
    about: dict[str, Any] = {"rule_id": DRAFT, "by": "draft", "version": 1}  # of two types
    now = aside.clock + 1
    aside.take("LOGIC", 0, now, RuleDefined(rule=rule, at=now, **about))
    aside.take("LOGIC", 0, now + 1, RuleEnabled(at=now, **about))
    if readings is not None:
        aside.take("TELEMETRY", 0, now + 2, readings)
    return aside.explain(DRAFT)
