"""Commands as others see them, by id: the last thousands in memory, for who asks and for who waits for an end."""

import asyncio
from collections.abc import Iterable
from typing import Final

from kaiser.actuator.book import Key
from kaiser.actuator.state import Fact
from kaiser.actuator.views import told
from kaiser.contracts.actuation import Command
from kaiser.contracts.events.actuation import COMMAND_EVENTS, CommandFact

MOST_COMMANDS: Final = 10_000
MOST_WAITERS: Final = 1_000


class TooManyWaitersError(Exception):
    """As many wait for ends of commands as may."""


class Archive:
    """The last commands."""

    def __init__(self) -> None:
        self._commands: dict[str, Command] = {}
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}
        self._waiting = 0

    def __len__(self) -> int:
        """How many are held."""
        return len(self._commands)

    def take(self, key: Key, event: Fact, seq: int) -> None:
        """Take in an event, in the order of the log."""
        del key
        if not isinstance(event, COMMAND_EVENTS):
            return
        told_event: CommandFact = event
        known = self._commands.get(told_event.command_id)
        command = told(known, told_event, seq)
        if command is None:
            return
        if known is None and len(self._commands) >= MOST_COMMANDS:
            self._forget_one()
        self._commands[command.command_id] = command
        if command.ended_at:
            for waiter in self._waiters.pop(command.command_id, ()):
                if not waiter.done():
                    waiter.set_result(None)

    def commands(self) -> tuple[Command, ...]:
        """All that are held, the oldest first."""
        return tuple(self._commands.values())

    def remember(self, commands: Iterable[Command]) -> None:
        """Hold what was held when a snapshot was taken; before any event is taken in."""
        self._commands = {command.command_id: command for command in commands}

    def get(self, command_id: str) -> Command | None:
        """A command; None for one that is too long ago."""
        return self._commands.get(command_id)

    async def wait(self, command_id: str, within_s: float) -> None:
        """Return when a command has ended, or after so long.

        Raises:
            TooManyWaitersError: A thousand others wait.
        """
        known = self._commands.get(command_id)
        if known is None or known.ended_at or within_s <= 0:
            return
        if self._waiting >= MOST_WAITERS:
            raise TooManyWaitersError
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(command_id, []).append(waiter)
        self._waiting += 1
        try:
            await asyncio.wait({waiter}, timeout=within_s)
        finally:
            self._waiting -= 1
            waiter.cancel()
            left = [other for other in self._waiters.get(command_id, ()) if not other.done()]
            if left:
                self._waiters[command_id] = left
            else:
                self._waiters.pop(command_id, None)

    def _forget_one(self) -> None:
        """The oldest that has ended; one without an end is kept, for there are at most two an actuator."""
        for command_id, command in self._commands.items():
            if command.ended_at:
                del self._commands[command_id]
                return
