"""What a step does: commands, with who has the actuator and who fights over it, and all else that is done at once."""

from typing import Literal

import msgspec

from kaiser.contracts.events.logic import (
    AlarmCleared,
    AlarmRaised,
    CommandAsked,
    NotificationAsked,
    RuleDamped,
    RuleSwitched,
)
from kaiser.contracts.events.safeguards import ActuatorRef
from kaiser.contracts.rules import Alarm, Command, Notify, SwitchRule
from kaiser.logic.core import Core
from kaiser.logic.live import LiveRule
from kaiser.logic.state import ActuatorKey, Run, Switched
from kaiser.logic.times import SECOND
from kaiser.logic.world import ON


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """A command as a step asks for it."""

    actuator: ActuatorRef
    command: Literal["ON", "OFF", "PWM", "TOGGLE"]
    level: float | None = None
    duration_s: int = 0
    hold_s: int = 0
    timeout_s: int = 30
    wait: bool = True
    go_on: bool = False
    cleanup: bool = False

    @classmethod
    def of(cls, command: Command) -> "Asking":
        """What a command action asks for."""
        return cls(
            actuator=command.actuator,
            command=command.command,
            level=command.level,
            duration_s=command.duration_s,
            hold_s=command.hold_s,
            timeout_s=command.timeout_s,
            wait=command.wait,
            go_on=command.on_failure == "go_on",
        )


class Outcome(msgspec.Struct, frozen=True):
    """Why a step did not succeed."""

    outcome: Literal["failed", "yielded", "timed_out"]
    code: str
    detail: str


class Doing:
    """Does steps.

    Args:
        core: What the engine knows.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def ask(self, rule: LiveRule, run: Run, path: str, asking: Asking) -> Outcome | None:
        """Ask for a command as the run's next step; why not, where it must not be asked for."""
        core, key = self._core, (asking.actuator.esp_id, asking.actuator.gpio)
        run.steps += 1
        shadow = core.world.actuators.get(key)
        on = turns_on(asking, None if shadow is None else shadow.level)
        if (objection := self._objection(rule, key, on=on)) is not None:
            return objection
        until = core.clock + max(rule.rule.hold_s, asking.duration_s if on else 0) * SECOND
        core.claims.claim(key, rule.rule_id, rule.rule.priority, until)
        verdict = core.claims.switched(key, Switched(core.clock, rule.rule_id, run.run_id, on), core.priorities())
        if verdict is not None:
            loser = core.rules.get(verdict.damped, rule)
            core.say(
                RuleDamped,
                loser,
                actuator=asking.actuator,
                rules=verdict.rules,
                reversals=verdict.reversals,
                until=verdict.until,
            )
            if on and (objection := self._objection(rule, key, on=on)) is not None:
                return objection
        remember(run, key, lit=on and not asking.duration_s)
        core.say(
            CommandAsked,
            rule,
            run_id=run.run_id,
            step=run.steps,
            path=path,
            esp_id=asking.actuator.esp_id,
            gpio=asking.actuator.gpio,
            command=asking.command,
            level=asking.level,
            duration_s=asking.duration_s,
            hold_s=asking.hold_s,
            timeout_s=asking.timeout_s,
            cleanup=asking.cleanup,
        )
        return None

    def at_once(self, rule: LiveRule, run: Run, path: str, action: Notify | Alarm | SwitchRule) -> None:
        """Do something that nobody has to answer."""
        core = self._core
        run.steps += 1
        step = {"run_id": run.run_id, "step": run.steps, "path": path}
        match action:
            case Notify(channel=channel, target=target):
                message = fill(action.message, rule, run)
                core.say(NotificationAsked, rule, channel=channel, target=target, message=message, **step)
            case Alarm(do="raise", name=name):
                if (rule.rule_id, name) not in core.alarms:
                    core.alarms.add((rule.rule_id, name))
                    message = fill(action.message, rule, run)
                    core.say(AlarmRaised, rule, alarm=name, severity=action.severity, message=message, **step)
            case Alarm(name=name):
                if (rule.rule_id, name) in core.alarms:
                    core.alarms.discard((rule.rule_id, name))
                    core.say(AlarmCleared, rule, alarm=name, message=fill(action.message, rule, run), **step)
            case SwitchRule(rule=target_rule, enabled=enabled):
                core.say(RuleSwitched, rule, target=target_rule, enabled=enabled, **step)
                core.switches.append((target_rule, enabled))

    def clean_up(self, rule: LiveRule, run: Run) -> None:
        """Switch off what a broken run had switched on, unless another rule has it by now."""
        for esp_id, gpio in list(run.lit):
            holder = self._core.holder(esp_id, gpio)
            if holder is None or holder.rule_id == rule.rule_id:
                asking = Asking(actuator=ActuatorRef(esp_id, gpio), command="OFF", cleanup=True)
                self.ask(rule, run, "", asking)

    def _objection(self, rule: LiveRule, key: tuple[str, int], *, on: bool) -> Outcome | None:
        core = self._core
        holder = core.holder(*key)
        if holder is not None and holder.rule_id != rule.rule_id and holder.priority <= rule.rule.priority:
            left = (holder.until - core.clock) / SECOND
            words = f"for {left:.0f} s more" if left > 0 else "for as long as its condition holds"
            detail = f"rule {holder.rule_id} (priority {holder.priority}) has {key[0]}/{key[1]} {words}"
            return Outcome("yielded", "ACTUATOR_CLAIMED", detail)
        if on and (until := core.claims.damped_until(key, rule.rule_id, core.clock)):
            detail = f"may not switch {key[0]}/{key[1]} on for {(until - core.clock) / SECOND:.0f} s more"
            return Outcome("failed", "RULE_DAMPED", detail)
        return None


def turns_on(asked: Asking | CommandAsked, level: float | None) -> bool:
    """Whether an actuator is on by what it is asked for, where it reports a level; None where nobody knows that."""
    match asked.command:
        case "ON":
            return True
        case "OFF":
            return False
        case "PWM":
            return (asked.level or 0.0) > ON
        case "TOGGLE":
            return level is None or level <= ON


def remember(run: Run, key: ActuatorKey, *, lit: bool) -> None:
    """Note what a run has switched on without a duration."""
    if key in run.lit:
        run.lit.remove(key)
    if lit:
        run.lit.append(key)


def fill(message: str, rule: LiveRule, run: Run) -> str:
    """A message with its blanks filled in."""
    words = {"rule": rule.rule.name, "run": run.run_id, **run.words}
    for name, word in words.items():
        message = message.replace(f"{{{name}}}", word)
    return message
