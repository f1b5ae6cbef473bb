"""Who has an actuator, and who fights over it.

A rule that asks an actuator for something has it from then on: for ``hold_s``, for the duration of its command, and,
where the rule goes by a condition, for as long as that holds. Meanwhile a rule of a lower priority number takes it
over, and all others give way: their step ends as ``yielded`` and nothing is asked. At equal priority the first has it.

Rules *fight* where an actuator is switched to and fro too often within ten minutes, by several rules or by one that
flaps. The least important of them, or the one that comes last, may then not switch it on for a while, which doubles
each time. Nothing ever keeps a rule from switching off. Pulses within one run are no fight.
"""

from itertools import pairwise
from typing import Final

import msgspec

from kaiser.logic.state import ActuatorKey, Claim, Damping, Switched
from kaiser.logic.times import SECOND

FIGHT_WINDOW: Final = 600 * SECOND
FIGHT_REVERSALS: Final = 6
DAMPED_FIRST: Final = 900 * SECOND
DAMPED_MOST: Final = 4 * 3600 * SECOND
FORGIVEN_AFTER: Final = 86_400 * SECOND


class Verdict(msgspec.Struct, frozen=True):
    """A fight: who takes part, how often it was switched, who has to pause, until when."""

    rules: tuple[str, ...]
    reversals: int
    damped: str
    until: int


class Claims:
    """All actuators that rules have to do with.

    Attributes:
        held: Who has which.
        history: What each was told within the window, oldest first.
        damped: Who may not switch which on.
    """

    def __init__(self) -> None:
        self.held: dict[ActuatorKey, Claim] = {}
        self.history: dict[ActuatorKey, list[Switched]] = {}
        self.damped: dict[ActuatorKey, dict[str, Damping]] = {}

    def holder(self, key: ActuatorKey, now: int, *, active: bool) -> Claim | None:
        """Who has an actuator; None for nobody.

        Args:
            key: Actuator.
            now: The engine's clock.
            active: Whether the condition of the rule that had it last still holds.
        """
        claim = self.held.get(key)
        return claim if claim is not None and (active or now < claim.until) else None

    def claim(self, key: ActuatorKey, rule_id: str, priority: int, until: int) -> None:
        """A rule has an actuator from now on."""
        self.held[key] = Claim(rule_id, priority, until)

    def damped_until(self, key: ActuatorKey, rule_id: str, now: int) -> int:
        """Until when a rule may not switch an actuator on; 0 where it may."""
        damping = self.damped.get(key, {}).get(rule_id)
        return damping.until if damping is not None and now < damping.until else 0

    def switched(self, key: ActuatorKey, switched: Switched, priorities: dict[str, int]) -> Verdict | None:
        """Take in that an actuator is told something; the verdict where that makes it a fight.

        Args:
            key: Actuator.
            switched: What it is told, and by whom.
            priorities: Of live rules; a rule that is none any more counts as least important.
        """
        now = switched.at
        history = [each for each in self.history.get(key, ()) if each.at > now - FIGHT_WINDOW]
        history.append(switched)
        self.history[key] = history
        turns = [
            (before, after)
            for before, after in pairwise(history)
            if before.on != after.on and before.run_id != after.run_id
        ]
        if len(turns) < FIGHT_REVERSALS:
            return None
        rules = sorted({each.rule_id for turn in turns for each in turn})
        last = {each.rule_id: i for i, each in enumerate(history)}
        loser = max(rules, key=lambda rule_id: (priorities.get(rule_id, 101), last[rule_id]))
        if self.damped_until(key, loser, now):
            return None
        return Verdict(tuple(rules), len(turns), loser, self._damp(key, loser, now))

    def forget(self, rule_id: str) -> None:
        """A rule is gone, and with it what it has."""
        self.held = {key: claim for key, claim in self.held.items() if claim.rule_id != rule_id}
        for dampings in self.damped.values():
            dampings.pop(rule_id, None)

    def _damp(self, key: ActuatorKey, rule_id: str, now: int) -> int:
        dampings = self.damped.setdefault(key, {})
        before = dampings.get(rule_id)
        times = 1 if before is None or now > before.until + FORGIVEN_AFTER else before.times + 1
        until = now + min(DAMPED_FIRST << min(times - 1, 10), DAMPED_MOST)
        dampings[rule_id] = Damping(until, times)
        return until
