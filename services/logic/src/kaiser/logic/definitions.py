"""The life of one rule: versions that never change, one of which may be live. Pure: ``decide`` and ``evolve``."""

from collections.abc import Iterable
from typing import Any

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.events.logic import (
    RuleBacktested,
    RuleDefined,
    RuleDisabled,
    RuleEnabled,
    RuleFact,
    RuleRemoved,
)
from kaiser.contracts.logic import DefineRule, DisableRule, EnableRule, RemoveRule
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.rules import Rule


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a rule so far.

    Attributes:
        versions: Definitions by number.
        live: Version that is live; 0 for none.
        backtests: Version by id of a backtest.
        removed: Whether it is gone.
    """

    versions: dict[int, RuleDefined] = {}
    live: int = 0
    backtests: dict[str, int] = {}
    removed: bool = False

    @property
    def newest(self) -> int:
        """The newest version; 0 for none."""
        return max(self.versions, default=0)


UNBORN = Life()


def evolve(life: Life, event: RuleFact) -> Life:
    """What became of it after an event."""
    replace = msgspec.structs.replace
    match event:
        case RuleDefined(version=version):
            return replace(life, versions={**life.versions, version: event}, removed=False)
        case RuleEnabled(version=version):
            return replace(life, live=version)
        case RuleDisabled():
            return replace(life, live=0)
        case RuleRemoved():
            return replace(life, live=0, removed=True)
        case RuleBacktested(backtest_id=backtest_id, version=version):
            return replace(life, backtests={**life.backtests, backtest_id: version})


def folded(events: Iterable[RuleFact]) -> Life:
    """What became of it after all of them."""
    life = UNBORN
    for event in events:
        life = evolve(life, event)
    return life


def define(life: Life, order: DefineRule, rule: Rule, *, now: int, gated: bool) -> list[RuleFact]:
    """A new version; live at once where that is asked for and no backtest is.

    Args:
        life: What became of the rule so far.
        order: As it was asked for.
        rule: The rule in it, checked.
        now: Unix microseconds.
        gated: Whether a version needs a backtest to go live.

    Raises:
        Refusal: RULE_NOT_FOUND for one that is gone, RULE_CHANGED where the author knew another version,
            BACKTEST_REQUIRED.
    """
    if life.removed:
        raise Refusal(Code.RULE_NOT_FOUND, f"rule {order.rule_id} was removed; its id is not used again")
    if order.expected_version is not None and order.expected_version != life.newest:
        words = f"version {life.newest} is the newest, not {order.expected_version}"
        raise Refusal(Code.RULE_CHANGED, words, "expected_version")
    if order.enable and gated:
        raise Refusal(Code.BACKTEST_REQUIRED, "define it, try it on the past, and enable it with that", "enable")
    newest = life.versions.get(life.newest)
    version, events = life.newest, list[RuleFact]()
    if newest is None or newest.rule != rule:
        version += 1
        about = _about(order, now)
        events.append(RuleDefined(version=version, rule=rule, reason=order.reason, **about))
    if order.enable and life.live != version:
        events.append(RuleEnabled(version=version, **_about(order, now)))
    return events


def enable(life: Life, order: EnableRule, *, now: int, gated: bool) -> list[RuleFact]:
    """Let a version go live; nothing where it is.

    Raises:
        Refusal: RULE_NOT_FOUND, BACKTEST_NOT_FOUND, BACKTEST_REQUIRED.
    """
    _there(life, order.rule_id)
    version = order.version or life.newest
    if version not in life.versions:
        raise Refusal(Code.RULE_NOT_FOUND, f"there is no version {version}", "version")
    if order.backtest_id and life.backtests.get(order.backtest_id) != version:
        words = f"there is no backtest {order.backtest_id} of version {version}"
        raise Refusal(Code.BACKTEST_NOT_FOUND, words, "backtest_id")
    if gated and not order.backtest_id and not order.override:
        words = f"version {version} needs a backtest to go live, or a reason for going without"
        raise Refusal(Code.BACKTEST_REQUIRED, words, "backtest_id")
    if life.live == version:
        return []
    return [RuleEnabled(version=version, backtest_id=order.backtest_id, override=order.override, **_about(order, now))]


def disable(life: Life, order: DisableRule, *, now: int) -> list[RuleFact]:
    """Let it rest; nothing where it does.

    Raises:
        Refusal: RULE_NOT_FOUND.
    """
    _there(life, order.rule_id)
    return [RuleDisabled(reason=order.reason, **_about(order, now))] if life.live else []


def remove(life: Life, order: RemoveRule, *, now: int) -> list[RuleFact]:
    """Take it away.

    Raises:
        Refusal: RULE_NOT_FOUND.
    """
    _there(life, order.rule_id)
    return [RuleRemoved(reason=order.reason, **_about(order, now))]


def tried(life: Life, fact: RuleBacktested) -> list[RuleFact]:
    """A version was tried on the past; nothing where it is gone by now."""
    known = not life.removed and fact.version in life.versions
    return [fact] if known and fact.backtest_id not in life.backtests else []


def _there(life: Life, rule_id: str) -> None:
    if life.removed or not life.versions:
        raise Refusal(Code.RULE_NOT_FOUND, f"there is no rule {rule_id}", "rule_id")


def _about(
    order: DefineRule | EnableRule | DisableRule | RemoveRule, now: int
) -> dict[str, Any]:  # fields of different types
    return {"rule_id": order.rule_id, "at": now, "by": order.by, "correlation_id": order.correlation_id}
