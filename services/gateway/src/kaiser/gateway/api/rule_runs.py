"""What rules did, why they did it, and why they did not; what they would have done in the past."""

import time
from typing import Annotated, Any, Final

import msgspec
from litestar import get, post
from litestar.exceptions import ValidationException
from litestar.params import Body, Parameter

from kaiser.contracts import logic
from kaiser.contracts.codes import Code
from kaiser.contracts.queries import Page
from kaiser.eventlog import EventLog
from kaiser.gateway.api import rule_views as views
from kaiser.gateway.api.commands import open_instant
from kaiser.gateway.api.documented import example, refusals
from kaiser.gateway.api.registry import By, who_asks
from kaiser.gateway.api.rule_wishes import WATER
from kaiser.gateway.api.rules import RULE, Id, must_see
from kaiser.gateway.api.sensors import From, Limit, To, instant_of
from kaiser.gateway.api.views import PageView, page
from kaiser.gateway.asking import ask

TRIAL_S: Final = 120.0
"""What a trial on the past may take, waiting for its turn included, as logic has it; a month takes ten seconds."""

At = Annotated[str | None, Parameter(description="ISO 8601 with offset, or unix seconds; now by default")]
Instant = Annotated[str, msgspec.Meta(description="ISO 8601 with offset, or unix seconds")]
Number = Annotated[int, msgspec.Meta(ge=1)]


class BacktestWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to try, and on which past.

    Attributes:
        start: Inclusive.
        end: Exclusive; now by default.
        version: The newest by default.
        rule: In place of a version; what was tried so lets no version go live.
    """

    start: Instant
    end: Instant | None = None
    version: Number | None = None
    rule: dict[str, Any] | None = None


class WhatIfWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two versions to compare, and on which past.

    Attributes:
        start: Inclusive.
        end: Exclusive; now by default.
        version: The one that is to be judged, the newest by default.
        rule: In place of ``version``.
        against: The live one by default.
    """

    start: Instant
    end: Instant | None = None
    version: Number | None = None
    rule: dict[str, Any] | None = None
    against: Number | None = None


@get("/rule-runs", tags=["rules"], summary="List runs", responses=refusals(Code.DATABASE_ERROR))
async def runs(
    event_log: EventLog,
    rule_id: str | None = None,
    outcome: views.Outcome | None = None,
    from_: From = None,
    to: To = None,
    limit: Limit = 100,
    cursor: str | None = None,
) -> PageView[views.RunView]:
    """Runs of all rules, and the times that they did not run though something asked for it, newest first."""
    return await _listed(event_log, rule_id, outcome, from_, to, limit, cursor)


@get(f"{RULE}/runs", tags=["rules"], summary="List runs of a rule", responses=refusals(Code.DATABASE_ERROR))
async def runs_of(
    event_log: EventLog,
    rule_id: str,
    outcome: views.Outcome | None = None,
    from_: From = None,
    to: To = None,
    limit: Limit = 100,
    cursor: str | None = None,
) -> PageView[views.RunView]:
    """The same of one rule; those of a rule that was removed stay."""
    await must_see(event_log, rule_id)
    return await _listed(event_log, rule_id, outcome, from_, to, limit, cursor)


@get(
    f"{RULE}/runs/{{run_id:str}}",
    tags=["rules"],
    summary="Show a run",
    responses=refusals(Code.RUN_NOT_FOUND, Code.DATABASE_ERROR),
)
async def run(event_log: EventLog, rule_id: str, run_id: str) -> views.RunView:
    """One run with all that it decided."""
    await must_see(event_log, rule_id)
    query = logic.RunQuery(rule_id=rule_id, run_id=run_id)
    return views.run(await ask(event_log, "logic", "run", query, logic.RunView))


@get(f"{RULE}/explanation", tags=["rules"], summary="Explain a rule", responses=refusals(Code.RULE_NOT_FOUND))
async def explain(event_log: EventLog, rule_id: str, at: At = None) -> views.ExplanationView:
    """Why a rule runs or does not, now or at a moment of the recorded past, with all that its condition saw."""
    await must_see(event_log, rule_id)
    return await _explained(event_log, logic.ExplainQuery(rule_id=rule_id, at=open_instant(at, "at")))


