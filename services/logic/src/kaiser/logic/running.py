"""Runs: their threads go from instruction to instruction, as far as they can without anything coming to pass."""

import copy
from collections.abc import Callable
from typing import Final, Literal

from kaiser.contracts.events.logic import Branch, RunEnded, RunStarted, Seen, StepEnded, StepWaiting
from kaiser.contracts.rules import Command
from kaiser.logic import program
from kaiser.logic.conditions import Look, Node, Truth
from kaiser.logic.core import THREAD, WAKE, Core, Timer
from kaiser.logic.doing import Asking, Doing, Outcome
from kaiser.logic.live import LiveRule
from kaiser.logic.state import Run, Thread
from kaiser.logic.times import NEVER, SECOND
from kaiser.logic.world import ON, Occurrence

ANSWER_GRACE: Final = 10 * SECOND
"""A command has its end by its own deadline; a little later nobody waits for it any more."""

MOST_AT_ONCE: Final = 2 * program.MOST_INSTRUCTIONS
"""Of one run at one moment: more is rounds within rounds of which none waits, and all other rules would wait for it."""

Ended = Callable[[LiveRule, Run, str], None]


class Running:
    """Carries runs out.

    Args:
        core: What the engine knows.
        ended: Called with every run that is over and how.
    """

    def __init__(self, core: Core, ended: Ended) -> None:
        self._core = core
        self._doing = Doing(core)
        self._ended = ended

    def start(self, rule: LiveRule, branch: Branch, seen: Seen | None) -> None:
        """Begin a run for what is being taken in."""
        core, state = self._core, rule.state
        state.number += 1
        cause, value = core.cause(), None if core.glimpse is None else core.glimpse.value
        run = Run(
            run_id=f"{state.rule_id}.{state.version}.{state.number}",
            rule_id=state.rule_id,
            version=state.version,
            number=state.number,
            branch=branch,
            started_at=core.clock,
            threads=[Thread()],
            memory=copy.deepcopy(rule.initial),
            words={"cause": cause.what, "value": "" if value is None else f"{value:g}"},
        )
        rule.runs.append(run)
        core.say(RunStarted, rule, run_id=run.run_id, branch=branch, cause=cause, seen=seen)
        core.tell(Occurrence(event="ran", rule_id=state.rule_id, outcome="started"))
        self.advance(rule, run, 0)

    def advance(self, rule: LiveRule, run: Run, number: int) -> None:
        """Let a thread go on as far as it can."""
        thread = run.threads[number]
        thread.state, thread.until = "ready", 0
        if self._core.held:
            self._core.ready.append((run.run_id, number))
            return
        code = rule.programs[run.branch]
        while run in rule.runs:
            if self._is_endless(run):
                self.end(rule, run, "failed", "RULE_LOOP", f"{MOST_AT_ONCE} steps at one moment")
            elif not self._step(rule, run, number, code[thread.pc]):
                break

    def answered(self, rule: LiveRule, run: Run, step: int, refusal: Outcome | None, command_id: str = "") -> None:
        """A command of a run has come to its end; nothing follows where nobody waits for it."""
        for number, thread in enumerate(run.threads):
            if thread.state == "asked" and thread.step == step:
                if refusal is None:
                    self._say_ended(rule, run, number, "succeeded", command_id=command_id)
                    thread.pc += 1
                    self.advance(rule, run, number)
                else:
                    self._fail(rule, run, number, refusal, command_id)
                return

    def due(self, rule: LiveRule, run: Run, number: int) -> None:
        """A thread has waited long enough."""
        thread = run.threads[number]
        match thread.state:
            case "pausing":
                self._say_ended(rule, run, number, "succeeded")
                thread.pc += 1
                self.advance(rule, run, number)
            case "asked":
                self._fail(rule, run, number, Outcome("timed_out", "OPERATION_TIMEOUT", "the command has no end"))
            case "awaiting":
                if self._core.held:
                    self._core.ready.append((run.run_id, number))
                    return
                self._fail(rule, run, number, Outcome("timed_out", "WAIT_TIMED_OUT", "the condition is not true"))
            case _:
                pass

    def recheck(self, rule: LiveRule) -> int:
        """Look at what threads wait for; when to look again."""
        wake = NEVER
        for run in tuple(rule.runs):
            for number, thread in enumerate(run.threads):
                if thread.state != "awaiting" or run not in rule.runs:
                    continue
                instruction = rule.programs[run.branch][thread.pc]
                assert isinstance(instruction, program.Await)
                truth, look = self._truth(instruction.node, run)
                if truth is True:
                    self._say_ended(rule, run, number, "succeeded")
                    thread.pc += 1
                    self.advance(rule, run, number)
                else:
                    wake = min(wake, look)
        return wake

    def end(
        self,
        rule: LiveRule,
        run: Run,
        outcome: Literal["succeeded", "failed", "cancelled"],
        code: str = "",
        detail: str = "",
    ) -> None:
        """Bring a run to its end."""
        broken = outcome != "succeeded" and code != "RUN_REPLACED" and rule.rule.when_broken == "off"
        if broken and (run.branch == "otherwise" or not (rule.rule.otherwise and rule.by_condition)):
            self._doing.clean_up(rule, run)
        rule.runs.remove(run)
        self._core.say(
            RunEnded,
            rule,
            run_id=run.run_id,
            branch=run.branch,
            outcome=outcome,
            code=code,
            detail=detail,
            steps=run.steps,
        )
        self._core.tell(Occurrence(event="ran", rule_id=run.rule_id, outcome=outcome))
        self._ended(rule, run, outcome)

    def _step(self, rule: LiveRule, run: Run, number: int, instruction: program.Instruction) -> bool:
        """Carry out one instruction; whether the thread goes on."""
        thread = run.threads[number]
        match instruction:
            case program.Do(path=path, action=action):
                if isinstance(action, Command):
                    return self._ask(rule, run, number, path, Asking.of(action))
                self._doing.at_once(rule, run, path, action)
            case program.RampTo():
                return self._ask(rule, run, number, instruction.path, self._ramp(thread, instruction))
            case program.Pause(path=path, span=span):
                return self._wait(rule, run, number, path, "delay", span)
            case program.Await():
                return self._await(rule, run, number, instruction)
            case program.Fork():
                self._fork(rule, run, number, instruction)
                return False
            case program.Branch(node=node, otherwise=otherwise):
                if self._truth(node, run)[0] is not True:
                    thread.pc = otherwise
                    return True
            case program.Jump(to=to):
                thread.pc = to
                return True
            case program.Reset(slot=slot):
                thread.slots[slot] = 0.0
            case program.Loop(slot=slot, times=times, until=until, back=back):
                thread.slots[slot] += 1
                enough = until is not None and self._truth(until, run)[0] is True
                if thread.slots[slot] < times and not enough:
                    thread.pc = back
                    return True
            case program.Halt():
                self._halt(rule, run, number)
                return False
        thread.pc += 1
        return True

    def _is_endless(self, run: Run) -> bool:
        if run.burst_at != self._core.clock:
            run.burst_at, run.burst = self._core.clock, 0
        run.burst += 1
        return run.burst > MOST_AT_ONCE

    def _ask(self, rule: LiveRule, run: Run, number: int, path: str, asking: Asking) -> bool:
        thread = run.threads[number]
        refusal = self._doing.ask(rule, run, path, asking)
        thread.step = run.steps
        if refusal is not None:
            self._fail(rule, run, number, refusal)
            return False
        if not asking.wait:
            thread.pc += 1
            return True
        thread.state = "asked"
        self._until(rule, run, number, (asking.timeout_s + asking.hold_s) * SECOND + ANSWER_GRACE)
        return False

    def _ramp(self, thread: Thread, to: program.RampTo) -> Asking:
        ramp, slot = to.ramp, to.slot
        if to.number == 1:
            shadow = self._core.world.actuators.get((ramp.actuator.esp_id, ramp.actuator.gpio))
            reported = 0.0 if shadow is None or shadow.level is None else shadow.level
            thread.slots[slot] = reported if ramp.start is None else ramp.start
        start = thread.slots[slot]
        level = round(start + (ramp.end - start) * to.number / ramp.steps, 4)
        go_on = ramp.on_failure == "go_on"
        if level <= ON:
            return Asking(actuator=ramp.actuator, command="OFF", go_on=go_on)
        return Asking(actuator=ramp.actuator, command="PWM", level=level, go_on=go_on)

    def _await(self, rule: LiveRule, run: Run, number: int, instruction: program.Await) -> bool:
        run.memory[instruction.first : instruction.last] = copy.deepcopy(
            rule.initial[instruction.first : instruction.last]
        )
        truth, wake = self._truth(instruction.node, run)
        if truth is True:
            run.threads[number].pc += 1
            return True
        self._wait(rule, run, number, instruction.path, "condition", instruction.span)
        if wake < rule.state.wake:
            rule.state.wake = wake
            self._core.arm(Timer(wake, WAKE, rule.rule_id))
        return False

    def _wait(
        self, rule: LiveRule, run: Run, number: int, path: str, what: Literal["delay", "condition"], span: int
    ) -> bool:
        thread = run.threads[number]
        run.steps += 1
        thread.step = run.steps
        thread.state = "pausing" if what == "delay" else "awaiting"
        self._until(rule, run, number, span)
        step = {"run_id": run.run_id, "step": thread.step, "path": path}
        self._core.say(StepWaiting, rule, what=what, until=thread.until, **step)
        return False

    def _until(self, rule: LiveRule, run: Run, number: int, span: int) -> None:
        until = run.threads[number].until = self._core.clock + span
        self._core.arm(Timer(until, THREAD, rule.rule_id, run.run_id, number))

    def _fork(self, rule: LiveRule, run: Run, number: int, fork: program.Fork) -> None:
        thread = run.threads[number]
        thread.state, thread.left, thread.pc = "forked", len(fork.targets), fork.then
        first = len(run.threads)
        run.threads.extend(Thread(pc=target, parent=number, slots=dict(thread.slots)) for target in fork.targets)
        for child in range(first, first + len(fork.targets)):
            if run in rule.runs and run.threads[child].state == "ready":
                self.advance(rule, run, child)

    def _halt(self, rule: LiveRule, run: Run, number: int) -> None:
        thread = run.threads[number]
        thread.state = "over"
        if thread.parent < 0:
            self.end(rule, run, "succeeded")
            return
        parent = run.threads[thread.parent]
        parent.left -= 1
        if not parent.left:
            self.advance(rule, run, thread.parent)

    def _fail(self, rule: LiveRule, run: Run, number: int, why: Outcome, command_id: str = "") -> None:
        thread = run.threads[number]
        self._say_ended(rule, run, number, why.outcome, why.code, why.detail, command_id)
        if program.goes_on(rule.programs[run.branch][thread.pc]):
            thread.pc += 1
            self.advance(rule, run, number)
            return
        self.end(rule, run, "failed", why.code, why.detail)

    def _say_ended(
        self,
        rule: LiveRule,
        run: Run,
        number: int,
        outcome: Literal["succeeded", "failed", "yielded", "timed_out"],
        code: str = "",
        detail: str = "",
        command_id: str = "",
    ) -> None:
        thread = run.threads[number]
        self._core.say(
            StepEnded,
            rule,
            run_id=run.run_id,
            step=thread.step,
            path=getattr(rule.programs[run.branch][thread.pc], "path", ""),
            outcome=outcome,
            code=code,
            detail=detail,
            command_id=command_id,
        )

    def _truth(self, node: Node, run: Run) -> tuple[Truth, int]:
        look = Look(self._core.clock, run.memory, self._core.moment)
        return node.truth(look), look.wake
