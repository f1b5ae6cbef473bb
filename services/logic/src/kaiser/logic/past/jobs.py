"""What a process of the past is asked for, and how it answers. One job is one line of JSON."""

from collections.abc import Mapping
from typing import Final

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.logic import BacktestReport, Explanation, WhatIfReport
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.rules import Rule
from kaiser.eventlog import EventLog
from kaiser.logic.backtest import Trial, compared
from kaiser.logic.conditions import ConditionError, Evaluator
from kaiser.logic.past.gathering import gathered
from kaiser.logic.past.looking import looked_back
from kaiser.logic.past.watching import watch_of
from kaiser.logic.walking import commanded

MOST_BYTES: Final = 700_000
"""A reply is one NATS message of at most 1 MiB."""


class Tried(msgspec.Struct, frozen=True):
    """A version of a rule.

    Attributes:
        version: 0 for one that is not defined.
    """

    version: int
    rule: Rule


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Something to find out.

    Attributes:
        nats_url: Where the log is, and as whom to connect.
        what: ``backtest`` is about ``tried[0]``, ``whatif`` about what ``tried[1]`` does otherwise, ``explain`` about
            what ``tried[0]`` saw at ``end``.
        others: Rules that it waits for, as they are.
        start: Of the span, unix microseconds, inclusive.
        end: Exclusive.
    """

    nats_url: str
    nats_user: str | None = None
    nats_password: str | None = None
    what: str
    rule_id: str
    tried: tuple[Tried, ...]
    others: dict[str, Tried] = {}
    start: int
    end: int


Answer = BacktestReport | WhatIfReport | Explanation


async def done(job: Job, log: EventLog, plugins: Mapping[str, Evaluator]) -> Answer:
    """Do a job.

    Raises:
        Refusal: RULE_INVALID for a rule that cannot be evaluated here; what is wrong where the past is not to be had.
    """
    rules = [each.rule for each in (*job.tried, *job.others.values())]
    try:
        watch = watch_of(rules, plugins)
    except ConditionError as error:
        raise Refusal(Code.RULE_INVALID, f"{error.where}: {error}", "rule") from error
    what_rules_do = (
        frozenset() if job.what == "explain" else frozenset(key for rule in rules for key in commanded(rule))
    )
    messages = gathered(log, watch, max(1, job.start - watch.look_back), job.end, what_rules_do)
    if job.what == "explain":
        return await looked_back(job.rule_id, job.tried[0].version, job.tried[0].rule, messages, job.end, plugins)
    others = {rule_id: (each.version, each.rule) for rule_id, each in job.others.items()}
    trials = [
        Trial(
            {**others, job.rule_id: (each.version, each.rule)},
            job.rule_id,
            start=job.start,
            end=job.end,
            plugins=plugins,
        )
        for each in job.tried
    ]
    async for message in messages:
        for trial in trials:
            trial.take(message)
    if job.what == "backtest":
        return fitted(trials[0].finish(), MOST_BYTES)
    report = compared(*trials)
    room = MOST_BYTES - len(msgspec.json.encode(report.changes))
    return msgspec.structs.replace(
        report, before=fitted(report.before, room // 2), after=fitted(report.after, room // 2)
    )


def fitted(report: BacktestReport, room: int) -> BacktestReport:
    """A report that fits into so many bytes: of later runs only what began them, and then none of them.

    What was counted and the digest are of all of them in any case.
    """
    sizes = [len(msgspec.json.encode(run)) for run in report.runs]
    if sum(sizes) <= room:
        return report
    kept, left = [], room
    for run, size in zip(report.runs, sizes, strict=True):
        short = size
        if size > left // 10:
            run = msgspec.structs.replace(run, decisions=run.decisions[:1])  # noqa: PLW2901  # the same, shorter
            short = len(msgspec.json.encode(run))
        if short > left:
            break
        kept.append(run)
        left -= short
    return msgspec.structs.replace(report, runs=kept, truncated=True)
