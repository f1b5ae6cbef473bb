"""Commands and reported states into tables: everything that waits in one statement, with how far it got."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from psycopg import AsyncRawCursor
from psycopg.types.json import Jsonb

from kaiser.actuator import statements
from kaiser.actuator.levels import reported
from kaiser.actuator.views import LATE
from kaiser.contracts.events.actuation import (
    CommandAcknowledged,
    CommandAnsweredLate,
    CommandDispatched,
    CommandEnded,
    CommandFact,
    CommandRequested,
)
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.wire import ActuatorStatus
from kaiser.timescale import Pool, timestamp_array

_COMMANDS: Final = statements.read("write_commands")
_STATES: Final = statements.read("write_states")


class Row(msgspec.Struct):
    """What several events say of one command; fields as in ``write_commands.sql``, None for what was not said."""

    command_id: str
    correlation_id: str
    esp_id: str
    gpio: int
    action: str | None = None
    asked: str | None = None
    level: float | None = None
    duration_s: int | None = None
    source: str | None = None
    by: str | None = None
    reason: str | None = None
    state: str = ""
    seq: int = 0
    requested_at: int | None = None
    ended_at: int | None = None
    deadline_at: int | None = None
    attempts: int = 0
    steps: dict[str, int] = {}
    code: str = ""
    detail: str = ""
    rule: str = ""
    decision_seq: int = 0
    causation_id: str | None = None
    idempotency_key: str | None = None
    outcome: str | None = None


TIMES: Final = frozenset({"requested_at", "ended_at", "deadline_at"})


def merged(told: Iterable[tuple[int, CommandFact]]) -> list[Row]:
    """One row a command, in the order of their ids: writers that lock rows in one order do not lock each other out."""
    rows: dict[str, Row] = {}
    for seq, event in told:
        row = rows.get(event.command_id)
        if row is None:
            row = rows[event.command_id] = Row(
                event.command_id, event.correlation_id, event.esp_id, event.gpio, state="", steps={}
            )
        row.seq = seq
        _merge(row, event)
    return [rows[command_id] for command_id in sorted(rows)]


def _merge(row: Row, event: CommandFact) -> None:
    match event:
        case CommandRequested():
            for name in ("action", "asked", "level", "duration_s", "source", "by", "reason", "causation_id"):
                setattr(row, name, getattr(event, name))
            row.idempotency_key = event.idempotency_key
            row.requested_at, row.deadline_at = event.at, event.deadline_at
            _step(row, "held" if event.held_until else "requested", event.at)
        case CommandDispatched():
            row.attempts, row.decision_seq = event.attempt, event.decision_seq
            _step(row, "dispatched", event.at)
        case CommandAcknowledged():
            _step(row, "acknowledged", event.at)
        case CommandEnded():
            row.ended_at, row.outcome = event.at, event.outcome
            row.code, row.detail, row.rule = event.code, event.detail, event.rule
            row.decision_seq = event.decision_seq or row.decision_seq
            _step(row, event.outcome, event.at)
        case CommandAnsweredLate():
            row.steps.setdefault(LATE, event.at)


def _step(row: Row, state: str, at: int) -> None:
    row.state = state
    row.steps.setdefault(state, at)


def columns(rows: Sequence[Row]) -> list[Any]:
    """The parameters of ``write_commands.sql`` but the last."""
    found: list[Any] = []  # columns of many types
    for name in Row.__struct_fields__:
        column = [getattr(row, name) for row in rows]
        if name in TIMES:
            found.append(timestamp_array([at or 0 for at in column]))  # 1970 stands for null
            continue
        if name == "steps":
            column = [Jsonb(steps) for steps in column]
        found.append(column)
    return found


class Projections:
    """Writes rows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def commands(self, told: Sequence[tuple[int, CommandFact]]) -> None:
        """Merge events of commands into their table; when it returns they are committed.

        Raises:
            DatabaseAway: Nothing was written, or it is not known; the same may be given again.
            BadData: A value was refused.
        """
        if told:
            await self._write(_COMMANDS, (*columns(merged(told)), told[-1][0]))

    async def states(self, told: Sequence[tuple[int, DeviceSaid[ActuatorStatus]]]) -> None:
        """Write what changed; raises as :meth:`commands`."""
        if not told:
            return
        said = [status for _, status in told]
        parameters = (
            [status.esp_id for status in said],
            [status.message.gpio for status in said],
            timestamp_array([status.received_at for status in said]),
            [reported(status.message) for status in said],
            [status.message.emergency for status in said],
            [status.message.runtime_ms for status in said],
            list(range(len(said))),
            told[-1][0],
        )
        await self._write(_STATES, parameters)

    async def _write(self, statement: Any, parameters: Sequence[object]) -> None:  # a literal of this package
        async with self._pool.connection() as connection:
            await AsyncRawCursor(connection).execute(statement, parameters, prepare=True)
