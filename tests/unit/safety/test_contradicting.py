"""Interlocks that contradict each other are found, with the way into it; and the exploration says the same."""

import itertools

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kaiser.contracts.events.safeguards import ActuatorRef, AtMost, Limits, OnlyWhile, PowerBudget, Rule, SensorBand
from kaiser.safety.contradicting import contradiction, contradiction_of_limits, first_contradiction, never_on
from kaiser.safety.exploring import explore
from kaiser.safety.worlds import TICK_S, ZONE, Configuration, actuator, first_world

from .builders import ESP, FAN, HEATER, LAMP, PUMP, SENSOR, Site

A, B, C = (f"{ESP}/{ref.gpio}" for ref in (PUMP, HEATER, FAN))


def test_two_that_wait_for_each_other_can_neither_be_the_first():
    site = Site()
    site.interlock(OnlyWhile(PUMP, HEATER), "first")
    found = contradiction(site.state, "second", OnlyWhile(HEATER, PUMP))
    assert found is not None
    assert found.trace == (
        "everything is off",
        f"{A} is rejected by first, for {B} is not on",
        f"{B} is rejected by second, for {A} is not on",
        f"which leads back to {A}: none of them can be the first",
    )
    assert found.ref == PUMP
    assert found.interlock_id == "second"
    assert found.detail().startswith(f"{A} could never be on: everything is off; ")


def test_one_that_waits_for_itself_can_never_be_on():
    found = contradiction(Site().state, "x", OnlyWhile(PUMP, PUMP))
    assert found is not None
    assert "leads back" in found.detail()


def test_a_circle_of_three_and_what_hangs_on_it_is_found():
    site = Site()
    site.interlock(OnlyWhile(PUMP, HEATER), "a")
    site.interlock(OnlyWhile(HEATER, FAN), "b")
    assert contradiction(site.state, "c", OnlyWhile(LAMP, PUMP)) is None
    found = contradiction(site.state, "c", OnlyWhile(FAN, PUMP))
    assert found is not None
    assert len(found.trace) == 5


def test_one_that_needs_what_it_may_not_be_on_with_can_never_be_on():
    site = Site()
    site.interlock(OnlyWhile(PUMP, HEATER), "needs")
    found = contradiction(site.state, "never-both", AtMost(1, (PUMP, HEATER)))
    assert found is not None
    assert (found.ref, found.interlock_id) == (PUMP, "never-both")
    assert found.trace == (
        "everything is off",
        f"{B} is switched on, which needs wants for {A}",
        f"{A} is to be switched on",
        f"never-both rejects it, for of {A}, {B} at most 1 may be on",
    )
    site.interlock(None, "needs")
    assert contradiction(site.state, "never-both", AtMost(1, (PUMP, HEATER))) is None


def test_what_one_needs_may_be_at_odds_among_themselves():
    site = Site()
    site.interlock(OnlyWhile(PUMP, HEATER), "a")
    site.interlock(OnlyWhile(PUMP, FAN), "b")
    assert contradiction(site.state, "c", AtMost(2, (PUMP, HEATER, LAMP))) is None
    found = contradiction(site.state, "c", AtMost(1, (HEATER, FAN)))
    assert found is not None
    assert found.ref == PUMP


def test_a_requirement_of_a_requirement_counts():
    site = Site()
    site.interlock(OnlyWhile(PUMP, HEATER), "a")
    site.interlock(OnlyWhile(HEATER, FAN), "b")
    assert contradiction(site.state, "c", AtMost(2, (PUMP, HEATER, LAMP))) is None
    found = contradiction(site.state, "c", AtMost(2, (PUMP, HEATER, FAN)))
    assert found is not None
    assert found.trace[1:3] == (
        f"{C} is switched on, which b wants for {B}",
        f"{B} is switched on, which a wants for {A}",
    )


def test_a_budget_below_the_power_of_one_is_refused():
    site = Site()
    site.limits(HEATER, power_w=2000)
    assert contradiction(site.state, "p", PowerBudget("north", 2000)) is None
    found = contradiction(site.state, "p", PowerBudget("north", 1999))
    assert found is not None
    assert found.ref == HEATER
    assert found.trace[-1] == "p rejects it, for they draw 2000 W at least, and zone north may draw 1999 W"
    assert contradiction(site.state, "p", PowerBudget("south", 1999)) is None


@pytest.mark.parametrize(("ref", "watts"), [(LAMP, 4), (FAN, 500), (PUMP, 1000)])
def test_a_budget_has_to_be_enough_for_the_lowest_level(ref, watts):
    site = Site()
    site.limits(ref, power_w=1000)
    assert contradiction(site.state, "p", PowerBudget("north", watts)) is None
    assert contradiction(site.state, "p", PowerBudget("north", watts - 1)) is not None


def test_the_lowest_level_is_that_of_the_limits():
    site = Site()
    site.limits(LAMP, power_w=1000, min_level=0.3)
    assert contradiction(site.state, "p", PowerBudget("north", 300)) is None
    assert contradiction(site.state, "p", PowerBudget("north", 299)) is not None