@get(
    f"{RULE}/runs/{{run_id:str}}/explanation",
    tags=["rules"],
    summary="Explain a run",
    responses=refusals(Code.RUN_NOT_FOUND),
)
async def explain_run(event_log: EventLog, rule_id: str, run_id: str) -> views.ExplanationView:
    """Why this run began: the condition with the values, times and sequences that it saw."""
    await must_see(event_log, rule_id)
    return await _explained(event_log, logic.ExplainQuery(rule_id=rule_id, run_id=run_id))


@post(
    f"{RULE}/backtest",
    status_code=200,
    tags=["rules"],
    summary="Try a rule on the past",
    responses=refusals(Code.RULE_INVALID, Code.RULE_NOT_FOUND, Code.OPERATION_TIMEOUT),
)
async def backtest(
    event_log: EventLog,
    request: By,
    rule_id: Id,
    data: Annotated[
        BacktestWish,
        Body(
            examples=[
                example("the newest version in April", start="2026-04-01T00:00:00Z", end="2026-05-01T00:00:00Z"),
                example("one that is not defined yet", start="2026-04-29T00:00:00+02:00", rule=WATER),
            ]
        ),
    ],
) -> views.BacktestView:
    """Every run that there would have been, with reasons, how long actuators would have been on, and safety's vetoes.

    Where a version was tried, ``backtest_id`` lets it go live.
    """
    start, end = _span(data.start, data.end)
    asked = logic.Backtest(
        rule_id=rule_id, rule=data.rule, version=data.version, start=start, end=end, by=who_asks(request)
    )
    return views.backtest(await ask(event_log, "logic", "backtest", asked, logic.BacktestReport, wait_s=TRIAL_S))


@post(
    f"{RULE}/whatif",
    status_code=200,
    tags=["rules"],
    summary="Compare two versions on the past",
    responses=refusals(Code.RULE_INVALID, Code.RULE_NOT_FOUND, Code.OPERATION_TIMEOUT),
)
async def what_if(
    event_log: EventLog,
    request: By,
    rule_id: Id,
    data: Annotated[
        WhatIfWish,
        Body(
            examples=[
                example("the newest version against the live one", start="2026-04-22T00:00:00Z"),
                example("two versions", start="2026-04-22T00:00:00Z", version=3, against=1),
            ]
        ),
    ],
) -> views.WhatIfView:
    """What another version would have done otherwise: commands that were added, removed or moved, and for how long.

    Where a version was judged, ``after.backtest_id`` lets it go live.
    """
    start, end = _span(data.start, data.end)
    asked = logic.WhatIf(
        rule_id=rule_id,
        version=data.version,
        against=data.against,
        rule=data.rule,
        start=start,
        end=end,
        by=who_asks(request),
    )
    return views.what_if(await ask(event_log, "logic", "whatif", asked, logic.WhatIfReport, wait_s=TRIAL_S))


async def _listed(
    event_log: EventLog,
    rule_id: str | None,
    outcome: views.Outcome | None,
    from_: str | None,
    to: str | None,
    limit: int,
    cursor: str | None,
) -> PageView[views.RunView]:
    query = logic.RunsQuery(
        rule_id=rule_id,
        outcome=outcome,
        start=open_instant(from_, "from"),
        end=open_instant(to, "to"),
        limit=limit,
        cursor=cursor,
    )
    return page(await ask(event_log, "logic", "runs", query, Page[logic.RunView]), views.run)


async def _explained(event_log: EventLog, query: logic.ExplainQuery) -> views.ExplanationView:
    wait_s = TRIAL_S if query.at else 0.0  # the log of the time before that moment has to be read
    return views.explanation(await ask(event_log, "logic", "explain", query, logic.Explanation, wait_s=wait_s))


def _span(start: str, end: str | None) -> tuple[int, int]:
    first, last = instant_of(start, "start"), instant_of(end, "end") if end else time.time_ns() // 1000
    if first >= last:
        raise ValidationException("empty span", extra=[{"message": "it ends before it starts", "key": "end"}])
    return first, last
