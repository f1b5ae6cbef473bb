"""What others may ask: actuators and recent commands from memory, lists and history from the tables."""

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from psycopg import AsyncRawCursor

from kaiser.actuator import statements
from kaiser.actuator.archive import Archive, TooManyWaitersError
from kaiser.actuator.book import Book, Key
from kaiser.actuator.orders import Orders
from kaiser.actuator.surroundings import Surroundings
from kaiser.contracts import cursors
from kaiser.contracts.actuation import (
    Actuator,
    ActuatorQuery,
    ActuatorsQuery,
    Command,
    CommandQuery,
    CommandsQuery,
    ReportedState,
    StatesQuery,
)
from kaiser.contracts.codes import Code
from kaiser.contracts.queries import Page
from kaiser.contracts.refusals import Refusal
from kaiser.timescale import Instant, Pool

Row = tuple[Any, ...]  # columns of many types

MOST_ITEMS: Final = 1_000
MOST_STATES: Final = 5_000
"""A reply is one NATS message of at most 1 MiB."""

_COMMAND: Final = statements.read("command")
_COMMANDS: Final = statements.read("command_list")
_STATES: Final = statements.read("state_list")
_COMMAND_FIELDS: Final = (
    "command_id", "correlation_id", "esp_id", "gpio", "action", "asked", "level", "duration_s", "source", "by",
    "reason", "state", "seq", "requested_at", "ended_at", "deadline_at", "attempts", "steps", "code", "detail", "rule",
    "decision_seq", "causation_id", "idempotency_key",
)  # fmt: skip


