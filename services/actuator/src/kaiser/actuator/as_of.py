"""What an actuator or a command was at a past time: by the events up to then, and the folds of today."""

from typing import Any, Final

import msgspec

from kaiser.actuator import shadow as shadows
from kaiser.actuator import views
from kaiser.actuator.archive import Archive
from kaiser.actuator.book import Key, decoder, subjects_of
from kaiser.actuator.lifecycle import NEW, ActuatorState, evolve
from kaiser.actuator.queries import Queries
from kaiser.actuator.shadow import UNSEEN, Shadow
from kaiser.contracts import subjects
from kaiser.contracts.actuation import Command, CommandQuery
from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import COMMAND_EVENTS, CommandRequested, ShadowPolicySet
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.past import StateAt, StateAtQuery
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import ACTUATORS
from kaiser.contracts.wire import ActuatorStatus
from kaiser.eventlog import Delivery, EventLog, last_before, up_to
from kaiser.roster import member_at
from kaiser.service.past import Fold, Past, never, pin_of, told, unknown_kind

AMONG_US: Final = 600_000_000
"""Statuses that a device hands over late come within so long of the others."""
MOST_STATUSES: Final = 5_000
CLOCKS_DIFFER_US: Final = 60_000_000
UNSAID: Final = frozenset({"version", "changed_at"})
"""What a process says of a reported state from when it began to listen to it."""

_decode_status = msgspec.json.Decoder(DeviceSaid[ActuatorStatus]).decode


class AsOf:
    """Says what was.

    Args:
        log: The connection.
        archive: Knows whose the last commands are.
        queries: Know whose those before are, from the table.
    """

    def __init__(self, log: EventLog, archive: Archive, queries: Queries) -> None:
        self._log = log
        self._archive = archive
        self._queries = queries
        self._past = Past(log)

    async def state_at(self, asked: StateAtQuery, now: int) -> StateAt:
        """What an ``actuator`` or a ``command`` was.

        Raises:
            Refusal: VALUE_OUT_OF_RANGE, EVENT_NOT_FOUND, EVENTS_GONE, TOO_MANY_EVENTS, SERVICE_ERROR.
            DatabaseAway: A command is so long ago that only the table knows whose it is, and that is away.
        """
        match asked.kind:
            case "actuator":
                return await self._actuator(asked)
            case "command":
                return await self._command(asked, now)
            case _:
                raise unknown_kind(asked, "actuator")

    async def _actuator(self, asked: StateAtQuery) -> StateAt:
        """Desired and reported state, as ``query.actuator.actuator`` has them; since when it reports that, it omits."""
        key = Key(*pin_of(asked))
        fold: Fold[ActuatorState] = Fold(
            stream=ACTUATORS.name,
            subjects=(subjects_of(key),),
            initial=NEW,
            decode=_fact,
            evolve=lambda state, fact, _: evolve(state, fact),
            begins=lambda fact: isinstance(fact, CommandRequested | ShadowPolicySet),
        )
        async with self._past.looking(asked):
            was = await self._past.folded(asked, fold)
            shadow = await self._shadow(key, asked)
            member = (await member_at(self._log, key.esp_id, asked.at)).member
        if not was.events and not shadow.seq and key.gpio not in member.actuators:
            raise never(asked)
        shown = views.actuator(key.esp_id, key.gpio, was.state, shadow, member, was.seq)
        found = told(ACTUATORS.name, shown.seq, was.events + bool(shadow.seq), shown)
        if (reported := found.state["reported"]) is not None:
            found.state["reported"] = {name: value for name, value in reported.items() if name not in UNSAID}
        return found

    async def _shadow(self, key: Key, asked: StateAtQuery) -> Shadow:
        """What it had reported, by its last statuses: they come for years, and each says all of it."""
        subject = f"actuator.*.{subjects.token(key.esp_id)}.{key.gpio}.status"
        last = await last_before(self._log, ACTUATORS.name, subject, asked.at + 1, up_to_seq=asked.seq)
        if last is None:
            return UNSEEN
        shadow, since = UNSEEN, max(0, last.stored_at - AMONG_US)
        deliveries = up_to(
            self._log, ACTUATORS.name, (subject,), last.stored_at, seq=last.seq, since=since, most=MOST_STATUSES
        )
        async for delivery in deliveries:
            try:
                said = _decode_status(delivery.data)
            except msgspec.DecodeError:
                continue
            shadow = shadows.take(shadow, said.message, seq=delivery.seq, at=said.received_at)
        return shadow

    async def _command(self, asked: StateAtQuery, now: int) -> StateAt:
        """A command as ``query.actuator.command`` has it."""
        known = await self._known(asked, now)
        fold: Fold[Command | None] = Fold(
            stream=ACTUATORS.name,
            subjects=(subjects.commands_of(known.esp_id, known.gpio),),
            initial=None,
            decode=_fact,
            evolve=views.told,
            begins=lambda fact: isinstance(fact, CommandRequested),
            about=lambda fact: isinstance(fact, COMMAND_EVENTS) and fact.command_id == asked.name,
            since=max(1, known.requested_at - CLOCKS_DIFFER_US),
        )
        return await self._past.answer(asked, fold, lambda command: command)

    async def _known(self, asked: StateAtQuery, now: int) -> Command:
        """The command as it is now, which says where its events are."""
        found = self._archive.get(asked.name)
        if found is not None:
            return found
        try:
            return await self._queries.command(CommandQuery(command_id=asked.name), now)
        except Refusal as refusal:
            raise never(asked) if refusal.code == Code.COMMAND_NOT_FOUND else refusal from None


def _fact(delivery: Delivery) -> Any:  # of one of many types
    return decoder.decode(delivery.type, delivery.data)
