"""What people and rules order of actuators: decided on the log alone, with no database on the way."""

from typing import Final

import structlog

from kaiser.actuator import views
from kaiser.actuator.acting import Acting
from kaiser.actuator.archive import Archive
from kaiser.actuator.book import Key, decoder
from kaiser.actuator.commands import Ask, Cancel, SetPolicy
from kaiser.contracts import subjects
from kaiser.contracts.actuation import Actuator, CancelCommand, Command, SendCommand, SetShadowPolicy
from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import COMMAND_EVENTS, CommandRequested
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import ACTUATORS, DOWNLINK
from kaiser.eventlog import EventLog, LogFull, new_id, replay_batches

_log = structlog.get_logger(__name__)

UNTOLD: Final = "a command is stored, and its message to the device has to wait"

STUCK: Final = (
    "The log takes no more, so the device was not told; it is when there is room before the deadline. "
    "An emergency stop goes another way"
)


class Orders:
    """Executes orders.

    Args:
        log: Where commands are.
        acting: Decides and sends.
        archive: The last commands.
    """

    def __init__(self, log: EventLog, acting: Acting, archive: Archive) -> None:
        self._log = log
        self._acting = acting
        self._archive = archive

    async def send(self, asked: SendCommand, now: int) -> Command:
        """Have an actuator do something. OFF is on its way when this returns; the rest waits for safety.

        Raises:
            Refusal: Why not; see ``kaiser.actuator.requesting``.
        """
        if asked.command != "OFF" and self._log.room.is_full(DOWNLINK.name):
            raise Refusal(Code.SERVICE_ERROR, f"{DOWNLINK.name} takes no more: no device can be told anything now")
        key = Key(asked.esp_id, asked.gpio)
        ask = _ask(asked, now, self._acting)
        try:
            decided = await self._acting.put(key, ask)
            if not decided.events and self._log.room.is_full(DOWNLINK.name):
                await self._acting.send_again(key)  # a repetition of what may not have been told
        except LogFull as full:
            command_id = self._untold(key, ask)
            if not command_id:
                raise
            _log.warning(UNTOLD, command_id=command_id)
            raise Refusal(Code.SERVICE_ERROR, f"command {command_id} is stored. {STUCK}") from full
        if decided.events:
            requested = next(fact for _, fact in decided.events if isinstance(fact, CommandRequested))
            return await self._command(key, requested.command_id)
        return await self._command(key, decided.state.keys[asked.idempotency_key].command_id)

    def _untold(self, key: Key, ask: Ask) -> str:
        """The command that was stored for a request although its message was not taken; empty for none."""
        known = self._acting.book.state(key).keys.get(ask.key) if ask.key else None
        command_id = ask.command_id if known is None else known.command_id
        return command_id if self._archive.get(command_id) is not None else ""

    async def cancel(self, asked: CancelCommand, now: int) -> Command:
        """Take a command back that is not on its way yet.

        Raises:
            Refusal: COMMAND_NOT_FOUND; COMMAND_ENDED where it is too late.
        """
        key = Key(asked.esp_id, asked.gpio)
        open_ids = [command.id for command in self._acting.book.state(key).open]
        known = self._archive.get(asked.command_id)
        if asked.command_id not in open_ids and (known is None or (known.esp_id, known.gpio) != key):
            raise Refusal(Code.COMMAND_NOT_FOUND, "this actuator has no such command", "command_id")
        await self._acting.put(key, Cancel(at=now, command_id=asked.command_id, by=asked.by))
        return await self._command(key, asked.command_id)

    async def set_policy(self, asked: SetShadowPolicy, now: int) -> Actuator:
        """Say what is done where desired and reported state differ.

        Raises:
            Refusal: ACTUATOR_NOT_FOUND.
        """
        key = Key(asked.esp_id, asked.gpio)
        around = self._acting.surroundings.around(key)
        order = SetPolicy(at=now, around=around, policy=asked.policy, by=asked.by, reason=asked.reason)
        await self._acting.put(key, order)
        return self.actuator(key)

    def actuator(self, key: Key) -> Actuator:
        """An actuator as it is known now."""
        surroundings, book = self._acting.surroundings, self._acting.book
        member, shadow = surroundings.roster.get(key.esp_id), surroundings.shadow(key)
        return views.actuator(key.esp_id, key.gpio, book.state(key), shadow, member, book.last_seq(key))

    async def _command(self, key: Key, command_id: str) -> Command:
        """A command of an actuator: from memory, else from the log, which forgets none."""
        found = self._archive.get(command_id)
        if found is not None:
            return found
        filters = (subjects.commands_of(key.esp_id, key.gpio),)
        command: Command | None = None
        async for batch in replay_batches(self._log, ACTUATORS.name, subjects=filters):
            for delivery in batch:
                fact = decoder.decode(delivery.type, delivery.data)
                if isinstance(fact, COMMAND_EVENTS) and fact.command_id == command_id:
                    command = views.told(command, fact, delivery.seq)
        if command is None:
            raise Refusal(Code.COMMAND_NOT_FOUND, "there is no such command", "command_id")
        return command


def _ask(asked: SendCommand, now: int, acting: Acting) -> Ask:
    command_id = new_id()
    return Ask(
        at=now,
        around=acting.surroundings.around(Key(asked.esp_id, asked.gpio)),
        command_id=command_id,
        correlation_id=asked.correlation_id or command_id,
        asked=asked.command,
        level=asked.level,
        duration_s=asked.duration_s,
        source=asked.source,
        by=asked.by,
        reason=asked.reason,
        key=asked.idempotency_key,
        causation_id=asked.causation_id,
        hold_s=asked.hold_s,
        timeout_s=asked.timeout_s,
    )
