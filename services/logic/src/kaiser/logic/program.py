"""Actions as a flat program, so that a run is a few numbers that outlive a restart: threads, and where each is.

Nested actions become instructions in a list: a thread goes from one to the next, waits at some, and jumps at others.
"""

from typing import Final

import msgspec

from kaiser.contracts.rules import (
    Action,
    Alarm,
    Choose,
    Command,
    Condition,
    Delay,
    Notify,
    Parallel,
    Ramp,
    Repeat,
    Sequence,
    SwitchRule,
    WaitUntil,
)
from kaiser.logic.conditions import ConditionError, Needs, Node, build
from kaiser.logic.times import SECOND


class Do(msgspec.Struct, frozen=True):
    """Do something, as step ``path``."""

    path: str
    action: Command | Notify | Alarm | SwitchRule


class RampTo(msgspec.Struct, frozen=True):
    """Go to the level of one step of a ramp. The first step fixes where the ramp starts, in the thread's ``slot``."""

    path: str
    ramp: Ramp
    number: int
    slot: int


class Pause(msgspec.Struct, frozen=True):
    """Wait for so long, microseconds."""

    path: str
    span: int


class Await(msgspec.Struct, frozen=True):
    """Wait for a condition, at most so long; its slots of memory are those from ``first`` up to ``last``."""

    path: str
    node: Node
    span: int
    go_on: bool
    first: int
    last: int


class Fork(msgspec.Struct, frozen=True):
    """Start a thread at each target, wait for all of them, and go on at ``then``."""

    targets: tuple[int, ...]
    then: int


class Branch(msgspec.Struct, frozen=True):
    """Go on with the next where the node is true, else at ``otherwise``."""

    node: Node
    otherwise: int


class Jump(msgspec.Struct, frozen=True):
    """Go on there."""

    to: int


class Reset(msgspec.Struct, frozen=True):
    """Begin to count rounds."""

    slot: int


class Loop(msgspec.Struct, frozen=True):
    """Back for another round, unless there were enough, or the node is true."""

    slot: int
    times: int
    until: Node | None
    back: int


class Halt(msgspec.Struct, frozen=True):
    """The thread is over."""


Instruction = Do | RampTo | Pause | Await | Fork | Branch | Jump | Reset | Loop | Halt
Program = tuple[Instruction, ...]

MOST_INSTRUCTIONS: Final = 2000


def goes_on(instruction: Instruction) -> bool:
    """Whether a run goes on where this has failed."""
    match instruction:
        case Do(action=Command(on_failure=on_failure)):
            return on_failure == "go_on"
        case RampTo(ramp=ramp):
            return ramp.on_failure == "go_on"
        case Await(go_on=go_on):
            return go_on
        case _:
            return False


class Compiler:
    """Compiles the actions of one list.

    Args:
        needs: Gathers what the conditions in it watch.
        root: Path of the list.

    Raises:
        ConditionError: A condition cannot be evaluated as it stands; ``where`` begins with the action's path.
    """

    def __init__(self, needs: Needs, root: str) -> None:
        self._needs = needs
        self._root = root
        self._code: list[Instruction] = []
        self._slots = 0

    def compile(self, actions: tuple[Action, ...]) -> Program:
        """The program of actions one after the other."""
        for i, action in enumerate(actions):
            self._add(action, f"{self._root}[{i}]")
        self._code.append(Halt())
        if len(self._code) > MOST_INSTRUCTIONS:
            words = f"these are {len(self._code)} steps, {MOST_INSTRUCTIONS} are allowed"
            raise ConditionError(self._root, "RULE_INVALID", words)
        return tuple(self._code)

    def _add(self, action: Action, path: str) -> None:
        match action:
            case Command() | Notify() | Alarm() | SwitchRule():
                self._code.append(Do(path, action))
            case Delay(for_s=for_s):
                self._code.append(Pause(path, for_s * SECOND))
            case WaitUntil(condition=condition, timeout_s=timeout_s, on_timeout=on_timeout):
                first = len(self._needs.memory)
                node = self._node(condition, f"{path}.condition")
                slots = first, len(self._needs.memory)
                self._code.append(Await(path, node, timeout_s * SECOND, on_timeout == "go_on", *slots))
            case Ramp():
                self._ramp(action, path)
            case Sequence(steps=steps):
                for i, step in enumerate(steps):
                    self._add(step, f"{path}.steps[{i}]")
            case Parallel():
                self._parallel(action, path)
            case Repeat():
                self._repeat(action, path)
            case Choose():
                self._choose(action, path)

    def _ramp(self, ramp: Ramp, path: str) -> None:
        slot = self._slot()
        for number in range(1, ramp.steps + 1):
            self._code.append(RampTo(path, ramp, number, slot))
            if number < ramp.steps:
                self._code.append(Pause(path, ramp.over_s * SECOND // (ramp.steps - 1)))

    def _parallel(self, action: Parallel, path: str) -> None:
        at = self._reserve()
        targets = []
        for i, branch in enumerate(action.branches):
            targets.append(len(self._code))
            self._add(branch, f"{path}.branches[{i}]")
            self._code.append(Halt())
        self._code[at] = Fork(tuple(targets), len(self._code))

    def _repeat(self, action: Repeat, path: str) -> None:
        slot = self._slot()
        self._code.append(Reset(slot))
        back = len(self._code)
        self._add(action.action, f"{path}.action")
        until = None if action.until is None else self._node(action.until, f"{path}.until")
        self._code.append(Loop(slot, action.times, until, back))

    def _choose(self, action: Choose, path: str) -> None:
        leave = []
        for i, option in enumerate(action.options):
            at = self._reserve()
            node = self._node(option.when, f"{path}.options[{i}].when")
            self._add(option.do, f"{path}.options[{i}].do")
            leave.append(self._reserve())
            self._code[at] = Branch(node, len(self._code))
        if action.otherwise is not None:
            self._add(action.otherwise, f"{path}.otherwise")
        for at in leave:
            self._code[at] = Jump(len(self._code))

    def _node(self, condition: Condition, path: str) -> Node:
        try:
            return build(condition, self._needs)
        except ConditionError as error:
            where = f"{path}.{error.where}" if error.where else path
            raise ConditionError(where, error.code, str(error)) from None

    def _reserve(self) -> int:
        self._code.append(Halt())
        return len(self._code) - 1

    def _slot(self) -> int:
        self._slots += 1
        return self._slots - 1
