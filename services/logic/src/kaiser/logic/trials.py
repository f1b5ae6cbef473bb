"""Rules tried on the past, in processes of their own; a version that was tried says so in its life."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from kaiser.contracts.codes import Code
from kaiser.contracts.events.logic import RuleBacktested, RuleFact
from kaiser.contracts.events.safeguards import ActuatorRef
from kaiser.contracts.logic import Backtest, BacktestReport, Rival, WhatIf, WhatIfReport
from kaiser.contracts.queries import Problem
from kaiser.contracts.refusals import Refusal, refusal_of
from kaiser.contracts.rules import Rule
from kaiser.eventlog import new_id
from kaiser.logic import validating
from kaiser.logic.conditions import Evaluator
from kaiser.logic.definitions import Life, tried
from kaiser.logic.past.jobs import Job, Tried
from kaiser.logic.past.processes import Processes
from kaiser.logic.past.watching import others
from kaiser.logic.rules import Rules
from kaiser.logic.walking import commanded
from kaiser.service.answering import Answerer, Requests
from kaiser.service.settings import NatsSettings

DAY: Final = 86_400_000_000
DRAFT: Final = 0
"""The version of what is not defined."""


class TrialSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``KAISER_TRIAL_…``.

    Attributes:
        at_once: Trials at a time; each has a process, and others wait.
        most_days: Longest span, days.
        patience_s: How long one may take, waiting for its turn included, seconds.
    """

    at_once: Annotated[int, Meta(ge=1, le=64)] = 2
    most_days: Annotated[int, Meta(ge=1, le=3660)] = 100
    patience_s: Annotated[float, Meta(gt=0, le=3600)] = 120.0


