"""What safety rejected and stopped into a table: many events in one statement, each once."""

from collections.abc import Sequence
from typing import Final

import msgspec
from psycopg import AsyncRawCursor

from kaiser.contracts.events.safeguards import ActuatorStopped, CommandRejected
from kaiser.safety import statements
from kaiser.safety.events import Fact
from kaiser.timescale import Pool, timestamp_array

CONSUMER: Final = "violations"
"""Its row in ``safety.progress``."""

_VIOLATIONS: Final = statements.read("violations")
_NUL: Final = "\\u0000"


def columns(facts: Sequence[tuple[int, Fact]]) -> tuple[object, ...]:
    """The parameters of ``violations.sql`` but the last.

    Args:
        facts: Sequences and events; those that are no violation are left out.
    """
    broken = [(seq, fact) for seq, fact in facts if isinstance(fact, CommandRejected | ActuatorStopped)]
    return (
        [seq for seq, _ in broken],
        timestamp_array([fact.at for _, fact in broken]),
        ["rejected" if isinstance(fact, CommandRejected) else "stopped" for _, fact in broken],
        [_text(fact.esp_id) for _, fact in broken],
        [fact.gpio for _, fact in broken],
        [_text(fact.rule) for _, fact in broken],
        [_text(fact.code) for _, fact in broken],
        [_text(fact.detail) for _, fact in broken],
        [_json(fact.saw) for _, fact in broken],
        [_text(fact.command_id if isinstance(fact, CommandRejected) else fact.stop_id) for _, fact in broken],
        [_text(fact.correlation_id) for _, fact in broken],
        [_text(fact.by) for _, fact in broken],
    )


class Violations:
    """Writes rows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def write(self, facts: Sequence[tuple[int, Fact]]) -> None:
        """Write what is a violation; when it returns it is committed.

        Args:
            facts: Sequences and events, in the order of the stream.

        Raises:
            DatabaseAway: Nothing was written, or it is not known; the same may be given again.
            BadData: A value was refused.
        """
        if facts:
            parameters = (*columns(facts), facts[-1][0])
            async with self._pool.connection() as connection:
                await AsyncRawCursor(connection).execute(_VIOLATIONS, parameters, prepare=True)


def _text(value: str) -> str:
    """PostgreSQL's text has no NUL, which JSON strings may have."""
    return value.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode().replace(_NUL, "\\ufffd")
