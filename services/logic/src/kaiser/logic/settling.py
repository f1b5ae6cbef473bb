"""Whether a rule runs: what its condition says, what its triggers say, and what holds it back.

A rule without triggers follows its condition. While that is true it is to have run, once; what holds a run back
(cooldown, limit, another run) is told once, and the run begins when it does so no longer, if the condition is still
true. When the condition is over, ``otherwise`` runs, which nothing holds back, and which ends a run of ``actions`` that
is under way. A run that failed begins anew after a minute, and then after twice as long each time up to a quarter of an
hour.

A rule with triggers runs at their moments. A moment at which it is held back is gone.
"""

import copy
from typing import Final, TypeGuard

import msgspec

from kaiser.contracts.events.logic import Branch, Cause, RuleSkipped, Seen, SkipReason
from kaiser.contracts.rules import CronTrigger, EventTrigger, RanTrigger, SunTrigger, Trigger
from kaiser.logic.conditions import Look, Truth
from kaiser.logic.conditions.happened import concerns
from kaiser.logic.core import MOMENT, WAKE, Core, Glimpse, Timer
from kaiser.logic.live import RETRY_FIRST, RETRY_MOST, LiveRule
from kaiser.logic.running import Running
from kaiser.logic.state import Moment, Run
from kaiser.logic.times import NEVER, SECOND
from kaiser.logic.world import Occurrence

HOUR: Final = 3600 * SECOND
MOST_STARTS_AT_ONCE: Final = 10
"""Of one rule at one moment: more is a loop of rules that set each other off."""


class Obstacle(msgspec.Struct, frozen=True):
    """What holds a run back, and until when; 0 where that is not known."""

    reason: SkipReason
    until: int = 0
    detail: str = ""


LOOP: Final = Obstacle("loop", 0, "rules set each other off")


