"""``python tests/bench/mutants.py [module ...]``: breaks the guard code in every small way, and counts who notices.

Each mutant differs from the code that runs in one place: another comparison, constant, connective or sign. It is killed
if a test fails with it: first the fast ones of ``tests/unit/safety``, and for what these let live the machine of
hypothesis and the exploration. A mutant that nobody kills is a hole in the tests, or does the same as the code; of the
latter, those that were looked at are named in :data:`THE_SAME`, and do not count.
"""

import ast
import copy
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import hypothesis  # noqa: F401  # so that no child has to load it again
import msgspec  # noqa: F401
import pytest

import kaiser.contracts.events.catalogue
import kaiser.roster  # noqa: F401

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "services/safety/src/kaiser/safety"
TESTS = ROOT / "tests/unit/safety"
MODULES = ("deciding", "interlocks", "watching", "limits", "latching", "views", "outputs", "guards", "hours")
OWN = {"views": "folding", "outputs": "folding", "guards": "folding", "latching": "watching"}
"""Where the tests of a module are, if not in those of its name: they are asked first."""

FAST = ("limits", "deciding", "interlocks", "watching", "folding", "hours")
SLOW = ("machine", "contradicting", "model")
LEFT_OUT = "not six and not one_actuator and not two_actuators and not all_worlds"
"""What takes longest, and sees nothing that the rest does not."""

TIMEOUT_S = 300
TARGET = 0.95
QUIETLY = ("-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
SIGNS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}

THE_SAME: dict[str, str] = {
    "limits: if run.until + window <= at: | run.until + window <= at -> run.until + window < at":
        "what leaves the window now leaves nothing to be counted",
    "limits: if inside > 0: | inside > 0 -> inside >= 0":
        "a run of no length takes nothing away",
    "interlocks: if total <= limit or not state.view(ref).evident_mw: | total <= limit -> total < limit":
        "what is drawn up to one actuator is not more than what all draw",
    "guards: newer = event.request_seq >= guard.approved_seq"
    " | event.request_seq >= guard.approved_seq -> event.request_seq > guard.approved_seq":
        "one request is not approved both as OFF and as ON",
    "hours: LOOK_AHEAD_DAYS: Final = 8 | 8 -> 9":
        "every weekday comes within a week",
    "hours: while utc.astimezone(place).replace(tzinfo=None) < start:"
    " | utc.astimezone(place).replace(tzinfo=None) < start -> utc.astimezone(place).replace(tzinfo=None) <= start":
        "no clock ever shows a time inside of the gap",
    "hours: if start <= at < end: | start <= at < end -> start <= at <= end":
        "it ends where it ends",
    "hours: days = [today + timedelta(days=i) for i in range(-1, LOOK_AHEAD_DAYS)] | 1 -> 2":
        "no span is longer than a day",
    "watching: if stale_at > now: | stale_at > now -> stale_at >= now":
        "what is due now is told by the check that follows",
    "watching: yield ends_at, lambda: limiting.check_duty(limits, runs, view.since, 0, now) | 0 -> 1":
        "it is asked only when the share is used up",
}  # fmt: skip
"""Mutants that do the same as the code, by module, line of code and change; and why."""


class Mutant:
    """One change.

    Attributes:
        name: Module, line and what was changed.
        code: The line as it was, for :data:`THE_SAME`, which must not depend on numbers of lines.
        tree: The module with it.
    """

    def __init__(self, module: str, node: ast.expr, change: str, tree: ast.Module, lines: list[str]) -> None:
        self.module, self.tree = module, tree
        self.name = f"{module}:{node.lineno}: {change}"
        self.code = f"{module}: {lines[node.lineno - 1].strip()} | {change}"


def mutants(module: str) -> Iterator[Mutant]:
    """Every mutant of a module."""
    source = (SOURCES / f"{module}.py").read_text()
    tree, lines = ast.parse(source), source.splitlines()
    nodes = expressions(tree)
    for at, node in enumerate(nodes):
        for number, change in enumerate(changes(node)):
            mutated = copy.deepcopy(tree)
            apply(expressions(mutated)[at], number)
            yield Mutant(module, node, change, mutated, lines)


