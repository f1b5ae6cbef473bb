"""D4: the interlocks that run are explored exhaustively, and what is wrong is found with the way into it."""

import random

import pytest

from kaiser.contracts.events.safeguards import AtMost, Limits, OnlyWhile, PowerBudget
from kaiser.safety.exploring import explore, wrong
from kaiser.safety.interlocks import why_not
from kaiser.safety.model import move, moves
from kaiser.safety.state import View
from kaiser.safety.worlds import AROUND, COARSE, FINE, TICK_S, ZONE, Configuration, actuator, first_world

from .automaton import ASK, BLOCKED, LEASE, Automaton, Product, automaton, groupings

ONE_TICK = Limits(max_on_s=TICK_S)
PAUSING = Limits(max_on_s=2 * TICK_S, min_off_s=TICK_S)
OFF, ON, UNKNOWN = (
    View(known=True, possible=False, level=0.0),
    View(known=True, possible=True, evident=True, since=1),
    View(),
)


@pytest.fixture(scope="module")
def one() -> Automaton:
    return automaton(Configuration(limits=(ONE_TICK,)))


def interlocks(grouping: tuple[int, ...], groups: int = 3) -> dict[str, AtMost]:
    members = {f"g{g}": tuple(actuator(i) for i, bits in enumerate(grouping) if bits >> g & 1) for g in range(groups)}
    return {name: AtMost(1, refs) for name, refs in members.items() if refs}


def test_there_are_as_many_ways_to_be_in_three_groups_as_there_should_be():
    assert groupings(2, 1) == [(1, 1)]
    assert groupings(3, 2) == [(1, 1, 1), (1, 2, 3), (1, 3, 3), (3, 3, 3)]
    assert len(groupings(6, 3)) == 152


def test_six_actuators_in_three_groups_never_break_an_invariant_whatever_happens(one):
    worlds = transitions = 0
    for grouping in groupings(6, 3):
        states, steps = Product(one, grouping).explore()
        worlds, transitions = worlds + states, transitions + steps
    assert worlds > 1_000_000
    assert transitions > 10_000_000


def test_whether_another_one_may_be_on_is_all_that_an_exclusive_group_asks():
    for grouping in groupings(6, 3):
        world = first_world(Configuration(limits=(ONE_TICK,) * 6, interlocks=interlocks(grouping)))
        state = world.state
        for mask in range(64):
            for i in range(6):
                state.views[actuator(i)] = (ON if i % 2 else UNKNOWN) if mask >> i & 1 else OFF
            for i, bits in enumerate(grouping):
                others = any(mask >> j & 1 and grouping[j] & bits for j in range(6) if j != i)
                assert (why_not(state, actuator(i), 1.0, world.now) is not None) is others


@pytest.mark.parametrize("grouping", [(1, 1, 1), (1, 3, 2), (3, 3, 1), (5, 3, 6)])
def test_the_product_of_automata_does_what_the_actuators_do_together(one, grouping):
    configuration = Configuration(limits=(ONE_TICK,) * 3, interlocks=interlocks(grouping), moves=COARSE)
    rng = random.Random(str(grouping))
    world, states = first_world(configuration), [0, 0, 0]
    for _ in range(1500):
        what = rng.choice(moves(configuration, world))
        name, i = what
        if name == ASK:
            rivals = [j for j in range(3) if j != i and grouping[j] & grouping[i]]
            name = BLOCKED if any(one.possible[states[j]] for j in rivals) else ASK
        before, world = world, move(world, what)
        assert not wrong(configuration, before, what, world)
        for j in range(3):
            if name in AROUND or i == j:
                states[j] = one.steps[states[j]][name]
            view = world.state.view(actuator(j))
            assert (view.possible, view.evident) == (one.possible[states[j]], one.evident[states[j]]), what


@pytest.mark.parametrize(("limits", "kinds"), [(ONE_TICK, FINE), (PAUSING, COARSE), (Limits(max_on_s=None), COARSE)])
def test_one_actuator_never_breaks_an_invariant_whatever_happens_to_every_message(limits, kinds):
    explored = explore(Configuration(limits=(limits,), moves=tuple(name for name in kinds if name not in LEASE)))
    assert explored.complete
    assert explored.violation == "", explored.trace
    assert explored.worlds > 1000


@pytest.mark.parametrize(
    "rules",
    [
        {"never-both": AtMost(1, (actuator(0), actuator(1)))},
        {"needs": OnlyWhile(actuator(0), actuator(1))},
        {"needs-long": OnlyWhile(actuator(0), actuator(1), TICK_S)},
        {"power": PowerBudget(ZONE, 1.5)},
    ],
)
def test_two_actuators_and_an_interlock_break_no_invariant_as_far_as_it_is_looked_at(rules):
    limits = Limits(max_on_s=2 * TICK_S, power_w=1)
    for named in (FINE, COARSE):
        explored = explore(Configuration(limits=(limits, limits), interlocks=rules, moves=named), at_most=3000)
        assert explored.violation == "", explored.trace


def test_all_worlds_of_two_exclusive_actuators_are_seen_one_by_one():
    names = ("switch on", "switch off", "report", "emergency", "release", "tick")
    for rules in (
        {"never-both": AtMost(1, (actuator(0), actuator(1)))},
        {"needs": OnlyWhile(actuator(0), actuator(1))},
    ):
        explored = explore(Configuration(limits=(ONE_TICK, ONE_TICK), interlocks=rules, moves=names))
        assert explored.complete
        assert explored.violation == "", explored.trace
        assert explored.was_on == {0, 1}


def test_what_is_wrong_is_told_with_the_shortest_way_into_it():
    def both(configuration, before, what, after):
        return "both are on" if all(after.on) else ""

    explored = explore(Configuration(limits=(ONE_TICK, ONE_TICK), moves=COARSE), check=both)
    assert explored.violation == "both are on"
    assert explored.trace == (
        "switch on ESP_00000A/0: ON approved clear",
        "switch on ESP_00000A/1: ON approved clear",
    )
    assert not explored.complete
