"""Rules, their runs, and why they did not run. Subjects ``logic.rule.{rule}.{event}`` and ``logic.run.{rule}``.

Written by logic. What happens to a rule is kept for ever, what its runs did for months. Everything that the engine
decides carries a number, ``n``, which counts its decisions without a gap: the same log always gives the same decisions.
Times are unix microseconds, 0 for never.
"""

from typing import Any, ClassVar, Literal

import msgspec

from kaiser.contracts.events.safeguards import ActuatorRef, Severity
from kaiser.contracts.rules import Rule

Branch = Literal["then", "otherwise"]
"""Which of a rule's two lists of actions a run does."""

CauseKind = Literal["reading", "status", "event", "device", "clock", "trigger", "rule", "run", "resumed", "claim"]


class Cause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What made a rule be looked at.

    Attributes:
        what: In words: the sensor, the trigger, the event.
        stream: Stream of the message; empty for the clock.
        seq: Its sequence there.
        at: When it happened: when a reading was measured, when a timer was due.
    """

    kind: CauseKind
    what: str = ""
    stream: str = ""
    seq: int = 0
    at: int = 0


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A condition at a moment, with what it saw.

    Attributes:
        kind: Kind of the condition.
        truth: None where it was not known.
        what: What it looked at.
        value: What it saw there.
        against: What it held it against.
        at: When that was measured or said.
        seq: Sequence of the message that said so.
        note: Why it was not known, and whatever else explains it.
        parts: The conditions below it.
    """

    kind: str
    truth: bool | None
    what: str = ""
    value: float | str | None = None
    against: str = ""
    at: int = 0
    seq: int = 0
    note: str = ""
    parts: tuple["Seen", ...] = ()


class RuleEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What every decision about a rule says.

    Attributes:
        at: When.
        by: User name of who decided, or ``rule {id}``.
        correlation_id: The request, or the run, that it came from.
    """

    rule_id: str
    at: int
    by: str
    correlation_id: str = ""


class RuleDefined(RuleEvent, frozen=True, kw_only=True):
    """A rule has a new version, which is not live yet.

    Attributes:
        version: 1 for the first; versions are never changed.
        reason: Why it was changed.
    """

    TYPE: ClassVar[str] = "io.kaiser.rule.defined.v1"
    EVENT: ClassVar[str] = "defined"

    version: int
    rule: Rule
    reason: str = ""


class RuleEnabled(RuleEvent, frozen=True, kw_only=True):
    """A version of a rule is live from now on.

    Attributes:
        version: Which; going back to an older one is the same event.
        backtest_id: The trial on the past that let it go live; empty where none was asked for.
        override: Why it went live without one that was asked for; empty otherwise.
    """

    TYPE: ClassVar[str] = "io.kaiser.rule.enabled.v1"
    EVENT: ClassVar[str] = "enabled"

    version: int
    backtest_id: str = ""
    override: str = ""


class RuleDisabled(RuleEvent, frozen=True, kw_only=True):
    """A rule runs no longer; what it had switched on it has switched off."""

    TYPE: ClassVar[str] = "io.kaiser.rule.disabled.v1"
    EVENT: ClassVar[str] = "disabled"

    reason: str = ""


class RuleRemoved(RuleEvent, frozen=True, kw_only=True):
    """A rule is gone. Its id is not used again; what it did stays."""

    TYPE: ClassVar[str] = "io.kaiser.rule.removed.v1"
    EVENT: ClassVar[str] = "removed"

    reason: str = ""


class RuleBacktested(RuleEvent, frozen=True, kw_only=True):
    """A version was tried on the past.

    Attributes:
        start: Of the span, inclusive.
        end: Of the span, exclusive.
        digest: SHA-256 of the decisions, in hexadecimal.
        runs: How often it would have run.
        on_s: How long each actuator would have been on, by ``esp/gpio``.
    """

    TYPE: ClassVar[str] = "io.kaiser.rule.backtested.v1"
    EVENT: ClassVar[str] = "backtested"

    version: int
    backtest_id: str
    start: int
    end: int
    digest: str
    runs: int
    on_s: dict[str, float] = {}


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What every decision of the engine says.

    Attributes:
        n: Its number.
        at: By the engine's clock: when the message was stored, or the timer was due.
        version: Of the rule.
    """

    n: int
    at: int
    rule_id: str
    version: int


class OfRun(Decided, frozen=True, kw_only=True):
    """What every decision in a run says. ``run_id`` is ``{rule}.{version}.{number}``."""

    run_id: str


class OfStep(OfRun, frozen=True, kw_only=True):
    """What every decision about a step says.

    Attributes:
        step: Counts the steps of the run, from 1.
        path: Where the action stands in the rule, as in ``actions[0].steps[2]``.
    """

    step: int
    path: str


class RunStarted(OfRun, frozen=True, kw_only=True):
    """A rule runs.

    Attributes:
        cause: What made it be looked at.
        seen: Its condition at that moment; None where it has none.
    """

    TYPE: ClassVar[str] = "io.kaiser.run.started.v1"

    branch: Branch
    cause: Cause
    seen: Seen | None = None


class CommandAsked(OfStep, frozen=True, kw_only=True):
    """A run asks the actuator service for a command, under the idempotency key ``{run}/{step}``.

    Attributes:
        cleanup: Whether it switches off what a broken run had left on.
    """

    TYPE: ClassVar[str] = "io.kaiser.run.command_asked.v1"

    esp_id: str
    gpio: int
    command: Literal["ON", "OFF", "PWM", "TOGGLE"]
    level: float | None = None
    duration_s: int = 0
    hold_s: int = 0
    timeout_s: int = 30
    cleanup: bool = False


