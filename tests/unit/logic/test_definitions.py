"""The life of a rule: versions that never change, one of which may be live."""

import pytest

from kaiser.contracts.events.logic import RuleBacktested, RuleDefined, RuleEnabled
from kaiser.contracts.logic import DefineRule, DisableRule, EnableRule, RemoveRule
from kaiser.contracts.refusals import Refusal
from kaiser.logic import definitions
from kaiser.logic.definitions import UNBORN, evolve, folded

from .builders import NOON, below, rule

WHO = {"rule_id": "r", "by": "admin", "correlation_id": "c"}


def defining(life, tried, gated=False, **fields):
    return definitions.define(life, DefineRule(**WHO, rule={}, **fields), tried, now=NOON, gated=gated)


def enabling(life, gated=False, **fields):
    return definitions.enable(life, EnableRule(**WHO, **fields), now=NOON, gated=gated)


@pytest.fixture
def two():
    first = defining(UNBORN, rule(below(30.0)), enable=True)
    return folded([*first, *defining(folded(first), rule(below(31.0)))])


def test_a_change_is_a_new_version_that_is_not_live(two) -> None:
    assert (two.newest, two.live) == (2, 1)
    assert two.versions[1].rule == rule(below(30.0))


def test_the_same_rule_again_is_nothing_new(two) -> None:
    assert defining(two, rule(below(31.0))) == []


def test_defining_may_enable_at_once() -> None:
    events = defining(UNBORN, rule(below(30.0)), enable=True)
    assert [type(event) for event in events] == [RuleDefined, RuleEnabled]


def test_an_author_who_knew_another_version_is_told(two) -> None:
    with pytest.raises(Refusal, match="version 2 is the newest"):
        defining(two, rule(below(5.0)), expected_version=1)


def test_any_version_may_go_live_and_the_same_one_twice_is_nothing(two) -> None:
    (event,) = enabling(two)
    assert event.version == 2
    assert enabling(evolve(two, event)) == []
    assert enabling(evolve(two, event), version=1)[0].version == 1


def test_where_a_backtest_is_asked_for_a_version_needs_its_own_or_a_reason(two) -> None:
    with pytest.raises(Refusal) as refused:
        enabling(two, gated=True)
    assert refused.value.code == "BACKTEST_REQUIRED"
    with pytest.raises(Refusal) as refused:
        defining(two, rule(below(5.0)), gated=True, enable=True)
    assert refused.value.code == "BACKTEST_REQUIRED"
    tried = evolve(
        two,
        RuleBacktested(rule_id="r", at=NOON, by="a", version=2, backtest_id="bt", start=0, end=1, digest="", runs=0),
    )
    assert enabling(tried, gated=True, backtest_id="bt")[0].backtest_id == "bt"
    with pytest.raises(Refusal) as refused:
        enabling(tried, gated=True, version=1, backtest_id="bt")
    assert refused.value.code == "BACKTEST_NOT_FOUND"
    assert enabling(two, gated=True, override="frost tonight")[0].override == "frost tonight"


def test_a_rule_rests_and_goes_and_its_id_is_not_used_again(two) -> None:
    (rested,) = definitions.disable(two, DisableRule(**WHO), now=NOON)
    resting = evolve(two, rested)
    assert definitions.disable(resting, DisableRule(**WHO), now=NOON) == []
    gone = folded([*two.versions.values(), *definitions.remove(two, RemoveRule(**WHO), now=NOON)])
    for attempt in (
        lambda: defining(gone, rule(below(1.0))),
        lambda: enabling(gone),
        lambda: definitions.remove(gone, RemoveRule(**WHO), now=NOON),
        lambda: definitions.disable(UNBORN, DisableRule(**WHO), now=NOON),
    ):
        with pytest.raises(Refusal) as refused:
            attempt()
        assert refused.value.code == "RULE_NOT_FOUND"