class Settling:
    """Brings rules to what their conditions and triggers ask for.

    Args:
        core: What the engine knows.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._look = Look(0, [])
        self.running = Running(core, self._ended)

    def evaluate(self, rule: LiveRule) -> None:
        """Look at a rule, and do what follows."""
        core, state, look = self._core, rule.state, self._look
        look.now, look.moment, look.memory, look.wake = core.clock, core.moment, state.memory, NEVER
        truth = True if rule.node is None else rule.node.truth(look)
        wake = look.wake
        if rule.runs:
            wake = min(wake, self.running.recheck(rule))
        if wake < state.wake or state.wake <= core.clock:
            state.wake = wake
            if wake < NEVER:
                core.arm(Timer(wake, WAKE, state.rule_id))
        state.truth = truth
        if rule.rule.triggers or core.held or state.leaving:
            return
        if truth is True:
            if not state.acted or state.again_at:
                self._wanted(rule)
        elif state.acted or state.noted:
            self._unwanted(rule, truth)

    def moment(self, rule: LiveRule, number: int) -> None:
        """A trigger of a rule has come."""
        core, state = self._core, rule.state
        moment = Moment(number, core.cause())
        if core.held:
            if moment.cause.at <= core.decided_to:
                return
            # Of several that were missed, the last one counts
            state.missed = [each for each in state.missed if each.trigger != number] + [moment]
            return
        self._meet(rule)

    def clock_moment(self, rule: LiveRule, number: int) -> None:
        """A cron or sun trigger of a rule is due."""
        core, state = self._core, rule.state
        trigger = rule.rule.triggers[number]
        assert isinstance(trigger, CronTrigger | SunTrigger)
        words = f"cron {trigger.expression}" if isinstance(trigger, CronTrigger) else trigger.event
        core.glimpse = Glimpse("trigger", words, at=core.clock)
        self.schedule(rule, number, core.clock)
        if not state.leaving:
            self.moment(rule, number)

    def schedule(self, rule: LiveRule, number: int, after: int) -> None:
        """Let a cron or sun trigger be due next."""
        due = rule.next_moment(number, after)
        if due < NEVER:
            rule.state.due[number] = due
            self._core.arm(Timer(due, MOMENT, rule.rule_id, "", number))

    def make_up(self, rule: LiveRule) -> None:
        """Decide on the moments that were missed while the service was away."""
        core, missed = self._core, rule.state.missed
        rule.state.missed = []
        for moment in missed:
            trigger = rule.rule.triggers[moment.trigger]
            within = 60 if isinstance(trigger, RanTrigger) else trigger.missed_within_s
            cause = moment.cause
            core.glimpse = _glimpse(cause)
            if core.clock - cause.at <= within * SECOND:
                self._meet(rule)
            else:
                late = f"{(core.clock - cause.at) / SECOND:.0f} s late, {within} s are allowed"
                self._skip(rule, "then", Obstacle("missed", 0, late))

    def notice(self, rule: LiveRule, occurrence: Occurrence, at: int, seq: int) -> None:
        """Let a rule know that something happened."""
        memories = [rule.state.memory, *(run.memory for run in rule.runs)]
        heard = False
        for listener in rule.needs.listeners:
            for memory in memories:
                heard = listener.notice(occurrence, at, seq, memory) or heard
        if heard:
            self.evaluate(rule)
        for number, trigger in enumerate(rule.rule.triggers):
            if waits(trigger) and not rule.state.leaving and concerns(trigger, occurrence):
                self.moment(rule, number)

    def after_hold(self, rule: LiveRule) -> None:
        """Let go what waited for its turn while nothing was done."""
        if rule.state.queue and not rule.runs:
            self._core.glimpse = _glimpse(rule.state.queue.pop(0).cause)
            self.running.start(rule, "then", self.seen(rule))

    def seen(self, rule: LiveRule, *, aside: bool = False) -> Seen | None:
        """The condition of a rule with what it sees; None where it has none.

        Args:
            rule: Which.
            aside: Whether nothing is to be remembered of it, since it is no part of what happens.
        """
        core, memory = self._core, rule.state.memory
        if rule.node is None:
            return None
        return rule.node.seen(Look(core.clock, copy.deepcopy(memory) if aside else memory, core.moment))

    def obstacle(self, rule: LiveRule) -> Obstacle | None:
        """What holds a run of ``actions`` back now; None where nothing does."""
        now, state, mode = self._core.clock, rule.state, rule.rule.mode
        if self._loops(rule):
            return LOOP
        if state.started_at and now < (until := state.started_at + rule.rule.cooldown_s * SECOND):
            return Obstacle("cooldown", until)
        if (most := rule.rule.most_runs_per_hour) is not None:
            recent = [at for at in state.starts if at > now - HOUR]
            if len(recent) >= most:
                return Obstacle("rate_limit", recent[-most] + HOUR, f"{len(recent)} runs in the last hour")
        under_way = len(rule.runs) if mode == "parallel" else len(rule.running("then"))
        if mode == "single" and rule.runs:
            return Obstacle("busy", 0, f"run {rule.runs[0].run_id} is under way")
        if mode == "parallel" and under_way >= rule.rule.most_waiting:
            return Obstacle("busy", 0, f"{under_way} runs are under way")
        if mode == "queued" and rule.runs and len(state.queue) >= rule.rule.most_waiting:
            return Obstacle("queue_full", 0, f"{len(state.queue)} runs wait")
        return None

    def _meet(self, rule: LiveRule) -> None:
        """Do what a moment asks for."""
        truth = rule.state.truth = self._truth(rule)
        if truth is True:
            if (obstacle := self.obstacle(rule)) is not None:
                self._skip(rule, "then", obstacle)
            else:
                self._begin(rule)
        elif truth is False and rule.rule.otherwise and self._loops(rule):
            self._skip(rule, "otherwise", LOOP)
        elif truth is False and rule.rule.otherwise:
            self._burst(rule)
            self._cancel(rule, "then", "RUN_REPLACED", "its condition is over")
            self.running.start(rule, "otherwise", self.seen(rule))
        else:
            self._skip(rule, "then", Obstacle("condition_false" if truth is False else "condition_unknown"))

    def _wanted(self, rule: LiveRule) -> None:
        """The condition is true."""
        core, state = self._core, rule.state
        if state.acted and core.clock < state.again_at:
            self._wake(rule, state.again_at)
            return
        if (obstacle := self.obstacle(rule)) is not None:
            if state.noted != obstacle.reason:
                state.noted = obstacle.reason
                self._skip(rule, "then", obstacle)
            if obstacle.until:
                self._wake(rule, obstacle.until)
            return
        state.acted, state.noted, state.again_at = True, "", 0
        self._begin(rule)
        if rule.rule.again_s is not None and not state.again_at:
            state.again_at = core.clock + rule.rule.again_s * SECOND
        if state.again_at:
            self._wake(rule, state.again_at)

    def _unwanted(self, rule: LiveRule, truth: Truth) -> None:
        """The condition is not true."""
        state = rule.state
        if truth is None and rule.rule.when_unknown == "hold":
            return
        acted, state.acted = state.acted, False
        state.noted, state.again_at, state.failures = "", 0, 0
        state.queue.clear()
        if acted and rule.rule.otherwise:
            self.leave(rule, "its condition is over")

    def leave(self, rule: LiveRule, detail: str) -> None:
        """End what a rule does, and do what it does otherwise."""
        self._cancel(rule, "then", "RUN_REPLACED", detail)
        self._cancel(rule, "otherwise", "RUN_REPLACED", detail)
        self.running.start(rule, "otherwise", self.seen(rule))

    def cancel_all(self, rule: LiveRule, code: str, detail: str) -> None:
        """End every run of a rule."""
        rule.state.queue.clear()
        self._cancel(rule, "then", code, detail)
        self._cancel(rule, "otherwise", code, detail)

    def _begin(self, rule: LiveRule) -> None:
        core, state = self._core, rule.state
        if rule.rule.mode == "queued" and rule.runs:
            state.queue.append(Moment(-1, core.cause()))
            self._count(rule)
            return
        if rule.rule.mode == "restart":
            self._cancel(rule, "then", "RUN_REPLACED", "it starts anew")
            self._cancel(rule, "otherwise", "RUN_REPLACED", "it starts anew")
        self._count(rule)
        self.running.start(rule, "then", self.seen(rule))

    def _count(self, rule: LiveRule) -> None:
        now, state = self._core.clock, rule.state
        self._burst(rule)
        state.started_at = now
        state.starts = [*(at for at in state.starts if at > now - HOUR), now]

    def _burst(self, rule: LiveRule) -> None:
        now, state = self._core.clock, rule.state
        state.burst = state.burst + 1 if state.burst_at == now else 1
        state.burst_at = now

    def _loops(self, rule: LiveRule) -> bool:
        return rule.state.burst_at == self._core.clock and rule.state.burst >= MOST_STARTS_AT_ONCE

    def _cancel(self, rule: LiveRule, branch: Branch, code: str, detail: str) -> None:
        for run in rule.running(branch):
            self.running.end(rule, run, "cancelled", code, detail)

    def _ended(self, rule: LiveRule, run: Run, outcome: str) -> None:
        """A run is over: what waited for that comes next."""
        core, state = self._core, rule.state
        if state.leaving:
            return
        if run.branch == "then" and rule.by_condition and outcome != "cancelled":
            state.failures = 0 if outcome == "succeeded" else state.failures + 1
            if state.failures and state.acted:
                wait = min(RETRY_FIRST << min(state.failures - 1, 10), RETRY_MOST)
                state.again_at = core.clock + wait
                self._wake(rule, state.again_at)
        if state.queue and not rule.runs and not core.held:
            core.glimpse = _glimpse(state.queue.pop(0).cause)
            self.running.start(rule, "then", self.seen(rule))
        elif state.noted == "busy" and rule.by_condition:
            self._wake(rule, core.clock)

    def _skip(self, rule: LiveRule, branch: Branch, obstacle: Obstacle) -> None:
        self._core.say(
            RuleSkipped,
            rule,
            branch=branch,
            reason=obstacle.reason,
            cause=self._core.cause(),
            until=obstacle.until,
            detail=obstacle.detail,
            seen=self.seen(rule),
        )

    def _truth(self, rule: LiveRule) -> Truth:
        core = self._core
        return True if rule.node is None else rule.node.truth(Look(core.clock, rule.state.memory, core.moment))

    def _wake(self, rule: LiveRule, at: int) -> None:
        if at < rule.state.wake or rule.state.wake < self._core.clock:
            rule.state.wake = at
            self._core.arm(Timer(at, WAKE, rule.rule_id))


def waits(trigger: Trigger) -> TypeGuard[EventTrigger | RanTrigger]:
    """Whether a trigger is one of things that happen."""
    return isinstance(trigger, EventTrigger | RanTrigger)


def _glimpse(cause: Cause) -> Glimpse:
    return Glimpse(cause.kind, cause.what, cause.stream, cause.seq, cause.at)
