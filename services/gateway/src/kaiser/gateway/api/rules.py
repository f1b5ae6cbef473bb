"""Rules: define them, let them live or rest, hold them against what is known now. Logic decides.

A rule has versions that never change, at most one of which is live. ``seq`` of an answer is the sequence of the last
event in LOGIC that came of the order. Examples of every kind of condition and action: ``docs/rules.md``.
"""

from http import HTTPStatus
from typing import Annotated, Final

from litestar import Response, delete, get, post, put
from litestar.exceptions import ValidationException
from litestar.params import Body, HeaderParameter, Parameter

from kaiser.contracts import logic
from kaiser.contracts.codes import Code
from kaiser.contracts.logic import RuleDecided, RuleOrder
from kaiser.contracts.queries import Page
from kaiser.eventlog import EventLog
from kaiser.gateway.api import rule_views as views
from kaiser.gateway.api.conditions import sequence_of
from kaiser.gateway.api.documented import by_path, example, refusals
from kaiser.gateway.api.problems import problem
from kaiser.gateway.api.registry import By, who_asks
from kaiser.gateway.api.rule_wishes import DEFINED, WATER, DisableWish, EnableWish, RuleWish, TestWish
from kaiser.gateway.api.sensors import Limit
from kaiser.gateway.api.views import PageView, page
from kaiser.gateway.asking import ProblemError, ask, order
from kaiser.gateway.places import ASKING, must_hold

RULE: Final = "/rules/{rule_id:str}"
MONOLITH: Final = "/logic/rules/{rule_id:str}"

Id = Annotated[str, Parameter(pattern="^[a-z0-9][a-z0-9_-]{0,63}$", description="id of the rule")]
Reason = Annotated[str, Parameter(max_length=500, description="why")]
Dry = Annotated[bool, Parameter(description="only say what is wrong with it, and decide nothing")]
Version = Annotated[int | None, Parameter(ge=1, description="the live one by default, else the newest")]
AtLeast = Annotated[int, Parameter(ge=0, description="wait until the event of this sequence of LOGIC is in it")]
IfMatch = Annotated[str | None, HeaderParameter(name="If-Match", description='newest version that is known, as `"3"`')]
IfNoneMatch = Annotated[str | None, HeaderParameter(name="If-None-Match", description="`*`: only if there is none yet")]
REFUSED: Final = (Code.RULE_INVALID, Code.RULE_NOT_FOUND, Code.RULE_CHANGED, Code.BACKTEST_REQUIRED, Code.SERVICE_ERROR)


@get(["/rules", "/logic/rules"], operation_id=by_path, tags=["rules"], summary="List rules")
async def rules(
    event_log: EventLog,
    enabled: bool | None = None,
    esp_id: str | None = None,
    limit: Limit = 100,
    cursor: str | None = None,
) -> PageView[views.RuleView]:
    """Rules in the order of their ids; ``esp_id`` gives those that watch or switch something on that device."""
    query = logic.RulesQuery(enabled=enabled, esp_id=esp_id, limit=limit, cursor=cursor)
    return page(await ask(event_log, "logic", "rules", query, Page[logic.RuleView]), views.rule)


@get(
    [RULE, MONOLITH],
    operation_id=by_path,
    tags=["rules"],
    summary="Show a rule",
    responses=refusals(Code.RULE_NOT_FOUND),
)
async def rule(
    event_log: EventLog, rule_id: str, version: Version = None, at_least: AtLeast = 0
) -> Response[views.RuleView]:
    """A rule and how it is. The ``ETag`` is the newest version, for ``If-Match`` of the next one."""
    query = logic.RuleQuery(rule_id=rule_id, version=version, at_least=at_least)
    found = await ask(event_log, "logic", "rule", query, logic.RuleView)
    must_hold(rule_id, views.touched(found.rule))
    return Response(views.rule(found), headers={"ETag": f'"{found.newest}"'})


@put(
    RULE,
    tags=["rules"],
    summary="Define a rule",
    responses=refusals(*REFUSED),
)
async def define(
    event_log: EventLog,
    request: By,
    rule_id: Id,
    data: Annotated[RuleWish, Body(examples=DEFINED)],
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
    dry: Dry = False,
) -> Response[views.RuleDecisionView]:
    """Make a rule, or a new version of it; the same rule again changes nothing.

    What is wrong is said all at once: ``faults`` of the problem have path, code and words of each. Where ``If-Match``
    or ``If-None-Match`` does not hold, it is 412 with RULE_CHANGED.
    """
    known = expected(if_match, if_none_match)
    asked = logic.DefineRule(
        rule_id=rule_id,
        by=who_asks(request),
        rule=data.rule,
        monolith=data.monolith,
        enable=data.enable,
        expected_version=data.expected_version if known is None else known,
        reason=data.reason,
        dry=dry,
    )
    try:
        found = await order(event_log, "logic", "define", asked, RuleDecided)
    except ProblemError as error:
        if known is None or error.problem.code != Code.RULE_CHANGED:
            raise
        return problem(HTTPStatus.PRECONDITION_FAILED, Code.RULE_CHANGED, error.problem.detail, where="If-Match")
    return Response(views.decided(found), headers={"ETag": f'"{found.version}"'})


