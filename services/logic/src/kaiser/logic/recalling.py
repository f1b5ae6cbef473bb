"""Lets an engine that has no snapshot take over what the log tells of runs: between its hold and its resuming."""

import copy

from kaiser.contracts.events.logic import CommandAsked, RunEnded
from kaiser.logic.claims import DAMPED_FIRST
from kaiser.logic.core import THREAD, Core, Timer
from kaiser.logic.doing import remember, turns_on
from kaiser.logic.live import LiveRule
from kaiser.logic.recollecting import Recollection, Told
from kaiser.logic.retracing import Retracing
from kaiser.logic.rulebook import Rulebook
from kaiser.logic.running import Running
from kaiser.logic.state import Claim, Damping, Run, Switched
from kaiser.logic.times import SECOND

LOST = "SERVICE_ERROR"
"""Code of runs that nobody finds their place in."""


class Recalling:
    """Takes over runs.

    Args:
        core: What the engine knows.
        rulebook: Which rules are live.
        running: Ends what cannot go on.
    """

    def __init__(self, core: Core, rulebook: Rulebook, running: Running) -> None:
        self._core = core
        self._rulebook = rulebook
        self._running = running
        self._lost: list[Run] = []

    def begin(self, recollection: Recollection, decided_to: int) -> None:
        """Begin behind what was decided, and with names that nobody has had.

        Args:
            recollection: What the log tells.
            decided_to: Up to when it was decided, unix microseconds.
        """
        self._core.n, self._core.decided_to = recollection.n, decided_to
        self._core.alarms = set(recollection.alarms)
        for rule_id, number in recollection.numbers().items():
            self._rulebook.name_runs_from(rule_id, number)

    def run(self, told: Told) -> None:
        """Take over a run, or what is left of one that is over; the rules of its moment are known."""
        started = told.started
        run = _run_of(told)
        rule = self._core.rules.get(started.rule_id)
        if rule is None and not told.ended:
            rule = self._rulebook.linger(started.rule_id, started.version)
        if rule is not None and rule.state.version == started.version:
            _remember_of(rule, told)
        if told.ended:
            return
        if rule is None or rule.state.version != started.version or not self._placed(rule, run, told):
            self._lost.append(run)
            return
        rule.runs.append(run)
        for number, thread in enumerate(run.threads):
            if thread.until:
                self._core.arm(Timer(thread.until, THREAD, run.rule_id, run.run_id, number))
            elif thread.state == "ready":
                self._core.ready.append((run.run_id, number))

    def settle(self, recollection: Recollection) -> None:
        """Take over who has which actuator, and who has to pause."""
        claims, rules = self._core.claims, self._core.rules
        for key, asked in recollection.asked.items():
            last = asked[-1]
            rule = rules.get(last.rule_id)
            if rule is not None:
                span = max(rule.rule.hold_s, last.duration_s if turns_on(last, None) else 0)
                claims.held[key] = Claim(last.rule_id, rule.rule.priority, last.at + span * SECOND)
            claims.history[key] = [Switched(each.at, each.rule_id, each.run_id, turns_on(each, None)) for each in asked]
        for each in recollection.damped:
            times = max(1, round((each.until - each.at) / DAMPED_FIRST).bit_length())
            key = (each.actuator.esp_id, each.actuator.gpio)
            claims.damped.setdefault(key, {})[each.rule_id] = Damping(each.until, times)

    def give_up(self) -> None:
        """End the runs that nobody finds their place in: what they had switched on is switched off."""
        lost, self._lost = self._lost, []
        for run in lost:
            rule = self._core.rules.get(run.rule_id)
            detail = "the service has no checkpoint, and the log does not tell where it was"
            if rule is not None:
                rule.runs.append(run)
                self._running.end(rule, run, "failed", LOST, detail)
                continue
            self._core.n += 1
            about = {"n": self._core.n, "at": self._core.clock, "rule_id": run.rule_id, "version": run.version}
            self._core.decisions.append(
                RunEnded(
                    **about,  # type: ignore[arg-type]  # of two types
                    run_id=run.run_id,
                    branch=run.branch,
                    outcome="failed",
                    code=LOST,
                    detail=detail,
                    steps=run.steps,
                )
            )

    @staticmethod
    def _placed(rule: LiveRule, run: Run, told: Told) -> bool:
        """Whether it is known where the run is."""
        retracing = Retracing(rule.programs[run.branch])
        if not all(retracing.take(said) for said in told.said):
            return False
        retracing.rest()
        run.threads, run.steps = retracing.threads, retracing.steps
        run.memory = copy.deepcopy(rule.initial)
        return True


def _run_of(told: Told) -> Run:
    started = told.started
    run = Run(
        run_id=started.run_id,
        rule_id=started.rule_id,
        version=started.version,
        number=told.number,
        branch=started.branch,
        started_at=started.at,
        threads=[],
        words={"cause": started.cause.what, "value": ""},
    )
    for said in told.said:
        run.steps = max(run.steps, said.step)
        if isinstance(said, CommandAsked):
            remember(run, (said.esp_id, said.gpio), lit=turns_on(said, None) and not said.duration_s)
    return run


def _remember_of(rule: LiveRule, told: Told) -> None:
    """What a rule has done."""
    state, started = rule.state, told.started
    state.starts = list(told.starts)
    state.started_at = max(told.starts, default=0)
    state.acted = rule.by_condition and started.branch == "then" and not state.leaving