class NotificationAsked(OfStep, frozen=True, kw_only=True):
    """A run has something to say."""

    TYPE: ClassVar[str] = "io.kaiser.run.notification_asked.v1"

    channel: Literal["websocket", "webhook", "email"]
    target: str
    message: str


class AlarmRaised(OfStep, frozen=True, kw_only=True):
    """A run raises an alarm."""

    TYPE: ClassVar[str] = "io.kaiser.run.alarm_raised.v1"

    alarm: str
    severity: Severity
    message: str = ""


class AlarmCleared(OfStep, frozen=True, kw_only=True):
    """A run clears an alarm."""

    TYPE: ClassVar[str] = "io.kaiser.run.alarm_cleared.v1"

    alarm: str
    message: str = ""


class RuleSwitched(OfStep, frozen=True, kw_only=True):
    """A run enables or disables another rule; the decision about that one follows."""

    TYPE: ClassVar[str] = "io.kaiser.run.rule_switched.v1"

    target: str
    enabled: bool


class StepWaiting(OfStep, frozen=True, kw_only=True):
    """A run waits, for a time to pass or for a condition.

    Attributes:
        until: When it goes on at the latest.
    """

    TYPE: ClassVar[str] = "io.kaiser.run.step_waiting.v1"

    what: Literal["delay", "condition"]
    until: int


class StepEnded(OfStep, frozen=True, kw_only=True):
    """A step has come to its end.

    Attributes:
        outcome: ``yielded``: another rule has the actuator.
        command_id: Of a command.
    """

    TYPE: ClassVar[str] = "io.kaiser.run.step_ended.v1"

    outcome: Literal["succeeded", "failed", "yielded", "timed_out"]
    code: str = ""
    detail: str = ""
    command_id: str = ""


class RunEnded(OfRun, frozen=True, kw_only=True):
    """A run has come to its end.

    Attributes:
        outcome: ``cancelled``: its rule changed, its condition ended, or another run took its place.
        steps: How many it took.
    """

    TYPE: ClassVar[str] = "io.kaiser.run.ended.v1"

    branch: Branch
    outcome: Literal["succeeded", "failed", "cancelled"]
    code: str = ""
    detail: str = ""
    steps: int = 0


SkipReason = Literal[
    "condition_false",
    "condition_unknown",
    "cooldown",
    "rate_limit",
    "busy",
    "queue_full",
    "missed",
    "loop",
]


class RuleSkipped(Decided, frozen=True, kw_only=True):
    """A rule did not run though something asked for it: its trigger came, or its condition became true.

    Attributes:
        reason: Why not.
        until: When that is over, if that is known.
        seen: Its condition at that moment.
    """

    TYPE: ClassVar[str] = "io.kaiser.run.skipped.v1"

    branch: Branch
    reason: SkipReason
    cause: Cause
    until: int = 0
    detail: str = ""
    seen: Seen | None = None


class RuleDamped(Decided, frozen=True, kw_only=True):
    """Rules fight over an actuator, or one flaps; this one may not switch it on for a while.

    Attributes:
        rules: Who takes part.
        reversals: How often it was switched to and fro within ten minutes.
        until: How long the rule has to pause.
    """

    TYPE: ClassVar[str] = "io.kaiser.run.damped.v1"

    actuator: ActuatorRef
    rules: tuple[str, ...]
    reversals: int
    until: int


class StepRefused(msgspec.Struct, frozen=True, kw_only=True):
    """What a run asked for was refused at once. Subject ``logic.refused.{rule}``; the engine reads it."""

    TYPE: ClassVar[str] = "io.kaiser.run.step_refused.v1"

    rule_id: str
    run_id: str
    step: int
    at: int
    code: str
    detail: str = ""


class TakenLate(msgspec.Struct, frozen=True, kw_only=True):
    """A message was taken later than its time says, since the clock had passed it. Subject ``logic.order``.

    Attributes:
        stream: Its stream.
        seq: Its sequence there.
        at: When it was taken, by the engine's clock.
    """

    TYPE: ClassVar[str] = "io.kaiser.logic.taken_late.v1"

    stream: str
    seq: int
    at: int


class EngineResumed(msgspec.Struct, frozen=True, kw_only=True):
    """The service was away: what came in between was seen, but nothing was done. Subject ``logic.order``.

    Attributes:
        since: Until when it had decided, by the engine's clock.
        at: From when it decides again.
    """

    TYPE: ClassVar[str] = "io.kaiser.logic.resumed.v1"

    since: int
    at: int


RuleFact = RuleDefined | RuleEnabled | RuleDisabled | RuleRemoved | RuleBacktested

RULE_EVENTS: tuple[type[RuleFact], ...] = (RuleDefined, RuleEnabled, RuleDisabled, RuleRemoved, RuleBacktested)
RUN_EVENTS: tuple[Any, ...] = (  # struct types of two families
    RunStarted,
    CommandAsked,
    NotificationAsked,
    AlarmRaised,
    AlarmCleared,
    RuleSwitched,
    StepWaiting,
    StepEnded,
    RunEnded,
    RuleSkipped,
    RuleDamped,
)
ORDER_EVENTS: tuple[Any, ...] = (TakenLate, EngineResumed)

RunDecision = (
    RunStarted
    | CommandAsked
    | NotificationAsked
    | AlarmRaised
    | AlarmCleared
    | RuleSwitched
    | StepWaiting
    | StepEnded
    | RunEnded
    | RuleSkipped
    | RuleDamped
)
Decision = RunDecision | TakenLate | EngineResumed