@post(
    f"{RULE}/enable",
    status_code=200,
    tags=["rules"],
    summary="Enable a rule",
    responses=refusals(Code.RULE_NOT_FOUND, Code.BACKTEST_NOT_FOUND, Code.BACKTEST_REQUIRED),
)
async def enable(
    event_log: EventLog,
    request: By,
    rule_id: str,
    data: Annotated[
        EnableWish | None,
        Body(
            examples=[
                example("the newest version"),
                example("back to an older one", version=2),
                example("with its trial", version=3, backtest_id="3f1c"),
                example("without a trial", override="the pump was replaced, and the old thresholds drown the plants"),
            ]
        ),
    ] = None,
) -> views.RuleDecisionView:
    """Let a version go live; whatever was live before is so no more."""
    wish = data or EnableWish()
    asked = logic.EnableRule(
        rule_id=rule_id,
        by=who_asks(request),
        version=wish.version,
        backtest_id=wish.backtest_id,
        override=wish.override,
    )
    return await decided(event_log, "enable", asked)


@post(
    f"{RULE}/disable",
    status_code=200,
    tags=["rules"],
    summary="Disable a rule",
    responses=refusals(Code.RULE_NOT_FOUND),
)
async def disable(
    event_log: EventLog,
    request: By,
    rule_id: str,
    data: Annotated[DisableWish | None, Body(examples=[example("for now", reason="the bench is empty")])] = None,
) -> views.RuleDecisionView:
    """Let a rule rest: its run ends, and what that had switched on is switched off."""
    asked = logic.DisableRule(rule_id=rule_id, by=who_asks(request), reason=data.reason if data else "")
    return await decided(event_log, "disable", asked)


@delete(
    [RULE, MONOLITH],
    operation_id=by_path,
    status_code=200,
    tags=["rules"],
    summary="Remove a rule",
    responses=refusals(Code.RULE_NOT_FOUND),
)
async def remove(event_log: EventLog, request: By, rule_id: str, reason: Reason = "") -> views.RuleDecisionView:
    """Take a rule away. Its id is not used again; what it did stays, and can be asked for."""
    asked = logic.RemoveRule(rule_id=rule_id, by=who_asks(request), reason=reason)
    return await decided(event_log, "remove", asked)


@post(
    [f"{RULE}/test", f"{MONOLITH}/test"],
    status_code=200,
    operation_id=by_path,
    tags=["rules"],
    summary="Test a rule against now",
    responses=refusals(Code.RULE_NOT_FOUND, Code.RULE_INVALID),
)
async def hold_up(
    event_log: EventLog,
    rule_id: Id,
    data: Annotated[
        TestWish | None,
        Body(
            examples=[
                example("as it is now"),
                example("if it were dry", values={"ESP_9F03D4/34/moisture": 12.5}),
                example("one that is not defined yet", rule=WATER),
            ]
        ),
    ] = None,
) -> views.ExplanationView:
    """Say whether a rule would run now, and why; nothing is done. ``seen`` has each condition with its values."""
    wish = data or TestWish()
    asked = logic.TestRule(rule_id=rule_id, rule=wish.rule, values=wish.values)
    return views.explanation(await ask(event_log, "logic", "test", asked, logic.Explanation))


async def must_see(event_log: EventLog, rule_id: str) -> None:
    """Refuse a rule that is about more than the zones of whoever asks; others are not asked for it.

    Raises:
        Refusal: RULE_NOT_FOUND.
    """
    if ASKING.get() is not None:
        found = await ask(event_log, "logic", "rule", logic.RuleQuery(rule_id=rule_id), logic.RuleView)
        must_hold(rule_id, views.touched(found.rule))
        ASKING.set(None)  # what is answered is about this rule, and was looked at


async def decided(event_log: EventLog, name: str, asked: RuleOrder) -> views.RuleDecisionView:
    """Order something of logic, and show what it decided."""
    return views.decided(await order(event_log, "logic", name, asked, RuleDecided))


def expected(if_match: str | None, if_none_match: str | None) -> int | None:
    """The newest version that a client knows, by its headers; 0 for none yet, None where it does not say.

    Raises:
        ValidationException, Refusal: One of them is none of ours.
    """
    if if_none_match is not None:
        if if_none_match.strip() != "*":
            raise ValidationException("wrong header", extra=[{"message": "only * is known", "key": "If-None-Match"}])
        return 0
    if if_match is None or if_match.strip() == "*":
        return None
    return sequence_of(if_match)
