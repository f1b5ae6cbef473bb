"""What the REST API shows of rules, their runs, why they ran or did not, and what they would have done."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from kaiser.contracts import logic
from kaiser.contracts.events.logic import Branch, Cause, Seen
from kaiser.contracts.events.safeguards import ActuatorRef
from kaiser.contracts.refusals import Fault
from kaiser.contracts.rules import Rule
from kaiser.gateway.api.views import instant, moment

Outcome = logic.Outcome


class RuleDecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an order about a rule.

    Attributes:
        version: The newest one.
        live: The one that is live; 0 for none.
        warnings: What looks wrong and was taken, and what was decided where a rule of the monolith could be read in
            more than one way.
        seq: Sequence in LOGIC of the last event that came of it: ``GET /rules/{id}?at_least=SEQ`` waits for it.
    """

    rule_id: str
    version: int
    live: int
    warnings: list[Fault]
    seq: int
    correlation_id: str
    success: bool = True


class RuleView(msgspec.Struct, frozen=True, kw_only=True):
    """A rule and how it is.

    Attributes:
        version: Of ``rule``.
        newest: The newest version.
        live: The one that is live; 0 for none.
        enabled: Whether one is live.
        truth: Of its condition now; null where it is not known.
        active: Whether it has run for what is true now.
        blocked_until: Until when cooldown or limit hold it back.
        running: Runs under way.
        damped: Until when it may not switch which actuators on.
        touches: Devices that it names, to watch them or to switch something there.
    """

    rule_id: str
    name: str
    rule: Rule
    version: int
    newest: int
    live: int
    enabled: bool
    author: str
    defined_at: datetime
    reason: str
    truth: bool | None
    active: bool
    blocked_until: datetime | None
    last_run_at: datetime | None
    running: list[str]
    damped: dict[str, datetime]
    touches: list[str]


class CauseView(msgspec.Struct, frozen=True, kw_only=True):
    """What made a rule be looked at; ``stream`` and ``seq`` name the message, where it was one."""

    kind: str
    what: str
    stream: str
    seq: int
    at: datetime | None


class SeenView(msgspec.Struct, frozen=True, kw_only=True):
    """A condition at a moment, with what it saw.

    Attributes:
        truth: Null where it was not known.
        what: What it looked at.
        value: What it saw there.
        against: What it held it against.
        at: When that was measured or said, and ``seq`` the sequence of the message that said so.
        note: Why it was not known, and whatever else explains it.
        parts: The conditions below it, in this form.
    """

    kind: str
    truth: bool | None
    what: str
    value: float | str | None
    against: str
    at: datetime | None
    seq: int
    note: str
    parts: list["SeenView"]


class ExplanationView(msgspec.Struct, frozen=True, kw_only=True):
    """Why a rule runs or does not.

    Attributes:
        verdict: ``runs``: it would, as a draft; ``running``, ``acted``; else what keeps it.
        sentence: In words.
        seen: Its condition, with what it saw.
        until: When what keeps it is over, if that is known.
    """

    rule_id: str
    version: int
    at: datetime | None
    verdict: str
    sentence: str
    seen: SeenView | None
    until: datetime | None
    run_id: str


