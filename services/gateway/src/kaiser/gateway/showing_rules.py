"""How events about rules and their runs are shown. ``rule_name`` is added by whoever knows the names. Pure."""

from typing import Any, Final

from kaiser.contracts.events.logic import (
    AlarmCleared,
    AlarmRaised,
    CommandAsked,
    EngineResumed,
    NotificationAsked,
    RuleBacktested,
    RuleDamped,
    RuleDefined,
    RuleDisabled,
    RuleEnabled,
    RuleRemoved,
    RuleSkipped,
    RuleSwitched,
    RunEnded,
    RunStarted,
    StepEnded,
    StepRefused,
    StepWaiting,
    TakenLate,
)
from kaiser.gateway.shown import Fields, Shown, as_it_is, grave, in_state

EXECUTION: Final = "logic_execution"
CHANGED: Final = "rule_changed"
ALARM: Final = "rule_alarm"
STEP: Final = "logic_step"


def _started(message: Fields) -> Fields:
    return _execution(message, "started", success=None, words="it began")


def _ended(message: Fields) -> Fields:
    outcome = message["outcome"]
    words = message.get("detail") or message.get("code") or outcome
    return _execution(message, outcome, success=outcome == "succeeded", words=words)


def _skipped(message: Fields) -> Fields:
    words = ": ".join(filter(None, (message["reason"].replace("_", " "), message.get("detail"))))
    return _execution(message, "skipped", success=False, words=words)


def _execution(message: Fields, state: str, *, success: bool | None, words: str) -> Fields:
    """The monolith's fields, beside those of the event; ``trigger`` is in words, and only known as a run begins."""
    cause: dict[str, Any] = message.get("cause") or {}
    trigger = cause.get("what") or cause.get("kind") or ""
    shown = {"state": state, "trigger": trigger, "action": message["branch"], "success": success, "message": words}
    return message | shown


def _defined(message: Fields) -> Fields:
    """Without the rule itself, which may be long; ``GET /rules/{id}`` has it."""
    return {name: value for name, value in message.items() if name != "rule"} | {"state": "defined"}


def _step(message: Fields) -> Fields:
    return message | {"state": message["outcome"]}


def _to_browsers(message: Fields) -> bool:
    return bool(message["channel"] == "websocket")


SHOWN: Final[dict[str, Shown]] = {
    RunStarted.TYPE: Shown(EXECUTION, _started),
    RunEnded.TYPE: Shown(EXECUTION, _ended),
    RuleSkipped.TYPE: Shown(EXECUTION, _skipped),
    CommandAsked.TYPE: Shown(STEP, in_state("asked")),
    StepWaiting.TYPE: Shown(STEP, in_state("waiting")),
    StepEnded.TYPE: Shown(STEP, _step),
    StepRefused.TYPE: Shown(STEP, in_state("refused")),
    NotificationAsked.TYPE: Shown("notification", as_it_is, meant=_to_browsers),
    AlarmRaised.TYPE: Shown(ALARM, in_state("raised"), urgent=grave),
    AlarmCleared.TYPE: Shown(ALARM, in_state("cleared")),
    RuleDamped.TYPE: Shown("rule_damped", as_it_is),
    RuleDefined.TYPE: Shown(CHANGED, _defined),
    RuleEnabled.TYPE: Shown(CHANGED, in_state("enabled")),
    RuleDisabled.TYPE: Shown(CHANGED, in_state("disabled")),
    RuleRemoved.TYPE: Shown(CHANGED, in_state("removed")),
}
"""Event type of LOGIC to what clients see of it."""

NOT_SHOWN: Final = frozenset(
    {
        RuleSwitched.TYPE,  # what comes of it is shown
        RuleBacktested.TYPE,  # its asker has the report
        TakenLate.TYPE,  # for replays
        EngineResumed.TYPE,
    }
)
"""Event types of LOGIC that clients do not see, on purpose."""