def test_a_budget_has_to_be_enough_for_what_is_needed_together():
    site = Site()
    site.limits(HEATER, power_w=600)
    site.limits(PUMP, power_w=600)
    site.interlock(PowerBudget("north", 1000), "p")
    found = contradiction(site.state, "x", OnlyWhile(HEATER, PUMP))
    assert found is not None
    assert found.interlock_id == "p"


def test_a_band_that_holds_nothing_is_refused():
    assert contradiction(Site().state, "s", SensorBand(PUMP, SENSOR, 5, 5)) is None
    found = contradiction(Site().state, "s", SensorBand(PUMP, SENSOR, 6, 5))
    assert found is not None
    assert "6 at least and 5 at most" in found.trace[-1]


def test_bands_of_what_is_needed_together_have_to_meet():
    site = Site()
    site.interlock(SensorBand(PUMP, SENSOR, 20, None), "hot")
    site.interlock(OnlyWhile(PUMP, FAN), "needs")
    assert contradiction(site.state, "cold", SensorBand(FAN, SENSOR, None, 20)) is None
    assert contradiction(site.state, "cold", SensorBand(LAMP, SENSOR, None, 19)) is None
    found = contradiction(site.state, "cold", SensorBand(FAN, SENSOR, None, 19))
    assert found is not None
    assert found.ref == PUMP


def test_what_has_to_be_on_for_longer_than_it_may_be_is_refused():
    site = Site()
    site.limits(FAN, max_on_s=60)
    assert contradiction(site.state, "x", OnlyWhile(HEATER, FAN, 59)) is None
    found = contradiction(site.state, "x", OnlyWhile(HEATER, FAN, 60))
    assert found is not None
    assert found.trace[-1] == f"x rejects it, for {C} has to be on for 60 s before, and may be on for 60 s"
    site.limits(FAN, max_on_s=None)
    assert contradiction(site.state, "x", OnlyWhile(HEATER, FAN, 86_400)) is None


def test_times_add_up_along_a_chain():
    site = Site()
    site.limits(FAN, max_on_s=60)
    site.interlock(OnlyWhile(PUMP, HEATER, 30), "a")
    assert contradiction(site.state, "b", OnlyWhile(HEATER, FAN, 29)) is None
    assert contradiction(site.state, "b", OnlyWhile(HEATER, FAN, 30)) is not None


def test_limits_may_contradict_interlocks_too():
    site = Site()
    site.interlock(OnlyWhile(HEATER, FAN, 60), "x")
    site.interlock(PowerBudget("north", 1000), "p")
    assert contradiction_of_limits(site.state, FAN, Limits(max_on_s=61)) is None
    assert contradiction_of_limits(site.state, FAN, Limits(max_on_s=60)) is not None
    assert contradiction_of_limits(site.state, PUMP, Limits(power_w=1001)) is not None
    assert contradiction_of_limits(site.state, PUMP, None) is None
    assert site.state.guard(FAN).limits is None


def test_interlocks_of_others_are_nobodys_fault():
    site = Site()
    site.interlock(OnlyWhile(PUMP, PUMP), "old")
    assert contradiction(site.state, "new", OnlyWhile(HEATER, FAN)) is None
    assert first_contradiction(site.state, site.state.interlocks, [PUMP]) is not None


def test_a_long_chain_is_looked_at_to_its_end():
    site = Site()
    refs = [ActuatorRef("ESP_000001", i) for i in range(300)]
    for i, (ref, needs) in enumerate(itertools.pairwise(refs)):
        site.state.interlocks[f"i{i:04}"] = OnlyWhile(ref, needs)
    assert contradiction(site.state, "x", OnlyWhile(refs[-1], FAN)) is None
    found = contradiction(site.state, "x", OnlyWhile(refs[-1], refs[0]))
    assert found is not None
    assert len(found.trace) == 302


ticks = st.sampled_from([0, TICK_S, 2 * TICK_S])


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    count = draw(st.integers(2, 3))
    one = st.integers(0, count - 1).map(actuator)
    rule: st.SearchStrategy[Rule] = st.one_of(
        st.builds(OnlyWhile, one, one, ticks),
        st.builds(AtMost, st.just(1), st.lists(one, min_size=2, max_size=count, unique=True).map(tuple)),
        st.builds(PowerBudget, st.just(ZONE), st.sampled_from([1.0, 2.0, 3.0])),
    )
    rules = draw(st.lists(rule, min_size=1, max_size=4))
    limits = st.builds(
        Limits, max_on_s=st.sampled_from([TICK_S, 2 * TICK_S, None]), power_w=st.sampled_from([0.0, 1.0, 2.0])
    )
    return Configuration(
        limits=tuple(draw(limits) for _ in range(count)),
        interlocks={f"i{i}": each for i, each in enumerate(rules)},
        moves=("switch on", "report", "tick"),
    )


@settings(max_examples=40, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@given(configurations())
def test_what_can_be_on_by_reasoning_can_be_on_by_exploration_and_nothing_else(configuration):
    world = first_world(configuration)
    impossible = {
        i
        for i in range(len(configuration.limits))
        if never_on(world.state, configuration.interlocks, actuator(i)) is not None
    }
    explored = explore(configuration, at_most=4000)
    assert explored.violation == "", explored.trace
    assert not explored.was_on & impossible
    if explored.complete:
        assert explored.was_on | impossible == set(range(len(configuration.limits)))