def expressions(tree: ast.Module) -> list[ast.expr]:
    """Every expression that does something; annotations, decorators and the options of structs do not count."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        declared = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        declared += getattr(node, "decorator_list", []) + (node.keywords if isinstance(node, ast.ClassDef) else [])
        skipped |= {id(each) for part in declared if part is not None for each in ast.walk(part)}
    return [node for node in ast.walk(tree) if isinstance(node, ast.expr) and id(node) not in skipped]


def changes(node: ast.expr) -> list[str]:
    """What can be changed about an expression, in words."""
    before = ast.unparse(node)
    found = []
    number = 0
    while True:
        twin = copy.deepcopy(node)
        if not apply(twin, number):
            return found
        found.append(f"{before} -> {ast.unparse(twin)}")
        number += 1


def apply(node: ast.expr, number: int) -> bool:
    """Make the change of that number in place; whether there is one."""
    options = []
    match node:
        case ast.Compare():
            options = [(i, op) for i, old in enumerate(node.ops) for op in COMPARISONS[type(old)]]
            if number < len(options):
                i, op = options[number]
                node.ops[i] = op()
        case ast.BoolOp():
            options = [None]
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.UnaryOp(op=ast.Not()):
            options = [None]
            node.op = ast.Not()
            node.operand = ast.UnaryOp(op=ast.Not(), operand=node.operand)
        case ast.BinOp() if type(node.op) in SIGNS:
            options = [None]
            node.op = SIGNS[type(node.op)]()
        case ast.Constant(value=bool()):
            options = [None]
            node.value = not node.value
        case ast.Constant(value=int() | float()):
            options = [None]
            node.value = node.value + 1
        case ast.Call(func=ast.Name(id=name)) if name in CALLS:
            options = [None]
            node.func.id = CALLS[name]
    return number < len(options)


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a mutant."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, name: str, path: object, target: object = None) -> object:
        if name != f"kaiser.safety.{self.mutant.module}":
            return None
        return importlib.util.spec_from_loader(name, self, origin=str(SOURCES / f"{self.mutant.module}.py"))

    def create_module(self, spec: object) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.mutant.tree, f"<{self.mutant.name}>", "exec"), module.__dict__)


def lives(mutant: Mutant) -> bool:
    """Whether no test notices."""
    own = OWN.get(mutant.module, mutant.module)
    rest = tuple(name for name in FAST if name != own)
    return passes(mutant, (own,)) and passes(mutant, rest) and passes(mutant, SLOW)


def passes(mutant: Mutant | None, names: tuple[str, ...]) -> bool:
    """Whether all tests of some files pass, in a process of their own."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(TIMEOUT_S)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        if mutant is not None:
            sys.meta_path.insert(0, Mutated(mutant))
        tests = [str(TESTS / f"test_{name}.py") for name in names]
        os._exit(pytest.main(["-x", "-q", "--noconftest", *QUIETLY, "-k", LEFT_OUT, *tests]))
    _, status = os.waitpid(pid, 0)
    return status == 0


def main() -> None:
    modules = sys.argv[1:] or MODULES
    assert passes(None, FAST), "the tests fail without any mutant"
    assert passes(None, SLOW), "the tests fail without any mutant"
    began, killed, the_same, alive = time.monotonic(), 0, 0, []
    for module in modules:
        total = 0
        for mutant in mutants(module):
            total += 1
            if mutant.code in THE_SAME:
                the_same += 1
            elif not lives(mutant):
                killed += 1
            else:
                alive.append(mutant)
                print(f"  alive: {mutant.code}", flush=True)
        print(f"{module}: {total} mutants", flush=True)
    counted = killed + len(alive)
    print(
        f"{killed} of {counted} mutants killed ({killed / counted:.1%}), {the_same} that do the same left out,", end=" "
    )
    print(f"{time.monotonic() - began:.0f} s")
    assert killed / counted >= TARGET, "too many mutants live"


if __name__ == "__main__":
    main()
