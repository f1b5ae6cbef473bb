"""Rules for clients of the monolith: its routes and its JSON, which logic converts. The answers are of our shape."""

import re
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import get, post, put
from litestar.exceptions import ValidationException
from litestar.params import Body, Parameter

from kaiser.contracts import logic
from kaiser.contracts.codes import Code
from kaiser.contracts.logic import RuleDecided
from kaiser.contracts.queries import Page
from kaiser.eventlog import EventLog
from kaiser.gateway.api import rule_views as views
from kaiser.gateway.api.commands import open_instant
from kaiser.gateway.api.documented import example, refusals
from kaiser.gateway.api.registry import By, who_asks
from kaiser.gateway.api.rule_wishes import OLD, Why
from kaiser.gateway.api.rules import MONOLITH, REFUSED, Id, decided
from kaiser.gateway.api.sensors import Limit
from kaiser.gateway.api.views import moment
from kaiser.gateway.asking import ProblemError, ask, order
from kaiser.gateway.rulenames import RuleNames

MOST_ALIKE: Final = 20
"""Rules of one name that were removed; their ids are not used again."""

SUCCEEDED: Final[tuple[logic.Outcome, ...]] = ("succeeded",)
UNSUCCESSFUL: Final[tuple[logic.Outcome, ...]] = ("failed", "cancelled", "skipped")
ENDED: Final = SUCCEEDED + UNSUCCESSFUL

Old = Annotated[dict[str, Any], Body(examples=[example("a rule of the monolith", **OLD)])]  # logic reads it
Time = Annotated[str | None, Parameter(description="ISO 8601 with offset, or unix seconds")]
_NO_ID = re.compile(r"[^a-z0-9_]+")


class Toggle(msgspec.Struct, frozen=True):
    """Whether a rule is to be live; without it, the other of what it is."""

    enabled: bool | None = None
    reason: Why = ""


class ExecutionView(msgspec.Struct, frozen=True, kw_only=True):
    """A run that has ended, or a time a rule did not run, in the monolith's words.

    Attributes:
        trigger_data: What made the rule be looked at.
        actions_executed: Commands that were asked for.
        execution_time_ms: From its beginning to its end.
    """

    rule_id: str
    rule_name: str
    run_id: str
    trigger_data: views.CauseView
    actions_executed: list[dict[str, Any]]
    success: bool
    error_message: str | None
    execution_time_ms: int
    timestamp: datetime | None


class HistoryView(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the history; ``next_cursor`` is null on the last."""

    entries: list[ExecutionView]
    next_cursor: str | None
    success: bool = True


@post(
    "/logic/rules",
    status_code=201,
    tags=["rules"],
    summary="Create a rule, in the monolith's form",
    responses=refusals(*REFUSED),
)
async def create(event_log: EventLog, request: By, data: Old) -> views.RuleDecisionView:
    """As ``PUT /rules/{id}`` with an id that is made of the name; live at once unless ``enabled`` is false."""
    name = rule_id_of(str(data.get("rule_name") or data.get("name") or ""))
    for turn in range(1, MOST_ALIKE):
        try:
            return await _define(event_log, request, name if turn == 1 else f"{name}-{turn}", data, version=0)
        except ProblemError as error:
            if error.problem.code != Code.RULE_NOT_FOUND or turn == MOST_ALIKE - 1:  # one that was removed
                raise
    raise AssertionError


@put(
    MONOLITH,
    tags=["rules"],
    summary="Change a rule, in the monolith's form",
    responses=refusals(*REFUSED),
)
async def change(event_log: EventLog, request: By, rule_id: Id, data: Old) -> views.RuleDecisionView:
    """As ``PUT /rules/{id}`` with ``monolith``; live at once unless ``enabled`` is false."""
    return await _define(event_log, request, rule_id, data, version=None)


@post(
    f"{MONOLITH}/toggle",
    status_code=200,
    tags=["rules"],
    summary="Switch a rule on or off, in the monolith's form",
    responses=refusals(Code.RULE_NOT_FOUND, Code.BACKTEST_REQUIRED),
)
async def toggle(event_log: EventLog, request: By, rule_id: str, data: Toggle | None = None) -> views.RuleDecisionView:
    """Enable the newest version of a rule, or disable the rule."""
    wish, by = data or Toggle(), who_asks(request)
    enabled = wish.enabled
    if enabled is None:
        found = await ask(event_log, "logic", "rule", logic.RuleQuery(rule_id=rule_id), logic.RuleView)
        enabled = found.live == 0
    if enabled:
        return await decided(event_log, "enable", logic.EnableRule(rule_id=rule_id, by=by))
    return await decided(event_log, "disable", logic.DisableRule(rule_id=rule_id, by=by, reason=wish.reason))


@get(
    "/logic/execution_history",
    tags=["rules"],
    summary="What rules did, in the monolith's form",
    responses=refusals(Code.DATABASE_ERROR),
)
async def history(
    event_log: EventLog,
    names: RuleNames,
    rule_id: str | None = None,
    success: bool | None = None,
    start_time: Time = None,
    end_time: Time = None,
    limit: Limit = 100,
    cursor: str | None = None,
) -> HistoryView:
    """Runs that have ended, and times that a rule did not run though something asked for it, newest first."""
    query = logic.RunsQuery(
        rule_id=rule_id,
        outcomes=ENDED if success is None else SUCCEEDED if success else UNSUCCESSFUL,
        start=open_instant(start_time, "start_time"),
        end=open_instant(end_time, "end_time"),
        limit=limit,
        cursor=cursor,
    )
    found = await ask(event_log, "logic", "runs", query, Page[logic.RunView])
    entries = [_execution(run, names.of(run.rule_id)) for run in found.items]
    return HistoryView(entries=entries, next_cursor=found.next_cursor)


def rule_id_of(name: str) -> str:
    """An id made of a name.

    Raises:
        ValidationException: There is nothing in it to make one of.
    """
    found = _NO_ID.sub("-", name.lower()).strip("-_")[:60].rstrip("-_")
    if not found:
        words = "a name with a letter or a digit is expected"
        raise ValidationException("no name", extra=[{"message": words, "key": "rule_name"}])
    return found


async def _define(
    event_log: EventLog, request: By, rule_id: str, old: dict[str, Any], *, version: int | None
) -> views.RuleDecisionView:
    asked = logic.DefineRule(
        rule_id=rule_id,
        by=who_asks(request),
        rule=old,
        monolith=True,
        enable=old.get("enabled", True) is True,
        expected_version=version,
    )
    return views.decided(await order(event_log, "logic", "define", asked, RuleDecided))


def _execution(run: logic.RunView, name: str) -> ExecutionView:
    shown = views.run(run)
    succeeded = run.outcome == "succeeded"
    commands = [told.decision for told in run.decisions if told.type == "io.kaiser.run.command_asked.v1"]
    return ExecutionView(
        rule_id=run.rule_id,
        rule_name=name,
        run_id=run.run_id,
        trigger_data=shown.cause,
        actions_executed=commands,
        success=succeeded,
        error_message=None if succeeded else " ".join(filter(None, (run.reason, run.detail)))[:500],
        execution_time_ms=(run.ended_at - run.started_at) // 1000 if run.ended_at else 0,
        timestamp=moment(run.started_at),
    )
