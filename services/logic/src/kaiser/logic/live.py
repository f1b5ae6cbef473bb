"""A rule as it is evaluated: its nodes and programs, and what it watches."""

import copy
from collections.abc import Mapping
from typing import Final

from kaiser.contracts.events.logic import Branch
from kaiser.contracts.rules import Condition, CronTrigger, Rule, SunTrigger
from kaiser.logic.conditions import ConditionError, Evaluator, Memory, Needs, Node, build
from kaiser.logic.program import Compiler, Program
from kaiser.logic.state import RuleState, Run
from kaiser.logic.times import NEVER, SECOND
from kaiser.logic.times.cron import CronError, cron
from kaiser.logic.times.spans import sun_event
from kaiser.logic.world import World

RETRY_FIRST: Final = 60 * SECOND
RETRY_MOST: Final = 900 * SECOND


class LiveRule:
    """A rule that is live.

    Attributes:
        rule: As it was defined.
        state: What is kept about it.
        needs: What it watches.
        node: Its condition; None where it has none.
        own: How many slots of memory are its condition's.
        runs: Its runs under way, oldest first.
        programs: What each branch does.

    Raises:
        ConditionError: Something in it cannot be evaluated.
    """

    __slots__ = ("initial", "needs", "node", "own", "programs", "rule", "runs", "state")

    def __init__(self, rule_id: str, version: int, rule: Rule, world: World, plugins: Mapping[str, Evaluator]) -> None:
        self.rule = rule
        self.needs = Needs(
            world,
            time_zone=rule.time_zone,
            place=rule.place,
            patience=rule.lateness_s * SECOND,
            plugins=plugins,
        )
        self.node = None if rule.condition is None else self._condition(rule.condition)
        self.own = len(self.needs.memory)
        self.programs: dict[Branch, Program] = {
            "then": Compiler(self.needs, "actions").compile(rule.actions),
            "otherwise": Compiler(self.needs, "otherwise").compile(rule.otherwise),
        }
        self.initial: Memory = list(self.needs.memory)
        self.runs: list[Run] = []
        # Nodes of actions have slots behind those of the condition; each run has a memory of its own for them
        self.state = RuleState(rule_id=rule_id, version=version, wake=NEVER, memory=copy.deepcopy(self.initial))
        for number in range(len(rule.triggers)):
            self.next_moment(number, 0)

    @property
    def rule_id(self) -> str:
        """Its id."""
        return self.state.rule_id

    @property
    def by_condition(self) -> bool:
        """Whether it goes by its condition, and not by moments."""
        return not self.rule.triggers

    @property
    def active(self) -> bool:
        """Whether it has acted on something that still holds."""
        holds = self.state.truth is True or (self.state.truth is None and self.rule.when_unknown == "hold")
        return self.by_condition and self.state.acted and holds

    def next_moment(self, number: int, after: int) -> int:
        """When a cron or sun trigger comes next; :data:`NEVER` for other triggers.

        Raises:
            ConditionError: The trigger cannot be understood.
        """
        trigger = self.rule.triggers[number]
        try:
            match trigger:
                case CronTrigger():
                    return cron(trigger.expression).after(after, self.needs.zone(trigger.time_zone))
                case SunTrigger():
                    return sun_event(trigger.event, trigger.offset_s, self.needs.place(trigger.place), after)
        except CronError as error:
            raise ConditionError(f"triggers[{number}].expression", "SCHEDULE_INVALID", str(error)) from None
        except ConditionError as error:
            raise ConditionError(f"triggers[{number}].{error.where}", error.code, str(error)) from None
        return NEVER

    def running(self, branch: Branch) -> list[Run]:
        """Its runs of a branch that are under way."""
        return [run for run in self.runs if run.branch == branch]

    def _condition(self, condition: Condition) -> Node:
        try:
            return build(condition, self.needs)
        except ConditionError as error:
            where = f"condition.{error.where}" if error.where else "condition"
            raise ConditionError(where, error.code, str(error)) from None
