"""What people order about rules. Any instance answers: the log says who came first."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.events.logic import RuleFact
from kaiser.contracts.logic import DefineRule, DisableRule, EnableRule, ImportRules, RemoveRule, RuleDecided
from kaiser.contracts.refusals import Fault, Refusal, refusal_of
from kaiser.contracts.rules import Rule
from kaiser.eventlog import ConcurrencyConflict, Executed, new_id
from kaiser.logic import definitions, monolith, texts, validating
from kaiser.logic.conditions import Evaluator
from kaiser.logic.definitions import UNBORN, Life
from kaiser.logic.rules import Rules
from kaiser.logic.site import Surroundings
from kaiser.logic.validating import Site

Values = dict[str, Any]  # JSON values of a rule

MOST_AT_ONCE: Final = 500
"""Each is two events, and the server takes a thousand as one."""


class Orders:
    """Executes what people order.

    Args:
        rules: All rules.
        surroundings: What there is to watch and to switch.
        plugins: Conditions of others.
        gated: Whether a version needs a backtest to go live.
        time_zone: Of rules of the monolith.
    """

    def __init__(
        self,
        rules: Rules,
        surroundings: Surroundings,
        plugins: Mapping[str, Evaluator],
        *,
        gated: bool,
        time_zone: str,
    ) -> None:
        self._rules = rules
        self._surroundings = surroundings
        self._plugins = plugins
        self._gated = gated
        self._time_zone = time_zone

    async def define(self, order: DefineRule, now: int) -> RuleDecided:
        """Make a rule, or a new version of it.

        Raises:
            Refusal: RULE_INVALID, RULE_NOT_FOUND, RULE_CHANGED, BACKTEST_REQUIRED.
        """
        site, faults = await self._surroundings.around(order.rule, self._rules.written(order.rule_id))
        values, notes = self._values(order, site)
        rule, found = self._checked(order.rule_id, values, site)
        faults += [*notes, *found]
        checked = _valid(rule, faults)
        if order.dry:
            return self._as_it_is(order.rule_id, faults)
        done = _with_correlation(order)
        return await self._execute(
            done.rule_id,
            lambda life: definitions.define(life, done, checked, now=now, gated=self._gated),
            done.correlation_id,
            faults,
        )

    async def enable(self, order: EnableRule, now: int) -> RuleDecided:
        """Let a version go live.

        Raises:
            Refusal: RULE_NOT_FOUND, BACKTEST_NOT_FOUND, BACKTEST_REQUIRED.
        """
        done = _with_correlation(order)
        return await self._execute(
            done.rule_id,
            lambda life: definitions.enable(life, done, now=now, gated=self._gated),
            done.correlation_id,
        )

    async def disable(self, order: DisableRule, now: int) -> RuleDecided:
        """Let a rule rest.

        Raises:
            Refusal: RULE_NOT_FOUND.
        """
        done = _with_correlation(order)
        return await self._execute(
            done.rule_id, lambda life: definitions.disable(life, done, now=now), done.correlation_id
        )

    async def remove(self, order: RemoveRule, now: int) -> RuleDecided:
        """Take a rule away.

        Raises:
            Refusal: RULE_NOT_FOUND.
        """
        done = _with_correlation(order)
        return await self._execute(
            done.rule_id, lambda life: definitions.remove(life, done, now=now), done.correlation_id
        )

    async def import_all(self, order: ImportRules, now: int) -> list[RuleDecided]:
        """Define many rules from YAML: all of them, or none.

        Raises:
            Refusal: RULE_INVALID, with the faults; VALUE_OUT_OF_RANGE for too many; RULE_NOT_FOUND for one that is
                gone, BACKTEST_REQUIRED.
        """
        try:
            values = texts.load(order.text)
        except texts.TextError as error:
            raise refusal_of(Code.RULE_INVALID, [error.fault]) from None
        if len(values) > MOST_AT_ONCE:
            raise Refusal(Code.VALUE_OUT_OF_RANGE, f"at most {MOST_AT_ONCE} rules come at once", "text")
        correlation_id = order.correlation_id or new_id()
        site, unchecked = await self._surroundings.around(values, self._rules.written())
        rules = {rule_id: validating.read(each) for rule_id, each in values.items()}
        readable = {rule_id: rule for rule_id, rule in rules.items() if isinstance(rule, Rule)}
        faults: dict[str, list[Fault]] = {}
        for rule_id, rule in rules.items():
            others = {name: each for name, each in {**site.rules, **readable}.items() if name != rule_id}
            around = msgspec.structs.replace(site, rules=others)
            faults[rule_id] = (
                [rule] if isinstance(rule, Fault) else validating.check(rule_id, rule, around, self._plugins)
            )
            await asyncio.sleep(0)  # rules that are live go on meanwhile
        wrong = [_within(rule_id, fault) for rule_id, found in faults.items() for fault in found if _grave(fault)]
        if wrong:
            raise refusal_of(Code.RULE_INVALID, wrong)
        if order.dry:
            return [self._as_it_is(rule_id, [*unchecked, *found]) for rule_id, found in faults.items()]
        about = {"by": order.by, "correlation_id": correlation_id, "enable": order.enable, "reason": order.reason}
        decides = {
            rule_id: self._defining(DefineRule(rule_id=rule_id, rule={}, **about), rule, now)  # type: ignore[arg-type]  # of three types
            for rule_id, rule in readable.items()
        }
        try:
            done = await self._rules.execute_all(decides)
        except ConcurrencyConflict as conflict:
            raise Refusal(Code.SERVICE_ERROR, "rules are written all the time; try again") from conflict
        return [
            _decided(rule_id, executed, correlation_id, [*unchecked, *faults[rule_id]])
            for rule_id, executed in done.items()
        ]

    def _as_it_is(self, rule_id: str, faults: list[Fault]) -> RuleDecided:
        life = self._rules.lives.get(rule_id, UNBORN)
        return RuleDecided(rule_id=rule_id, version=life.newest, live=life.live, warnings=faults)

    def _defining(self, order: DefineRule, rule: Rule, now: int) -> Callable[[Life], Sequence[RuleFact]]:
        return lambda life: definitions.define(life, order, rule, now=now, gated=self._gated)

    def _values(self, order: DefineRule, site: Site) -> tuple[Values, list[Fault]]:
        if not order.monolith:
            return order.rule, []
        try:
            converted = monolith.convert(order.rule, site, time_zone=self._time_zone)
        except monolith.MonolithError as error:
            raise refusal_of(Code.RULE_INVALID, [error.fault]) from None
        return converted.rule, converted.notes

    def _checked(self, rule_id: str, values: Values, site: Site) -> tuple[Rule | None, list[Fault]]:
        rule = validating.read(values)
        if isinstance(rule, Fault):
            return None, [rule]
        return rule, validating.check(rule_id, rule, site, self._plugins)

    async def _execute(
        self,
        rule_id: str,
        decide: Callable[[Life], Sequence[RuleFact]],
        correlation_id: str,
        faults: Sequence[Fault] = (),
    ) -> RuleDecided:
        try:
            executed = await self._rules.execute(rule_id, decide)
        except ConcurrencyConflict as conflict:
            raise Refusal(Code.SERVICE_ERROR, "the rule is written all the time; try again") from conflict
        return _decided(rule_id, executed, correlation_id, faults)


def _decided(
    rule_id: str, executed: Executed[Life, RuleFact], correlation_id: str, faults: Sequence[Fault]
) -> RuleDecided:
    life = executed.state
    return RuleDecided(
        rule_id=rule_id,
        version=life.newest,
        live=life.live,
        warnings=list(faults),
        seq=executed.last_seq,
        correlation_id=correlation_id,
    )


def _valid(rule: Rule | None, faults: Sequence[Fault]) -> Rule:
    grave = [fault for fault in faults if _grave(fault)]
    if grave or rule is None:
        raise refusal_of(Code.RULE_INVALID, grave)
    return rule


def _grave(fault: Fault) -> bool:
    return fault.weight == "error"


def _within(rule_id: str, fault: Fault) -> Fault:
    """A fault of one rule of several."""
    path = ".".join(filter(None, ("rules", rule_id, fault.path)))
    return msgspec.structs.replace(fault, path=path)


def _with_correlation(order: Any) -> Any:  # an order about a rule, of the same type
    return order if order.correlation_id else msgspec.structs.replace(order, correlation_id=new_id())
