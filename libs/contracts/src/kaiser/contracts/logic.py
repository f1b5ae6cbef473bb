"""Requests to logic: over NATS on ``command.logic.{name}`` and ``query.logic.{name}``.

Every reply is a :class:`kaiser.contracts.queries.Reply`. Times are unix microseconds, 0 for never.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from kaiser.contracts.events.logic import Branch, Cause, Seen
from kaiser.contracts.events.safeguards import ActuatorRef
from kaiser.contracts.refusals import Fault
from kaiser.contracts.rules import Rule, RuleId

Reason = Annotated[str, Meta(max_length=500)]


class RuleOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What every order about a rule says.

    Attributes:
        by: User name of who orders it.
        correlation_id: Shared by all events that come of it; made by logic where it is empty.
    """

    rule_id: RuleId
    by: str
    correlation_id: str = ""


class DefineRule(RuleOrder, frozen=True, kw_only=True):
    """Make a rule, or a new version of it. ``command.logic.define`` answers ``RuleDecided``.

    Refused with RULE_INVALID where it cannot be what was meant; the refusal has the faults, with their paths.

    Attributes:
        rule: In JSON; of the monolith's shape where ``monolith`` says so.
        enable: Whether it goes live at once, where no backtest is asked for.
        expected_version: The newest version that the author knew; None does not check.
        dry: Only say what is wrong with it: refused as it would be, and nothing is decided.
    """

    rule: dict[str, Any]  # checked by logic, which says where what is wrong
    monolith: bool = False
    enable: bool = False
    expected_version: int | None = None
    reason: Reason = ""
    dry: bool = False


class EnableRule(RuleOrder, frozen=True, kw_only=True):
    """Let a version go live. ``command.logic.enable`` answers ``RuleDecided``.

    Refused with BACKTEST_REQUIRED where one is asked for and neither it nor a reason for going without is given.

    Attributes:
        version: None for the newest.
        override: Why it goes live without a backtest.
    """

    version: int | None = None
    backtest_id: str = ""
    override: Reason = ""


class DisableRule(RuleOrder, frozen=True, kw_only=True):
    """Let a rule rest. ``command.logic.disable`` answers ``RuleDecided``."""

    reason: Reason = ""


class RemoveRule(RuleOrder, frozen=True, kw_only=True):
    """Take a rule away. ``command.logic.remove`` answers ``RuleDecided``."""

    reason: Reason = ""


class ImportRules(msgspec.Struct, frozen=True, kw_only=True):
    """Define many rules from YAML. ``command.logic.import`` answers ``list[RuleDecided]``; all of them, or none.

    Refused with RULE_INVALID as one rule is; paths begin with ``rules.{id}``.

    Attributes:
        dry: Only say what is wrong with them.
    """

    text: Annotated[str, Meta(max_length=1_000_000)]
    by: str
    enable: bool = False
    reason: Reason = ""
    correlation_id: str = ""
    dry: bool = False


class ExportRules(msgspec.Struct, frozen=True, kw_only=True):
    """Rules as YAML: the live versions, else the newest. ``query.logic.export`` answers ``RulesText``.

    Attributes:
        rule_ids: Which; None for all of them.
    """

    rule_ids: list[RuleId] | None = None


class RulesText(msgspec.Struct, frozen=True, kw_only=True):
    """Rules as YAML, which ``command.logic.import`` takes."""

    text: str


class TemplatesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that most greenhouses want. ``query.logic.templates`` answers ``list[Template]``."""


class TemplateParameter(msgspec.Struct, frozen=True, kw_only=True):
    """A fact about the place that a template is made into a rule with.

    Attributes:
        kind: ``sensor``, ``actuator`` and ``place`` are objects as in a rule.
        default: None for none.
    """

    name: str
    kind: Literal["sensor", "actuator", "place", "number", "whole", "text"]
    description: str
    required: bool
    default: float | int | str | None = None


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A rule to be filled in."""

    name: str
    description: str
    parameters: list[TemplateParameter]


class FillTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """Make a rule of a template; nothing is defined by it. ``query.logic.fill`` answers ``Rule``.

    Refused with RULE_NOT_FOUND where there is no such template, and with RULE_INVALID and the faults, whose paths are
    names of parameters.
    """

    name: str
    parameters: dict[str, Any] = {}


class RuleDecided(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided about a rule.

    Attributes:
        version: The newest one.
        live: The one that is live; 0 for none.
        warnings: What looks wrong and was taken.
        seq: Sequence in LOGIC of the last event that came of it.
    """

    rule_id: str
    version: int
    live: int
    warnings: list[Fault] = []
    seq: int = 0
    correlation_id: str = ""


class RulesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Rules by id. ``query.logic.rules`` answers ``Page[RuleView]``."""

    enabled: bool | None = None
    esp_id: str | None = None
    limit: int = 100
    cursor: str | None = None


class RuleQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. ``query.logic.rule`` answers ``RuleView``.

    Attributes:
        version: None for the live one, else the newest.
        at_least: Wait until this event of LOGIC is in it.
    """

    rule_id: str
    version: int | None = None
    at_least: int = 0


class RuleView(msgspec.Struct, frozen=True, kw_only=True):
    """A rule and how it is.

    Attributes:
        version: Of ``rule``.
        newest: The newest version.
        live: The one that is live; 0 for none.
        truth: Of its condition now; None where it is not known.
        active: Whether it has run for what is true now.
        blocked_until: Until when cooldown or limit hold it back.
        running: Runs under way.
        damped: Until when it may not switch which actuators on.
    """

    rule_id: str
    rule: Rule
    version: int
    newest: int
    live: int
    author: str
    defined_at: int
    reason: str = ""
    truth: bool | None = None
    active: bool = False
    blocked_until: int = 0
    last_run_at: int = 0
    running: list[str] = []
    damped: dict[str, int] = {}


Outcome = Literal["running", "succeeded", "failed", "cancelled", "skipped"]


class RunsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Runs and skips, newest first. ``query.logic.runs`` answers ``Page[RunView]``.

    Attributes:
        outcome: Only those with this one.
        outcomes: Or with any of these; none for all.
    """

    rule_id: str | None = None
    outcome: Outcome | None = None
    outcomes: tuple[Outcome, ...] = ()
    start: int = 0
    end: int = 0
    limit: int = 100
    cursor: str | None = None


class RunQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One run with all that it decided. ``query.logic.run`` answers ``RunView``."""

    rule_id: str
    run_id: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A decision of the engine as it is in the log.

    Attributes:
        type: Of its event, such as ``io.kaiser.run.step_ended.v1``.
        decision: Its body.
        seq: Its sequence in LOGIC; 0 where it is in no log.
    """

    type: str
    decision: dict[str, Any]
    seq: int = 0


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """A run, or a time a rule did not run.

    Attributes:
        run_id: Empty where it did not run.
        outcome: ``skipped`` where it did not run.
        reason: Why it did not run, or how it ended.
        decisions: All of it, in order.
    """

    rule_id: str
    version: int
    run_id: str
    branch: Branch
    outcome: Literal["running", "succeeded", "failed", "cancelled", "skipped"]
    reason: str = ""
    detail: str = ""
    started_at: int
    ended_at: int = 0
    cause: Cause
    decisions: list[Told] = []


class ExplainQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Why a rule ran, or did not. ``query.logic.explain`` answers ``Explanation``.

    Attributes:
        run_id: Why this run; None for the rule itself.
        at: Why at that moment, from the recorded log; 0 for now.
    """

    rule_id: str
    run_id: str | None = None
    at: int = 0


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a rule runs or does not.

    Attributes:
        verdict: ``runs``: it would, as a draft; ``running``, ``acted``; else what keeps it.
        sentence: In words.
        seen: Its condition, with what it saw.
        until: When what keeps it is over, if that is known.
    """

    rule_id: str
    version: int
    at: int
    verdict: str
    sentence: str
    seen: Seen | None = None
    until: int = 0
    run_id: str = ""


class TestRule(msgspec.Struct, frozen=True, kw_only=True):
    """Hold a rule against what is known now, without doing anything. ``query.logic.test`` answers ``Explanation``.

    Attributes:
        rule: One that need not be defined; None takes ``rule_id``.
        values: Values to assume, by ``esp/gpio/sensor_type``.
    """

    __test__ = False

    rule_id: RuleId = "draft"
    rule: dict[str, Any] | None = None
    values: dict[str, float] = {}


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """Try a rule on the past. ``query.logic.backtest`` answers ``BacktestReport``.

    Attributes:
        rule: One that need not be defined; None takes a version of ``rule_id``.
        version: None for the newest.
        start: Inclusive.
        end: Exclusive.
    """

    rule_id: RuleId
    rule: dict[str, Any] | None = None
    version: int | None = None
    start: int
    end: int
    by: str = ""


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """Compare two versions on the past. ``query.logic.whatif`` answers ``WhatIfReport``.

    Attributes:
        version: The one that is to be judged.
        against: None for the live one.
        rule: In place of ``version``.
    """

    rule_id: RuleId
    version: int | None = None
    rule: dict[str, Any] | None = None
    against: int | None = None
    start: int
    end: int
    by: str = ""


class OnTime(msgspec.Struct, frozen=True, kw_only=True):
    """How long, and how often, an actuator would have been on. ``level_s`` weighs the time with the level."""

    actuator: ActuatorRef
    on_s: float
    level_s: float
    starts: int


class Vetoed(msgspec.Struct, frozen=True, kw_only=True):
    """A command that safety would have refused."""

    at: int
    run_id: str
    step: int
    actuator: ActuatorRef
    code: str
    detail: str


class Rival(msgspec.Struct, frozen=True, kw_only=True):
    """Another live rule that wants an actuator of one that is tried, and is not tried with it.

    Attributes:
        priority: The lower number wins.
        hold_s: How long it has an actuator after its last command.
    """

    rule_id: str
    version: int
    priority: int
    hold_s: int
    actuators: list[ActuatorRef]


class BacktestReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would have done.

    Attributes:
        digest: SHA-256 of the decisions; equal reports have equal ones.
        readings: How many the span held of sensors that the rule watches.
        on_time: By actuator.
        vetoed: What safety would have refused, by the limits and stops that were in force.
        skips: How often it did not run, by reason.
        runs: The first thousand.
        truncated: Whether there were more.
        rivals: Rules that are live now and might have been in the way, or the other way round; the digest knows
            nothing of them.
    """

    rule_id: str
    version: int
    start: int
    end: int
    digest: str
    readings: int
    run_count: int
    skips: dict[str, int]
    on_time: list[OnTime]
    vetoed: list[Vetoed]
    runs: list[RunView]
    truncated: bool = False
    backtest_id: str = ""
    rivals: list[Rival] = []


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One command that differs between two versions.

    Attributes:
        kind: ``moved`` is the same command at another time.
        before: When the one version gave it; 0 for never.
        after: When the other did; 0 for never.
    """

    kind: Literal["added", "removed", "moved"]
    actuator: ActuatorRef
    command: str
    level: float | None = None
    before: int = 0
    after: int = 0


class WhatIfReport(msgspec.Struct, frozen=True, kw_only=True):
    """What another version would have done otherwise.

    Attributes:
        before: Of the one that it is compared with.
        after: Of the one that is to be judged.
        changes: The first thousand commands that differ, by time.
        changed: How many there are.
        on_s: By how much longer each actuator would have been on, by ``esp/gpio``.
        vetoed: By how many more commands safety would have refused.
    """

    before: BacktestReport
    after: BacktestReport
    changes: list[Change]
    changed: int
    on_s: dict[str, float]
    vetoed: int
