"""Where the threads of a run are, found out from what it has said: for an engine that has nothing but the log. Pure.

What a run says names its step and its place in the rule. In between it goes on without a word: over jumps and rounds,
past conditions of which nobody knows any more how they turned out, and past alarms that were raised already. So the
shortest way without a word is looked for from where the threads are to where the next word was said.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from kaiser.contracts.events.logic import (
    AlarmCleared,
    AlarmRaised,
    CommandAsked,
    NotificationAsked,
    RuleSwitched,
    StepEnded,
    StepWaiting,
)
from kaiser.contracts.rules import Alarm, Command, Notify, SwitchRule
from kaiser.logic import program
from kaiser.logic.program import Instruction, Program
from kaiser.logic.running import ANSWER_GRACE
from kaiser.logic.state import Thread
from kaiser.logic.times import SECOND

Said = CommandAsked | NotificationAsked | AlarmRaised | AlarmCleared | RuleSwitched | StepWaiting | StepEnded
Threads = list[Thread]
Goal = Callable[[Thread, int], bool]
"""Whether a thread is where it is to be, with so many steps begun."""

MOST_TRIES: Final = 5_000
"""Ways that are looked at; more are none that a rule is likely to have."""


class Retracing:
    """Follows one run.

    Args:
        code: What the run does.

    Attributes:
        threads: Where they are, as far as is told.
        steps: How many steps are begun.
    """

    def __init__(self, code: Program) -> None:
        self.threads: Threads = [Thread()]
        self.steps = 0
        self._code = code

    def take(self, said: Said) -> bool:
        """Take in what the run said next; whether it goes on from there, as far as anybody can tell."""
        if isinstance(said, StepEnded):
            for thread in self.threads:
                if thread.state in {"asked", "pausing", "awaiting"} and thread.step == said.step:
                    return self._goes_on(thread, said)
        found = self._reached(lambda thread, steps: steps + 1 == said.step and _says(self._code[thread.pc], said))
        if found is None:
            return False
        self.threads, number = found
        self.steps = said.step
        return self._said(self.threads[number], said)

    def rest(self) -> None:
        """Let threads be over that have said all that they could, and for which others are waited for."""
        while found := self._reached(
            lambda thread, _: thread.parent >= 0 and isinstance(self._code[thread.pc], program.Halt)
        ):
            threads, number = found
            ((self.threads, _),) = self._silently(threads, number, 0)

    def _said(self, thread: Thread, said: Said) -> bool:
        instruction = self._code[thread.pc]
        thread.step = said.step
        match said:
            case StepEnded():
                return self._goes_on(thread, said)
            case StepWaiting(what=what, until=until):
                thread.state, thread.until = "pausing" if what == "delay" else "awaiting", until
            case CommandAsked() if _waits(instruction):
                thread.state = "asked"
                thread.until = said.at + (said.timeout_s + said.hold_s) * SECOND + ANSWER_GRACE
                if isinstance(instruction, program.RampTo) and instruction.number == 1:
                    thread.slots[instruction.slot] = _start(instruction, said)
            case _:
                thread.pc += 1
        return True

    def _goes_on(self, thread: Thread, ended: StepEnded) -> bool:
        if ended.outcome != "succeeded" and not program.goes_on(self._code[thread.pc]):
            return False
        thread.state, thread.until = "ready", 0
        thread.pc += 1
        return True

    def _reached(self, goal: Goal) -> tuple[Threads, int] | None:
        """Threads as they are when one of them has come to where it is to be without a word, and which; the nearest."""
        waiting = deque([(self.threads, self.steps)])
        for _ in range(MOST_TRIES):
            if not waiting:
                return None
            threads, steps = waiting.popleft()
            for number, thread in enumerate(threads):
                if thread.state == "ready":
                    if goal(thread, steps):
                        return threads, number
                    waiting.extend(self._silently(threads, number, steps))
        return None

    def _silently(self, threads: Threads, number: int, steps: int) -> Iterator[tuple[Threads, int]]:
        """Threads and steps after one went on by an instruction of which it says nothing; each way that it may go."""
        pc = threads[number].pc
        match self._code[pc]:
            case program.Do(action=Alarm()):
                yield _at(threads, number, pc + 1), steps + 1
            case program.Await():
                yield _at(threads, number, pc + 1), steps
            case program.Branch(otherwise=otherwise):
                yield _at(threads, number, pc + 1), steps
                yield _at(threads, number, otherwise), steps
            case program.Jump(to=to):
                yield _at(threads, number, to), steps
            case program.Reset(slot=slot):
                after = _at(threads, number, pc + 1)
                after[number].slots[slot] = 0.0
                yield after, steps
            case program.Loop() as loop:
                yield from ((after, steps) for after in _rounds(threads, number, loop))
            case program.Fork() as fork:
                yield _forked(threads, number, fork), steps
            case program.Halt() if threads[number].parent >= 0:
                yield _over(threads, number), steps


def _rounds(threads: Threads, number: int, loop: program.Loop) -> Iterator[Threads]:
    pc, done = threads[number].pc, threads[number].slots[loop.slot] + 1
    for to, may in ((loop.back, done < loop.times), (pc + 1, done >= loop.times or loop.until is not None)):
        if may:
            after = _at(threads, number, to)
            after[number].slots[loop.slot] = done
            yield after


def _forked(threads: Threads, number: int, fork: program.Fork) -> Threads:
    after = _at(threads, number, fork.then)
    thread = after[number]
    thread.state, thread.left = "forked", len(fork.targets)
    return [*after, *(Thread(pc=target, parent=number, slots=dict(thread.slots)) for target in fork.targets)]


def _over(threads: Threads, number: int) -> Threads:
    after = _at(threads, number, threads[number].pc)
    after[number].state = "over"
    parent = after[after[number].parent]
    parent.left -= 1
    if not parent.left:
        parent.state = "ready"
    return after


def _at(threads: Threads, number: int, pc: int) -> Threads:
    after = [msgspec.structs.replace(thread, slots=dict(thread.slots)) for thread in threads]
    after[number].pc = pc
    return after


def _says(instruction: Instruction, said: Said) -> bool:
    if getattr(instruction, "path", None) != said.path:
        return False
    match instruction:
        case program.RampTo() | program.Do(action=Command()):
            return isinstance(said, CommandAsked | StepEnded)
        case program.Do(action=Notify()):
            return isinstance(said, NotificationAsked)
        case program.Do(action=Alarm()):
            return isinstance(said, AlarmRaised | AlarmCleared)
        case program.Do(action=SwitchRule()):
            return isinstance(said, RuleSwitched)
        case program.Pause():
            return isinstance(said, StepWaiting) and said.what == "delay"
        case program.Await():
            return isinstance(said, StepWaiting) and said.what == "condition"
    return False


def _waits(instruction: Instruction) -> bool:
    return (
        not isinstance(instruction, program.Do)
        or not isinstance(instruction.action, Command)
        or instruction.action.wait
    )


def _start(to: program.RampTo, asked: CommandAsked) -> float:
    """Where a ramp began, by the level of its first step."""
    ramp, level = to.ramp, asked.level or 0.0
    if ramp.start is not None or ramp.steps == 1:
        return ramp.start or 0.0
    return min(1.0, max(0.0, (level - ramp.end / ramp.steps) * ramp.steps / (ramp.steps - 1)))
