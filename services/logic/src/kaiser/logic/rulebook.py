"""Which rules are live: definitions come and go, and what a rule was doing is brought to its end or handed over."""

from kaiser.contracts.events.logic import RuleDefined, RuleDisabled, RuleEnabled, RuleFact, RuleRemoved
from kaiser.logic.conditions import ConditionError
from kaiser.logic.core import Core
from kaiser.logic.live import LiveRule
from kaiser.logic.settling import Settling
from kaiser.logic.state import Definition
from kaiser.logic.times import NEVER
from kaiser.logic.walking import commanded


class Rulebook:
    """Keeps ``core.rules``.

    Args:
        core: What the engine knows.
        settling: Ends what a rule was doing.
    """

    def __init__(self, core: Core, settling: Settling) -> None:
        self._core = core
        self._settling = settling

    def take(self, event: RuleFact) -> bool:
        """Take in a decision about a rule; whether another rule is live by it, or none."""
        definition = self._core.definitions.setdefault(event.rule_id, Definition())
        match event:
            case RuleDefined(version=version, rule=rule):
                definition.versions[version] = rule
                definition.newest = max(definition.newest, version)
                return False
            case RuleEnabled(rule_id=rule_id, version=version):
                return self.enable(rule_id, version)
            case RuleDisabled(rule_id=rule_id) | RuleRemoved(rule_id=rule_id):
                return self.disable(rule_id)
            case _:
                return False

    def enable(self, rule_id: str, version: int = 0) -> bool:
        """Let a version of a rule be live; 0 for the newest. Nothing changes where it is already, or is not known."""
        core, definition = self._core, self._core.definitions.get(rule_id)
        number = version or (0 if definition is None else definition.newest)
        if definition is None or number not in definition.versions:
            return False
        before = core.rules.get(rule_id)
        if definition.live == number and before is not None:
            return False
        waits = before is not None and before.state.leaving and definition.live
        definition.live = number
        if waits:
            return True
        try:
            after = LiveRule(rule_id, number, definition.versions[number], core.world, core.plugins)
        except ConditionError as error:
            # It was checked when it was defined; a plug-in of then may be gone. The others must go on.
            core.broken[rule_id] = f"{error.where}: {error}"
            return False
        core.broken.pop(rule_id, None)
        if before is not None and not before.state.leaving and _leaves_on(before, after):
            self.disable(rule_id)
            definition.live = number  # when the other has done what it does otherwise
            return True
        after.state.number = definition.number
        if before is not None:
            self._settling.cancel_all(before, "RULE_CHANGED", f"version {number} takes its place")
            _hand_over(before, after)
        core.rules[rule_id] = after
        self.sort()
        for i in range(len(after.rule.triggers)):
            self._settling.schedule(after, i, max(core.clock, core.decided_to))
        if not core.held:
            self._settling.evaluate(after)
        return True

    def disable(self, rule_id: str) -> bool:
        """Let a rule rest; what it does otherwise it still does."""
        core, rule = self._core, self._core.rules.get(rule_id)
        core.broken.pop(rule_id, None)
        if rule_id in core.definitions:
            core.definitions[rule_id].live = 0
        if rule is None or rule.state.leaving:
            return False
        rule.state.leaving = True
        core.leaving.append(rule)
        acted, rule.state.acted = rule.state.acted and rule.by_condition, False
        self._settling.cancel_all(rule, "RULE_CHANGED", "the rule is disabled")
        if acted and rule.rule.otherwise:
            self._settling.running.start(rule, "otherwise", self._settling.seen(rule))
        return True

    def name_runs_from(self, rule_id: str, number: int) -> None:
        """Let the next run of a rule be called after the one of this number."""
        self._core.definitions.setdefault(rule_id, Definition()).number = number

    def linger(self, rule_id: str, version: int) -> LiveRule | None:
        """A rule that is disabled, for what it still has to do; None where it cannot be evaluated, or is another."""
        core, definition = self._core, self._core.definitions.get(rule_id)
        if definition is None or definition.live or version not in definition.versions:
            return None
        try:
            rule = LiveRule(rule_id, version, definition.versions[version], core.world, core.plugins)
        except ConditionError:
            return None
        rule.state.number, rule.state.leaving = definition.number, True
        core.rules[rule_id] = rule
        core.leaving.append(rule)
        self.sort()
        return rule

    def dismiss(self, rule: LiveRule) -> None:
        """Let a rule go that is leaving and has nothing more to do, and the version live that waits for that."""
        core = self._core
        if rule.state.leaving and not rule.runs and core.rules.get(rule.rule_id) is rule:
            del core.rules[rule.rule_id]
            core.definitions[rule.rule_id].number = rule.state.number
            core.claims.forget(rule.rule_id)
            self.sort()
            if version := core.definitions[rule.rule_id].live:
                self.enable(rule.rule_id, version)

    def sort(self) -> None:
        """Bring rules into their order, and look at nothing that none of them watches."""
        core = self._core
        core.order = tuple(sorted(core.rules.values(), key=lambda rule: (rule.rule.priority, rule.rule_id)))
        core.stale_index = True


def _leaves_on(before: LiveRule, after: LiveRule) -> bool:
    """Whether a version has done something that the next one would not put back when its condition is over."""
    acted = before.by_condition and before.state.acted and bool(before.rule.otherwise)
    covered = after.by_condition and set(commanded(before.rule)) <= set(commanded(after.rule))
    return acted and not covered


def _hand_over(before: LiveRule, after: LiveRule) -> None:
    """Let a version go on where the one before it was."""
    old, new = before.state, after.state
    new.number, new.starts, new.started_at = old.number, old.starts, old.started_at
    if before.by_condition and after.by_condition:
        new.acted = old.acted
    if before.rule.condition == after.rule.condition:
        new.memory[: after.own] = old.memory[: before.own]
    new.wake = NEVER
