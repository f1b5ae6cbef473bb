"""What rules decided into its table: many decisions in one statement, each once."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from psycopg import AsyncRawCursor

from kaiser.contracts.events.logic import (
    AlarmCleared,
    AlarmRaised,
    CommandAsked,
    NotificationAsked,
    RuleDamped,
    RuleSkipped,
    RuleSwitched,
    RunEnded,
    RunStarted,
    StepEnded,
    StepWaiting,
)
from kaiser.logic import statements
from kaiser.timescale import Pool, timestamp_array

CONSUMER: Final = "runs"
"""Its row in ``logic.progress``."""

KINDS: Final[dict[type[Any], str]] = {  # struct types of two families
    RunStarted: "started",
    CommandAsked: "command",
    NotificationAsked: "notification",
    AlarmRaised: "alarm",
    AlarmCleared: "alarm",
    RuleSwitched: "switch",
    StepWaiting: "waiting",
    StepEnded: "step",
    RunEnded: "ended",
    RuleSkipped: "skipped",
    RuleDamped: "damped",
}
"""What a row is called, by the type of its event."""

_WRITE: Final = statements.read("write_decisions")


class Kept(msgspec.Struct, frozen=True):
    """A decision, and the body that it came in, which is kept as it is."""

    decision: Any  # one of RUN_EVENTS
    body: str


def columns(told: Sequence[tuple[int, Kept]]) -> tuple[object, ...]:
    """The parameters of ``write_decisions.sql`` but the last.

    Args:
        told: Sequences in LOGIC, and decisions.
    """
    decisions = [each.decision for _, each in told]
    return (
        [each.n for each in decisions],
        timestamp_array([each.at for each in decisions]),
        [seq for seq, _ in told],
        [each.rule_id for each in decisions],
        [each.version for each in decisions],
        [getattr(each, "run_id", "") for each in decisions],
        [KINDS[type(each)] for each in decisions],
        [outcome(each) for each in decisions],
        [each.TYPE for each in decisions],
        [each.body for _, each in told],
    )


def outcome(decision: object) -> str:
    """What a list shows for it, as long as nothing else ends it."""
    match decision:
        case RunStarted():
            return "running"
        case RuleSkipped():
            return "skipped"
        case RunEnded(outcome=ended):
            return ended
    return ""


class Projections:
    """Writes rows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def decisions(self, told: Sequence[tuple[int, Kept]]) -> None:
        """Write decisions; when it returns they are committed.

        Args:
            told: Sequences and decisions, in the order of the stream.

        Raises:
            DatabaseAway: Nothing was written, or it is not known; the same may be given again.
            BadData: A value was refused.
        """
        if told:
            parameters = (*columns(told), told[-1][0])
            async with self._pool.connection() as connection:
                await AsyncRawCursor(connection).execute(_WRITE, parameters, prepare=True)