class ToldView(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it is in the log: times in its body are unix microseconds."""

    type: str
    seq: int
    decision: dict[str, Any]


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """A run, or a time a rule did not run.

    Attributes:
        run_id: Empty where it did not run.
        branch: ``then`` for its actions, ``otherwise`` for what it does when it is over.
        outcome: ``skipped`` where it did not run.
        reason: Why it did not run, or how it ended.
        decisions: All of it, in order.
    """

    rule_id: str
    version: int
    run_id: str
    branch: Branch
    outcome: Outcome
    reason: str
    detail: str
    started_at: datetime
    ended_at: datetime | None
    cause: CauseView
    decisions: list[ToldView]


class VetoedView(msgspec.Struct, frozen=True, kw_only=True):
    """A command that safety would have refused."""

    at: datetime
    run_id: str
    step: int
    actuator: ActuatorRef
    code: str
    detail: str


class BacktestView(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would have done.

    Attributes:
        backtest_id: For enabling the version with it; empty where no version was tried.
        digest: SHA-256 of the decisions; equal reports have equal ones.
        readings: How many the span held.
        on_time: How long, and how often, each actuator would have been on.
        vetoed: What safety would have refused, by the limits and stops that were in force.
        skips: How often it did not run, by reason.
        runs: The first thousand.
        truncated: Whether there were more.
        rivals: Rules that are live now and want one of its actuators. They are not tried with it: of two, the lower
            ``priority`` wins, and holds the actuator for ``hold_s`` after its last command.
    """

    rule_id: str
    version: int
    start: datetime
    end: datetime
    digest: str
    readings: int
    run_count: int
    skips: dict[str, int]
    on_time: list[logic.OnTime]
    vetoed: list[VetoedView]
    runs: list[RunView]
    truncated: bool
    backtest_id: str
    rivals: list[logic.Rival]


class ChangeView(msgspec.Struct, frozen=True, kw_only=True):
    """One command that differs between two versions; ``moved`` is the same one at another time."""

    kind: Literal["added", "removed", "moved"]
    actuator: ActuatorRef
    command: str
    level: float | None
    before: datetime | None
    after: datetime | None


class WhatIfView(msgspec.Struct, frozen=True, kw_only=True):
    """What another version would have done otherwise.

    Attributes:
        before: Of the one that it is compared with.
        after: Of the one that is to be judged.
        changes: The first thousand commands that differ, by time.
        changed: How many there are.
        on_s: By how much longer each actuator would have been on, by ``esp/gpio``.
        vetoed: By how many more commands safety would have refused.
    """

    before: BacktestView
    after: BacktestView
    changes: list[ChangeView]
    changed: int
    on_s: dict[str, float]
    vetoed: int


def decided(found: logic.RuleDecided) -> RuleDecisionView:
    """Show what came of an order."""
    return RuleDecisionView(**_fields(found))


def rule(found: logic.RuleView) -> RuleView:
    """Show a rule."""
    shown = {
        "name": found.rule.name,
        "enabled": found.live != 0,
        "defined_at": instant(found.defined_at),
        "blocked_until": moment(found.blocked_until),
        "last_run_at": moment(found.last_run_at),
        "touches": touched(found.rule),
        "damped": {actuator: instant(until) for actuator, until in found.damped.items()},
    }
    return RuleView(**_fields(found) | shown)


def touched(rule: Rule) -> list[str]:
    """Devices that a rule names."""
    found: set[str] = set()
    waiting: list[Any] = [msgspec.to_builtins(rule)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            found |= {value["esp_id"]} if isinstance(value.get("esp_id"), str) else set()
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
    return sorted(found)


def explanation(found: logic.Explanation) -> ExplanationView:
    """Show why."""
    shown = {
        "at": moment(found.at),
        "until": moment(found.until),
        "seen": None if found.seen is None else seen(found.seen),
    }
    return ExplanationView(**_fields(found) | shown)


def seen(found: Seen) -> SeenView:
    """Show a condition with what it saw."""
    return SeenView(**_fields(found) | {"at": moment(found.at), "parts": [seen(part) for part in found.parts]})


def run(found: logic.RunView) -> RunView:
    """Show a run."""
    shown = {
        "started_at": instant(found.started_at),
        "ended_at": moment(found.ended_at),
        "cause": _cause(found.cause),
        "decisions": [ToldView(**_fields(told)) for told in found.decisions],
    }
    return RunView(**_fields(found) | shown)


def backtest(found: logic.BacktestReport) -> BacktestView:
    """Show what a rule would have done."""
    shown = {
        "start": instant(found.start),
        "end": instant(found.end),
        "vetoed": [VetoedView(**_fields(each) | {"at": instant(each.at)}) for each in found.vetoed],
        "runs": [run(each) for each in found.runs],
    }
    return BacktestView(**_fields(found) | shown)


def what_if(found: logic.WhatIfReport) -> WhatIfView:
    """Show what another version would have done otherwise."""
    changes = [
        ChangeView(**_fields(each) | {"before": moment(each.before), "after": moment(each.after)})
        for each in found.changes
    ]
    shown = {"before": backtest(found.before), "after": backtest(found.after), "changes": changes}
    return WhatIfView(**_fields(found) | shown)


def _cause(found: Cause) -> CauseView:
    return CauseView(**_fields(found) | {"at": moment(found.at)})


def _fields(found: msgspec.Struct) -> dict[str, Any]:  # of whatever types a struct has
    return msgspec.structs.asdict(found)
