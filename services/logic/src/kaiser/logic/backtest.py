"""Rules on the past: what they would have done, and what another version would have done otherwise. Pure.

What the rules in question switch is simulated, since what those actuators did in the past came of other causes;
everything else is taken from the log.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from kaiser.contracts.events.actuation import CommandEnded, CommandRequested
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.logic import (
    CommandAsked,
    Decision,
    RuleDefined,
    RuleEnabled,
    RuleSkipped,
    RunEnded,
    RunStarted,
)
from kaiser.contracts.events.safeguards import ActuatorRef
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.logic import BacktestReport, Change, RunView, Told, WhatIfReport
from kaiser.contracts.rules import Rule
from kaiser.contracts.wire import ActuatorStatus
from kaiser.logic.conditions import Evaluator
from kaiser.logic.engine import Engine
from kaiser.logic.ordering import Ledger, Message
from kaiser.logic.past.watching import watch_of
from kaiser.logic.simulating import Simulated
from kaiser.logic.times import SECOND
from kaiser.logic.walking import commanded
from kaiser.logic.yard import SAFEGUARDS

MOST_RUNS: Final = 1000
MOST_CHANGES: Final = 1000
SAME_COMMAND: Final = 900 * SECOND
"""Two commands are one that moved if they are not further apart."""


class Trial:
    """Rules on messages of the past, one after the other.

    Args:
        rules: Versions and rules that are tried together, by id.
        rule_id: The one that the report is about.
        start: From when on they act, unix microseconds; what comes earlier is only taken in.
        end: Until when.
        plugins: Conditions of others.
    """

    def __init__(
        self,
        rules: Mapping[str, tuple[int, Rule]],
        rule_id: str,
        *,
        start: int,
        end: int,
        plugins: Mapping[str, Evaluator] | None = None,
    ) -> None:
        self.asked: list[CommandAsked] = []
        self._rules, self._rule_id, self._start, self._end = rules, rule_id, start, end
        self._watch = watch_of((rule for _, rule in rules.values()), plugins)
        self._engine = Engine(plugins)
        self._simulated = Simulated(frozenset(key for _, rule in rules.values() for key in commanded(rule)))
        self._ledger = Ledger()
        self._runs: dict[str, RunView] = {}
        self._skips: dict[str, int] = {}
        self._run_count = self._readings = 0
        self._acting = False
        self._defined = False

    def take(self, message: Message) -> None:
        """Take in the next message; those after the end are left out, and those that the rules do not look at."""
        at, event = message.at, message.event
        if at >= self._end or message.stream == "LOGIC":
            return  # the rules of then are not those that are tried
        if type(event) is Readings:
            # A source may leave out what nobody looks at, and must not change anything by that
            concerned = self._watch.concerns(event)
            if not concerned and not self._simulated.yard.bands:
                return
            self._readings += concerned if at >= self._start else 0
        if not self._defined:
            self._define(min(at, self._start) - 2)
        if not self._acting and at >= self._start:
            self._act()
        if self._simulated.next_at <= at or self._engine.next_due <= at:
            self._pass(at)
        if self._looks_at(event):
            decisions = self._engine.take(message.stream, message.seq, at, event)
            if decisions:
                self._note(decisions)

    def finish(self) -> BacktestReport:
        """The report, when all messages are taken in."""
        if not self._defined:
            self._define(self._start - 2)
        if not self._acting:
            self._act()
        self._pass(self._end - 1)
        return BacktestReport(
            rule_id=self._rule_id,
            version=self._rules[self._rule_id][0],
            start=self._start,
            end=self._end,
            digest=self._ledger.digest,
            readings=self._readings,
            run_count=self._run_count,
            skips=dict(sorted(self._skips.items())),
            on_time=self._simulated.finish(self._end),
            vetoed=self._simulated.vetoed,
            runs=list(self._runs.values()),
            truncated=self._run_count > MOST_RUNS,
        )

    def _looks_at(self, event: object) -> bool:
        """Whether a message is the engine's, too, after the yard has taken what it follows."""
        yard = self._simulated.yard
        if type(event) is Readings:
            yard.take(event)
            return self._watch.concerns(event) > 0
        if isinstance(event, SAFEGUARDS):
            yard.take(event)
        elif self._is_simulated(event):
            return False
        elif isinstance(event, DeviceSaid) and isinstance(event.message, ActuatorStatus):
            yard.take(event)
            return (event.esp_id, event.message.gpio) in self._watch.actuators
        return True

    def _pass(self, until: int) -> None:
        """Let everything happen that is due by a moment, the rules' own timers before what actuators say."""
        simulated, engine = self._simulated, self._engine
        while (due := min(simulated.next_at, engine.next_due)) <= until:
            if engine.next_due <= due:
                self._note(engine.tick(due))
            else:
                said = simulated.pop()
                self._note(engine.take(said.stream, said.seq, said.at, said.event))

    def _define(self, at: int) -> None:
        self._defined = True
        for i, (rule_id, (version, rule)) in enumerate(sorted(self._rules.items())):
            seq, moment = 2 * i + 1, at - 2 * len(self._rules) + 2 * i
            about: dict[str, Any] = {"rule_id": rule_id, "at": moment, "by": "backtest", "version": version}
            self._engine.take("SIMULATED", -seq, moment, RuleDefined(rule=rule, **about))
            self._engine.hold()
            self._engine.take("SIMULATED", -seq - 1, moment + 1, RuleEnabled(**about))

    def _act(self) -> None:
        self._acting = True
        self._note(self._engine.resume(self._start - 1))

    def _is_simulated(self, event: object) -> bool:
        if isinstance(event, DeviceSaid):
            gpio = getattr(event.message, "gpio", None)
            return gpio is not None and (event.esp_id, gpio) in self._simulated.keys
        if isinstance(event, CommandRequested | CommandEnded):
            return (event.esp_id, event.gpio) in self._simulated.keys
        return False

    def _note(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            if self._ledger.add(decision):
                self._keep(decision)

    def _keep(self, decision: Any) -> None:  # a decision about a rule
        if isinstance(decision, CommandAsked):
            self._simulated.ask(decision)
        if decision.rule_id != self._rule_id:
            return
        if isinstance(decision, CommandAsked):
            self.asked.append(decision)
        elif isinstance(decision, RuleSkipped):
            self._skips[decision.reason] = self._skips.get(decision.reason, 0) + 1
        elif isinstance(decision, RunStarted):
            self._run_count += 1
            if len(self._runs) < MOST_RUNS:
                self._runs[decision.run_id] = begun(decision)
        view = self._runs.get(getattr(decision, "run_id", ""))
        if view is not None:
            view.decisions.append(Told(type=decision.TYPE, decision=msgspec.to_builtins(decision)))
            if isinstance(decision, RunEnded):
                ended = {"outcome": decision.outcome, "reason": decision.code, "detail": decision.detail}
                self._runs[decision.run_id] = msgspec.structs.replace(view, ended_at=decision.at, **ended)


def backtest(
    rules: Mapping[str, tuple[int, Rule]],
    rule_id: str,
    messages: Iterable[Message],
    *,
    start: int,
    end: int,
    plugins: Mapping[str, Evaluator] | None = None,
) -> BacktestReport:
    """What a rule would have done, on messages in order; arguments as those of :class:`Trial`."""
    trial = Trial(rules, rule_id, start=start, end=end, plugins=plugins)
    for message in messages:
        trial.take(message)
    return trial.finish()


def what_if(before: Trial, after: Trial, messages: Iterable[Message]) -> WhatIfReport:
    """What one version would have done otherwise than another, in one go over messages in order."""
    for message in messages:
        before.take(message)
        after.take(message)
    return compared(before, after)


def compared(before: Trial, after: Trial) -> WhatIfReport:
    """What one version would have done otherwise than another, when both have taken in all messages."""
    old, new = before.finish(), after.finish()
    changes = sorted(differences(before.asked, after.asked), key=lambda change: change.before or change.after)
    on_s: dict[str, float] = {}
    for sign, report in ((-1, old), (1, new)):
        for each in report.on_time:
            key = f"{each.actuator.esp_id}/{each.actuator.gpio}"
            on_s[key] = round(on_s.get(key, 0.0) + sign * each.on_s, 3)
    return WhatIfReport(
        before=old,
        after=new,
        changes=changes[:MOST_CHANGES],
        changed=len(changes),
        on_s=on_s,
        vetoed=len(new.vetoed) - len(old.vetoed),
    )


def differences(before: Iterable[CommandAsked], after: Iterable[CommandAsked]) -> Iterator[Change]:
    """Commands that one version gave and the other did not, or at another time."""
    old, new = _grouped(before), _grouped(after)
    for key in sorted({*old, *new}, key=str):
        esp_id, gpio, command, level = key
        was, now = old.get(key, []), new.get(key, [])
        i = j = 0
        while i < len(was) or j < len(now):
            first = was[i] if i < len(was) else None
            second = now[j] if j < len(now) else None
            if first is not None and second is not None and abs(first - second) <= SAME_COMMAND:
                i, j = i + 1, j + 1
                if first == second:
                    continue
            elif second is None or (first is not None and first < second):
                i, second = i + 1, None
            else:
                j, first = j + 1, None
            actuator = ActuatorRef(esp_id, gpio)
            yield _change(actuator, command, level, first, second)


def _change(actuator: ActuatorRef, command: str, level: float | None, before: int | None, after: int | None) -> Change:
    kind: Literal["added", "removed", "moved"] = "moved"
    if before is None or after is None:
        kind = "added" if before is None else "removed"
    return Change(kind=kind, actuator=actuator, command=command, level=level, before=before or 0, after=after or 0)


def _grouped(asked: Iterable[CommandAsked]) -> dict[tuple[str, int, str, float | None], list[int]]:
    groups: dict[tuple[str, int, str, float | None], list[int]] = {}
    for each in asked:
        groups.setdefault((each.esp_id, each.gpio, each.command, each.level), []).append(each.at)
    return groups


def begun(started: RunStarted) -> RunView:
    """A run that has begun."""
    return RunView(
        rule_id=started.rule_id,
        version=started.version,
        run_id=started.run_id,
        branch=started.branch,
        outcome="running",
        started_at=started.at,
        cause=started.cause,
    )
