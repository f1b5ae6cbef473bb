"""One actuator as a finite automaton, made by running safety's own functions; and many of them side by side.

What ties the actuators of exclusive groups together is the answer to one question: may another one be on? So the
automaton of one actuator, explored with either answer, is made as small as it can be without changing what others see
of it, and the products of these are explored for every way in which six actuators can be in three groups.
"""

from collections.abc import Iterator
from itertools import combinations_with_replacement, permutations

import msgspec

from kaiser.contracts.events.safeguards import AtMost
from kaiser.safety.exploring import key, wrong
from kaiser.safety.indexing import index_interlocks
from kaiser.safety.model import move, moves
from kaiser.safety.worlds import AROUND, COARSE, Configuration, World, actuator, first_world

STRANGER = actuator(9)
"""Has never said anything, so it may be on."""

ASK, BLOCKED = "switch on", "switch on, while another one may be on"

LOCAL_MOVES = (ASK, "switch off", "report")

LEASE = {"stop lease", "start lease"}
"""Checked with one actuator; in the product, it would only double all states."""


class Automaton(msgspec.Struct, frozen=True):
    """States are numbers, 0 is the first.

    Attributes:
        steps: Of each state, the next one by move; a move that cannot be is not in it.
        possible: Of each, whether safety has to take the actuator for on.
        evident: Of each, whether something says that it is on; it is wherever it is on in fact.
        worlds: How many worlds it stands for.
    """

    steps: list[dict[str, int]]
    possible: list[bool]
    evident: list[bool]
    worlds: int


def automaton(configuration: Configuration) -> Automaton:
    """The automaton of the one actuator of a configuration.

    Raises:
        AssertionError: It breaks an invariant by itself.
    """
    assert len(configuration.limits) == 1
    configuration = msgspec.structs.replace(configuration, moves=COARSE)
    first = first_world(configuration)
    numbers, worlds, steps = {key(configuration, first): 0}, [first], []
    for world in worlds:  # grows while it is walked through
        row = {}
        for name, after in _steps(configuration, world):
            assert not (fault := wrong(configuration, world, (name, -1), after)), fault
            assert not after.on[0] or after.state.view(actuator(0)).evident
            there = key(configuration, after)
            if there not in numbers:
                numbers[there] = len(worlds)
                worlds.append(after)
            row[name] = numbers[there]
        steps.append(row)
    views = [world.state.view(actuator(0)) for world in worlds]
    return _smallest([(view.possible, view.evident) for view in views], steps)


def _steps(configuration: Configuration, world: World) -> Iterator[tuple[str, World]]:
    for what in moves(configuration, world):
        yield what[0], move(world, what)
    yield BLOCKED, _blocked(world)


def _blocked(world: World) -> World:
    asked = world.copy()
    asked.state.interlocks["group"] = AtMost(1, (actuator(0), STRANGER))
    index_interlocks(asked.state)
    after = move(asked, (ASK, 0))
    assert "approved" not in after.last
    del after.state.interlocks["group"]
    index_interlocks(after.state)
    return after


def _smallest(labels: list[tuple[bool, bool]], steps: list[dict[str, int]]) -> Automaton:
    """States that nobody could tell apart by labels and moves become one."""
    part, count = labels, 0
    while len(set(part)) != count:
        count = len(set(part))
        names: dict[object, int] = {}
        part = [
            names.setdefault((part[n], *sorted((m, part[t]) for m, t in row.items())), len(names))
            for n, row in enumerate(steps)
        ]
    rows = dict(zip(reversed(part), reversed(steps), strict=True))
    seen = dict(zip(part, labels, strict=True))
    return Automaton(
        steps=[{m: part[t] for m, t in rows[p].items()} for p in range(count)],
        possible=[seen[p][0] for p in range(count)],
        evident=[seen[p][1] for p in range(count)],
        worlds=len(steps),
    )


def groupings(actuators: int, groups: int) -> list[tuple[int, ...]]:
    """Every way in which actuators can be in groups, but for names: of each actuator the groups that it is in, as bits.

    An actuator in no group concerns nobody, and a group of one is none; fewer actuators are among them, as those that
    nobody ever switches on.
    """
    found = set()
    for bits in combinations_with_replacement(range(1, 1 << groups), actuators):
        if all(sum(b >> g & 1 for b in bits) != 1 for g in range(groups)):
            found.add(min(tuple(sorted(_renamed(b, order) for b in bits)) for order in permutations(range(groups))))
    return sorted(found)


