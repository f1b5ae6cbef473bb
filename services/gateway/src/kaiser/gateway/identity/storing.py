"""Users, sessions and keys in the log: loads an aggregate, lets it decide, and stores what it decided."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.events.codec import EventDecoder, encode
from kaiser.contracts.events.identity import (
    KEY_EVENTS,
    SESSION_EVENTS,
    USER_EVENTS,
    KeyEvent,
    SessionEvent,
    UserCreated,
    UserEvent,
)
from kaiser.contracts.queries import Problem
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import IDENTITY
from kaiser.eventlog import Aggregate, Delivery, Event, EventLog, EventLogError, Executed, Repository
from kaiser.gateway.accounts import Accounts
from kaiser.gateway.asking import ProblemError
from kaiser.gateway.identity import keys, sessions, users

SOURCE: Final = "kaiser/gateway"
SESSION_KEPT_S: Final = 91 * 86_400
"""Longer than any session may last. That there was one stays in the audit."""
STORED_WITHIN_S: Final = 4.0
SEEN_WITHIN_S: Final = 4.0

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")
Admit = Callable[[int], Awaitable[None]]

_decoder: Final = EventDecoder({event.TYPE: event for event in (*USER_EVENTS, *SESSION_EVENTS, *KEY_EVENTS)})


def decode(delivery: Delivery) -> Any:  # the struct follows from the type's name
    """The event in a message of the log."""
    return _decoder.decode(delivery.type, delivery.data)


def user_event(event: UserEvent) -> Event:
    """An event of a user for the log."""
    at = event.created_at if isinstance(event, UserCreated) else event.at
    subject = subjects.user(event.user_id, event.EVENT)
    return Event(subject=subject, type=event.TYPE, data=encode(event), source=SOURCE, time=at)


def session_event(event: SessionEvent) -> Event:
    """An event of a session for the log."""
    subject = subjects.session(event.session_id, event.EVENT)
    gone = {"Nats-TTL": str(SESSION_KEPT_S)}
    return Event(subject=subject, type=event.TYPE, data=encode(event), source=SOURCE, time=event.at, headers=gone)


def key_event(event: KeyEvent) -> Event:
    """An event of a key for the log."""
    subject = subjects.key(event.key_id, event.EVENT)
    return Event(subject=subject, type=event.TYPE, data=encode(event), source=SOURCE, time=event.at)


class Identity:
    """Executes commands about users, sessions and keys.

    What was decided has been seen by :class:`Accounts` here when a method returns; elsewhere it is on its way.

    Args:
        log: Where they are.
        accounts: Reads them as they come.
    """

    def __init__(self, log: EventLog, accounts: Accounts) -> None:
        self._accounts = accounts
        self._users = _repository(log, users.NONE, users.decide, users.evolve, user_event)
        self._sessions = _repository(log, None, sessions.decide, sessions.evolve, session_event)
        self._keys = _repository(log, None, keys.decide, keys.evolve, key_event)

    async def user(self, command: users.Command, *, known_seq: int | None = None) -> Executed[users.Users, UserEvent]:
        """Decide about a user.

        Args:
            command: What is asked for.
            known_seq: Sequence of the last event of the user that whoever asks has seen; None for whatever is there.

        Raises:
            Refusal: As :func:`kaiser.gateway.identity.users.decide`; STATE_CHANGED where there is a later event.
            ProblemError: The log is away or takes nothing; it is not known whether it was decided.
        """
        if known_seq is None:
            return await self._execute(self._users, subjects.USERS, command)

        async def admit(position: int) -> None:
            await self._accounts.reached(position, within_s=SEEN_WITHIN_S)
            seq = self._accounts.seq_of(command.user_id)
            if seq not in (0, known_seq):  # of nobody, there is a better answer
                words = f"the user is at {seq}, and you saw {known_seq}"
                raise Refusal(Code.STATE_CHANGED, words, "If-Match")

        return await self._execute(self._users, subjects.USERS, command, admit)

    async def session(
        self, session_id: str, command: sessions.Command
    ) -> Executed[sessions.Session | None, SessionEvent]:
        """Decide about a session; errors as :meth:`user`."""
        return await self._execute(self._sessions, subjects.session_of(session_id), command)

    async def key(self, key_id: str, command: keys.Issue | keys.Revoke) -> Executed[keys.Key | None, KeyEvent]:
        """Decide about a key; errors as :meth:`user`."""
        return await self._execute(self._keys, subjects.key_of(key_id), command)

    async def _execute(
        self, repository: Repository[S, C, E], subject: str, command: C, admit: Admit | None = None
    ) -> Executed[S, E]:
        try:
            async with asyncio.timeout(STORED_WITHIN_S):
                executed = await repository.execute(subject, command, admit=admit)
        except (EventLogError, TimeoutError) as error:
            words = "the event log did not take it in time; look before asking again"
            raise ProblemError(Problem(Code.SERVICE_ERROR, words)) from error
        if executed.events:
            await self._accounts.reached(executed.last_seq, within_s=SEEN_WITHIN_S)
        return executed


def _repository(
    log: EventLog,
    initial: S,
    decide: Callable[[S, C], list[E]],
    evolve: Callable[[S, E], S],
    to_event: Callable[[E], Event],
) -> Repository[S, C, E]:
    aggregate = Aggregate(initial=initial, decide=decide, evolve=evolve, encode=to_event, decode=decode)
    return Repository(log, IDENTITY.name, aggregate)
