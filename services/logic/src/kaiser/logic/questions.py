"""What people ask about rules as they are now: of the log of rules, and of the engine of this instance. No database."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from kaiser.contracts import cursors
from kaiser.contracts.codes import Code
from kaiser.contracts.logic import (
    ExplainQuery,
    Explanation,
    ExportRules,
    RuleQuery,
    RulesQuery,
    RulesText,
    RuleView,
    TestRule,
)
from kaiser.contracts.queries import Page
from kaiser.contracts.refusals import Refusal, refusal_of
from kaiser.contracts.rules import Rule
from kaiser.logic import filling, trying, validating
from kaiser.logic.conditions import Evaluator
from kaiser.logic.deciding import Deciding
from kaiser.logic.definitions import Life
from kaiser.logic.engine import Engine
from kaiser.logic.explaining import Standing
from kaiser.logic.rules import Rules
from kaiser.logic.site import Surroundings, devices_of

MOST: Final = 1000
Past = Callable[[ExplainQuery, int], Awaitable[Explanation]]
"""Explains a run, or a moment that is past."""

RESTING: Final = Standing(truth=None, active=False, blocked_until=0, last_run_at=0, running=[], damped={})


class Questions:
    """Answers.

    Args:
        rules: All rules.
        deciding: Has the engine of this instance.
        surroundings: Knows the latest readings.
        plugins: Conditions of others.
        past: Who explains what is past; None where nobody does.
    """

    def __init__(
        self,
        rules: Rules,
        deciding: Deciding,
        surroundings: Surroundings,
        plugins: Mapping[str, Evaluator],
        past: Past | None = None,
    ) -> None:
        self._rules = rules
        self._deciding = deciding
        self._surroundings = surroundings
        self._plugins = plugins
        self._past = past

    async def rules(self, asked: RulesQuery, now: int) -> Page[RuleView]:  # noqa: ARG002  # one face for all
        """Rules by id.

        Raises:
            Refusal: VALUE_OUT_OF_RANGE.
        """
        if not 0 < asked.limit <= MOST:
            raise Refusal(Code.VALUE_OUT_OF_RANGE, f"limit is from 1 to {MOST}", "limit")
        after = (cursors.read(asked.cursor, (str,)) or ("",))[0]
        found = [
            self._view(rule_id, life)
            for rule_id, life in sorted(self._rules.lives.items())
            if rule_id > after and not life.removed and life.versions and _meant(life, asked)
        ]
        more = len(found) > asked.limit
        items = found[: asked.limit]
        return Page(items=items, next_cursor=cursors.write(items[-1].rule_id) if more else None)

    async def rule(self, asked: RuleQuery, now: int) -> RuleView:  # noqa: ARG002
        """One rule.

        Raises:
            Refusal: RULE_NOT_FOUND.
        """
        if asked.at_least:
            await self._rules.reach(asked.at_least)
        life = await self._rules.find(asked.rule_id)
        if life is None or life.removed or not life.versions:
            raise Refusal(Code.RULE_NOT_FOUND, f"there is no rule {asked.rule_id}", "rule_id")
        if asked.version is not None and asked.version not in life.versions:
            raise Refusal(Code.RULE_NOT_FOUND, f"there is no version {asked.version}", "version")
        return self._view(asked.rule_id, life, asked.version)

    async def export(self, asked: ExportRules, now: int) -> RulesText:  # noqa: ARG002
        """Rules as YAML.

        Raises:
            Refusal: RULE_NOT_FOUND.
        """
        return filling.export(asked, self._rules.written())

    async def explain(self, asked: ExplainQuery, now: int) -> Explanation:
        """Why a rule ran, or does not run.

        Raises:
            Refusal: RULE_NOT_FOUND, RUN_NOT_FOUND, SERVICE_ERROR.
        """
        if asked.run_id is not None or asked.at:
            if self._past is None:
                raise Refusal(Code.SERVICE_ERROR, "what is past is not kept here")
            return await self._past(asked, now)
        life = await self._rules.find(asked.rule_id)
        if life is None or life.removed:
            raise Refusal(Code.RULE_NOT_FOUND, f"there is no rule {asked.rule_id}", "rule_id")
        return self._engine().explain(asked.rule_id)

    async def test(self, asked: TestRule, now: int) -> Explanation:  # noqa: ARG002
        """What a rule would do now, with values to assume.

        Raises:
            Refusal: RULE_INVALID, RULE_NOT_FOUND, VALUE_OUT_OF_RANGE, SERVICE_ERROR.
        """
        await self._rules.find(asked.rule_id)
        rule = self._draft(asked)
        try:
            readings = await self._surroundings.latest(rule, asked.values)
        except ValueError as error:
            raise Refusal(Code.VALUE_OUT_OF_RANGE, f"a sensor is esp/gpio/type: {error}", "values") from None
        snapshot = self._engine().snapshot()
        found = await asyncio.to_thread(trying.on_snapshot, snapshot, rule, readings, self._plugins)
        return msgspec.structs.replace(found, rule_id=asked.rule_id)

    def _draft(self, asked: TestRule) -> Rule:
        if asked.rule is not None:
            rule = validating.read(asked.rule)
            if not isinstance(rule, Rule):
                raise refusal_of(Code.RULE_INVALID, [rule])
            return rule
        found = self._rules.written().get(asked.rule_id)
        if found is None:
            raise Refusal(Code.RULE_NOT_FOUND, f"there is no rule {asked.rule_id}", "rule_id")
        return found

    def _engine(self) -> Engine:
        following = self._deciding.following
        if following is None:
            raise Refusal(Code.SERVICE_ERROR, "logic is starting: its engine is not there yet")
        return following.engine

    def _view(self, rule_id: str, life: Life, version: int | None = None) -> RuleView:
        number = version or life.live or life.newest
        defined = life.versions[number]
        following = self._deciding.following
        known = None if following is None else following.engine.standing(rule_id)
        standing = known or RESTING
        return RuleView(
            rule_id=rule_id,
            rule=defined.rule,
            version=number,
            newest=life.newest,
            live=life.live,
            author=defined.by,
            defined_at=defined.at,
            reason=defined.reason,
            truth=standing.truth,
            active=standing.active,
            blocked_until=standing.blocked_until,
            last_run_at=standing.last_run_at,
            running=standing.running,
            damped=standing.damped,
        )


def _meant(life: Life, asked: RulesQuery) -> bool:
    if asked.enabled is not None and asked.enabled != bool(life.live):
        return False
    return asked.esp_id is None or asked.esp_id in devices_of(life.versions[life.live or life.newest].rule)
