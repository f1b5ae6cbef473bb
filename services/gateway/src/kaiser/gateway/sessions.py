"""Who is connected by WebSocket, and the way to end that."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, Protocol

from kaiser.contracts.live import Close
from kaiser.gateway.tokens import Principal

DRAIN_WITHIN_S: Final = 2.0


class Session(Protocol):
    """One connection of somebody who has proved who they are."""

    @property
    def principal(self) -> Principal:
        """Who it is."""
        ...

    def end(self, code: Close, reason: str) -> None:
        """Close it soon, and send nothing more."""
        ...

    def say_goodbye(self) -> None:
        """Close it soon, for the gateway stops."""
        ...


class Sessions:
    """All connections of this gateway."""

    def __init__(self) -> None:
        self._sessions: set[Session] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._sessions)

    def add(self, session: Session) -> None:
        """Note a connection."""
        self._sessions.add(session)
        self._empty.clear()

    def remove(self, session: Session) -> None:
        """Forget a connection."""
        self._sessions.discard(session)
        if not self._sessions:
            self._empty.set()

    def revoke(self, concerns: Callable[[Principal], bool], reason: str = "logged out") -> int:
        """End every connection whose principal may not go on, with :attr:`Close.REVOKED`.

        To be called on every gateway, as the revocation is read from the log.

        Args:
            concerns: Whether a principal is one of those.
            reason: What the clients are told.

        Returns:
            How many connections that were.
        """
        ended = [session for session in self._sessions if concerns(session.principal)]
        for session in ended:
            session.end(Close.REVOKED, reason)
        return len(ended)

    async def drained(self) -> None:
        """End every connection, for the gateway stops; clients are told to come back, elsewhere if they can."""
        for session in tuple(self._sessions):
            session.say_goodbye()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_WITHIN_S):
                await self._empty.wait()