def _renamed(bits: int, order: tuple[int, ...]) -> int:
    return sum((bits >> old & 1) << new for old, new in enumerate(order))


AROUND_MOVES = tuple(name for name in AROUND if name not in LEASE)

Deltas = tuple[int, ...]


class Kind(msgspec.Struct, frozen=True, array_like=True):
    """What the actuators of one kind can do from a multiset of states, as what is added to the number of the product.

    Attributes:
        possible: Whether one of them may be on.
        on: How many are on.
        free: Moves of one of them while no other kind that they share a group with may be on.
        blocked: The same while one may.
        around: Of each move that happens to all of them, None where it cannot be.
    """

    possible: bool
    on: int
    free: Deltas
    blocked: Deltas
    around: tuple[int | None, ...]


class Product:
    """Automata side by side; those in the same groups are of one kind, and interchangeable.

    A state is one number: of each kind the number of the multiset of its states, in a radix that none exceeds.
    """

    def __init__(self, one: Automaton, grouping: tuple[int, ...], radix: int = 1 << 16) -> None:
        self.one, self.grouping, self.radix = one, grouping, radix
        self.kinds = sorted(set(grouping))
        self.sets = [[(0,) * grouping.count(kind)] for kind in self.kinds]
        self.numbers = [{sets[0]: 0} for sets in self.sets]
        self.known: list[dict[int, Kind]] = [{} for _ in self.kinds]

    def explore(self) -> tuple[int, int]:
        """Number of states and transitions.

        Raises:
            AssertionError: Two of a group are on.
        """
        rivals = [
            (j, [i for i, other in enumerate(self.kinds) if i != j and other & kind])
            for j, kind in enumerate(self.kinds)
        ]
        shared = [(i, j) for j, those in rivals for i in those if i < j]
        seen, ahead, transitions = {0}, [0], 0
        while ahead:
            state = ahead.pop()
            here = self._here(state)
            assert all(kind.on <= 1 for kind in here), self.grouping
            assert not any(here[i].on and here[j].on for i, j in shared), self.grouping
            nexts = [
                state + delta
                for j, those in rivals
                for delta in (here[j].blocked if any(here[i].possible for i in those) else here[j].free)
            ]
            together = zip(*(kind.around for kind in here), strict=True)
            nexts += [state + sum(deltas) for deltas in together if None not in deltas]
            transitions += len(nexts)
            fresh = set(nexts) - seen
            seen |= fresh
            ahead += fresh
        return len(seen), transitions

    def _here(self, state: int) -> list[Kind]:
        here = []
        for j, known in enumerate(self.known):
            state, number = divmod(state, self.radix)
            here.append(known[number] if number in known else self._learn(j, number))
        return here

    def _learn(self, j: int, number: int) -> Kind:
        states, weight, steps = self.sets[j][number], self.radix**j, self.one.steps
        common = [
            (self._number(j, [steps[x][name] for x in states]) - number) * weight
            if all(name in steps[x] for x in states)
            else None
            for name in AROUND_MOVES
        ]
        kind = self.known[j][number] = Kind(
            any(self.one.possible[x] for x in states),
            sum(self.one.evident[x] for x in states),
            self._moved(j, number, blocked=False),
            self._moved(j, number, blocked=True),
            tuple(common),
        )
        return kind

    def _moved(self, j: int, number: int, *, blocked: bool) -> Deltas:
        states, found = self.sets[j][number], set()
        for at, x in enumerate(states):
            others = [*states[:at], *states[at + 1 :]]
            held = blocked or any(self.one.possible[y] for y in others)
            for name in LOCAL_MOVES:
                there = self.one.steps[x].get(BLOCKED if held and name == ASK else name, x)
                found.add((self._number(j, [*others, there]) - number) * self.radix**j)
        return tuple(found - {0})

    def _number(self, j: int, states: list[int]) -> int:
        these = tuple(sorted(states))
        if these not in self.numbers[j]:
            self.numbers[j][these] = len(self.sets[j])
            self.sets[j].append(these)
            assert len(self.sets[j]) < self.radix
        return self.numbers[j][these]