class Queries:
    """Answers. Lists of commands and history raise DatabaseAway while the tables are away; nothing else does.

    Args:
        pool: Connections.
        book: Aggregates.
        surroundings: Devices and reported states.
        archive: The last commands.
        orders: Knows actuators as others see them.
    """

    def __init__(self, pool: Pool, book: Book, surroundings: Surroundings, archive: Archive, orders: Orders) -> None:
        self._pool = pool
        self._book = book
        self._surroundings = surroundings
        self._archive = archive
        self._orders = orders

    async def actuators(self, asked: ActuatorsQuery, now: int) -> Page[Actuator]:  # noqa: ARG002  # one face for all
        """Actuators in the order of device and pin.

        Raises:
            Refusal: VALUE_OUT_OF_RANGE.
        """
        limit = _limit(asked.limit, MOST_ITEMS)
        after = Key(*(cursors.read(asked.cursor, (str, int)) or ("", -1)))
        items: list[Actuator] = []
        for key in sorted(self._keys(asked.esp_id)):
            if key <= after:
                continue
            found = self._orders.actuator(key)
            if _wanted(found, asked):
                items.append(found)
            if len(items) > limit:
                break
        more = len(items) > limit
        items = items[:limit]
        return Page(items=items, next_cursor=cursors.write(items[-1].esp_id, items[-1].gpio) if more else None)

    async def actuator(self, asked: ActuatorQuery, now: int) -> Actuator:  # noqa: ARG002
        """One actuator.

        Raises:
            Refusal: ESP_DEVICE_NOT_FOUND, ACTUATOR_NOT_FOUND; OPERATION_TIMEOUT where an event does not come in time.
        """
        key = Key(asked.esp_id, asked.gpio)
        if not self._surroundings.roster.get(key.esp_id).esp_id:
            raise Refusal(Code.ESP_DEVICE_NOT_FOUND, f"no device {key.esp_id!r} was ever heard", "esp_id")
        around = self._surroundings.around(key)
        if not around.exists and not self._book.last_seq(key):
            raise Refusal(Code.ACTUATOR_NOT_FOUND, f"the device has no actuator on pin {key.gpio}", "gpio")
        shadow_seq = self._surroundings.shadow(key).seq
        if asked.at_least > shadow_seq and not await self._book.reach(key, asked.at_least):
            words = f"event {asked.at_least} did not come to this actuator in time"
            raise Refusal(Code.OPERATION_TIMEOUT, words, "at_least")
        return self._orders.actuator(key)

    async def command(self, asked: CommandQuery, now: int) -> Command:  # noqa: ARG002
        """One command; after its end, or after ``wait_s``.

        Raises:
            Refusal: COMMAND_NOT_FOUND.
        """
        try:
            await self._archive.wait(asked.command_id, asked.wait_s)
        except TooManyWaitersError as error:
            raise Refusal(Code.SERVICE_ERROR, "too many wait for ends of commands; ask again", "wait_s") from error
        found = self._archive.get(asked.command_id)
        if found is not None:
            return found
        rows = await self._rows(_COMMAND, (asked.command_id,))
        if not rows:
            raise Refusal(Code.COMMAND_NOT_FOUND, "there is no such command, or it is too long ago", "command_id")
        return _command(rows[0])

    async def commands(self, asked: CommandsQuery, now: int) -> Page[Command]:  # noqa: ARG002
        """Commands, newest first.

        Raises:
            Refusal: VALUE_OUT_OF_RANGE.
        """
        limit = _limit(asked.limit, MOST_ITEMS)
        at, after = cursors.read(asked.cursor, (int, str)) or (0, "")
        found = await self._rows(
            _COMMANDS,
            (
                _instant(at),
                after,
                asked.esp_id,
                asked.gpio,
                asked.outcome,
                asked.correlation_id,
                _instant(asked.start),
                _instant(asked.end),
                limit + 1,
            ),
        )
        items = [_command(row) for row in found[:limit]]
        last = items[-1] if len(found) > limit else None
        return Page(items=items, next_cursor=cursors.write(last.requested_at, last.command_id) if last else None)

    async def states(self, asked: StatesQuery, now: int) -> Page[ReportedState]:  # noqa: ARG002
        """What an actuator reported, oldest first; the first page begins with what it was at the start of the span.

        Raises:
            Refusal: VALUE_OUT_OF_RANGE.
        """
        if asked.end <= asked.start:
            raise Refusal(Code.VALUE_OUT_OF_RANGE, "the end must be later than the start", "end")
        limit = _limit(asked.limit, MOST_STATES)
        (start,) = cursors.read(asked.cursor, (int,)) or (asked.start,)
        span = (Instant(start), Instant(asked.end))
        found = await self._rows(_STATES, (asked.esp_id, asked.gpio, *span, limit + 1, asked.cursor is None))
        items = [ReportedState(**dict(zip(ReportedState.__struct_fields__, row, strict=True))) for row in found[:limit]]
        return Page(items=items, next_cursor=cursors.write(items[-1].at + 1) if len(found) > limit else None)

    def _keys(self, esp_id: str | None) -> set[Key]:
        if esp_id is not None:
            told = {key for key in self._book.actuators() if key.esp_id == esp_id}
            return told | {Key(esp_id, gpio) for gpio in self._surroundings.pins(esp_id)}
        configured = {
            Key(member.esp_id, gpio) for member in self._surroundings.roster.members() for gpio in member.actuators
        }
        return configured | set(self._surroundings.keys()) | set(self._book.actuators())

    async def _rows(self, statement: LiteralString, parameters: Sequence[object]) -> list[Row]:
        async with self._pool.connection() as connection:
            cursor = AsyncRawCursor(connection)
            await cursor.execute(statement, parameters, binary=True)
            return await cursor.fetchall()


def _wanted(found: Actuator, asked: ActuatorsQuery) -> bool:
    return (
        (asked.zone_id is None or found.zone_id == asked.zone_id)
        and (asked.actuator_type is None or found.actuator_type == asked.actuator_type)
        and (asked.drifted is None or (found.drift_since > 0) == asked.drifted)
    )


def _instant(at: int) -> Instant | None:
    return Instant(at) if at else None


def _limit(asked: int, most: int) -> int:
    if not 1 <= asked <= most:
        raise Refusal(Code.VALUE_OUT_OF_RANGE, f"the limit must be between 1 and {most}", "limit")
    return asked


def _command(row: Row) -> Command:
    values = dict(zip(_COMMAND_FIELDS, row, strict=True))
    values["ended_at"] = values["ended_at"] or 0
    return Command(**values)