class Trials:
    """Tries rules.

    Args:
        rules: What became of each.
        processes: Where it is done.
        nats: The log, for the processes.
        settings: How much is allowed.
        plugins: Conditions of others.
    """

    def __init__(
        self,
        rules: Rules,
        processes: Processes,
        nats: NatsSettings,
        settings: TrialSettings,
        plugins: Mapping[str, Evaluator] | None = None,
    ) -> None:
        self._rules = rules
        self._processes = processes
        self._nats = nats
        self._settings = settings
        self._plugins = plugins or {}

    async def backtest(self, asked: Backtest, now: int) -> BacktestReport:
        """What a rule would have done. A version that is defined was tried then.

        Raises:
            Refusal: RULE_NOT_FOUND, RULE_INVALID, VALUE_OUT_OF_RANGE; what is wrong where the past is not to be had.
        """
        life = await self._life(asked.rule_id)
        subject = self._subject(life, asked.rule_id, asked.version, asked.rule)
        job = await self._job("backtest", asked.rule_id, (subject,), asked.start, asked.end, now)
        report = await self._processes.do(job, BacktestReport)
        return self._with_rivals(await self._remember(report, asked.by, now), job, subject)

    async def whatif(self, asked: WhatIf, now: int) -> WhatIfReport:
        """What a version would have done otherwise than another. It was tried then, too.

        Raises:
            Refusal: As :meth:`backtest`.
        """
        life = await self._life(asked.rule_id)
        against = self._subject(life, asked.rule_id, asked.against or life.live or life.newest, None)
        subject = self._subject(life, asked.rule_id, asked.version, asked.rule)
        job = await self._job("whatif", asked.rule_id, (against, subject), asked.start, asked.end, now)
        report = await self._processes.do(job, WhatIfReport)
        after = await self._remember(report.after, asked.by, now)
        return msgspec.structs.replace(
            report,
            before=self._with_rivals(report.before, job, against),
            after=self._with_rivals(after, job, subject),
        )

    def _subject(self, life: Life, rule_id: str, version: int | None, values: dict[str, Any] | None) -> Tried:
        """What is to be tried.

        Args:
            life: What became of the rule.
            rule_id: Its id.
            version: None for the newest.
            values: JSON values of a rule in place of a version.
        """
        if values is None:
            number = version or life.newest
            if number not in life.versions:
                raise Refusal(Code.RULE_NOT_FOUND, f"there is no version {number} of rule {rule_id}", "version")
            return Tried(number, life.versions[number].rule)
        rule = validating.read(values)
        faults = validating.check(rule_id, rule, validating.Site(), self._plugins) if isinstance(rule, Rule) else [rule]
        errors = [fault for fault in faults if fault.weight == "error"]
        if errors or not isinstance(rule, Rule):
            raise refusal_of(Code.RULE_INVALID, errors)
        return Tried(DRAFT, rule)

    async def _job(self, what: str, rule_id: str, subjects: tuple[Tried, ...], start: int, end: int, now: int) -> Job:
        end = min(end, now)
        if end <= start:
            raise Refusal(Code.VALUE_OUT_OF_RANGE, "the end must be later than the start, which must be past", "end")
        if end - start > self._settings.most_days * DAY:
            words = f"a span has at most {self._settings.most_days} days"
            raise Refusal(Code.VALUE_OUT_OF_RANGE, words, "start")
        return Job(
            nats_url=self._nats.url,
            nats_user=self._nats.user,
            nats_password=self._nats.password,
            what=what,
            rule_id=rule_id,
            tried=subjects,
            others=await self._others(rule_id, subjects),
            start=start,
            end=end,
        )

    async def _life(self, rule_id: str) -> Life:
        """What became of a rule, with what was decided a moment ago."""
        return (await self._rules.execute(rule_id, lambda _: ())).state

    async def _others(self, rule_id: str, tried: tuple[Tried, ...]) -> dict[str, Tried]:
        """Rules that those which are tried wait for, and which those wait for, as far as they are live."""
        found: dict[str, Tried] = {}
        waiting = [name for each in tried for name in others(each.rule)]
        while waiting:
            name = waiting.pop()
            if name == rule_id or name in found:
                continue
            life = await self._life(name)
            if life.live:
                found[name] = Tried(life.live, life.versions[life.live].rule)
                waiting += others(found[name].rule)
        return found

    def _with_rivals(self, report: BacktestReport, job: Job, tried: Tried) -> BacktestReport:
        """The report with the live rules that want an actuator of the tried one, and are not tried with it."""
        wanted = set(commanded(tried.rule))
        rivals = []
        for rule_id, life in sorted(self._rules.lives.items()):
            if life.live and rule_id != job.rule_id and rule_id not in job.others:
                rule = life.versions[life.live].rule
                if shared := sorted(wanted & set(commanded(rule))):
                    rivals.append(
                        Rival(
                            rule_id=rule_id,
                            version=life.live,
                            priority=rule.priority,
                            hold_s=rule.hold_s,
                            actuators=[ActuatorRef(*key) for key in shared],
                        )
                    )
        return msgspec.structs.replace(report, rivals=rivals)

    async def _remember(self, report: BacktestReport, by: str, now: int) -> BacktestReport:
        """Let the life of a rule say that a version was tried; the report with the id of the trial."""
        if report.version == DRAFT:
            return report
        fact = RuleBacktested(
            rule_id=report.rule_id,
            at=now,
            by=by or "kaiser",
            version=report.version,
            backtest_id=new_id(),
            start=report.start,
            end=report.end,
            digest=report.digest,
            runs=report.run_count,
            on_s={f"{each.actuator.esp_id}/{each.actuator.gpio}": each.on_s for each in report.on_time},
        )

        def decide(life: Life) -> list[RuleFact]:
            return tried(life, fact)

        executed = await self._rules.execute(report.rule_id, decide)
        if not executed.events:
            raise Refusal(Code.RULE_NOT_FOUND, "the rule was removed meanwhile", "rule_id")
        return msgspec.structs.replace(report, backtest_id=fact.backtest_id)


def answerer(asked: Requests, settings: TrialSettings) -> Answerer:
    """Answers questions about the past, with the patience that they need, apart from what is answered at once."""
    words = f"it took longer than {settings.patience_s:.0f} s; ask for a shorter span"
    late = Problem(code=Code.OPERATION_TIMEOUT, detail=words)
    return Answerer("logic", asked, patience_s=settings.patience_s, late=late)
