"""Users, sessions and keys as the log has them: held in memory, with no table, and followed by every gateway.

Whoever is logged out, disabled or given another password on one gateway is so on all of them as soon as the event is
there, whatever tokens they hold. Logging in works while the database is away.
"""

import asyncio
import math
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import structlog

from kaiser.contracts import subjects
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.identity import (
    KEY_EVENTS,
    SESSION_EVENTS,
    USER_EVENTS,
    KeyIssued,
    KeyRevoked,
    SessionEnded,
    SessionEvent,
    SessionRenewed,
    SessionStarted,
    UserEvent,
)
from kaiser.contracts.streams import IDENTITY
from kaiser.eventlog import Delivery, EventLog, OrderedReader
from kaiser.eventlog.replay import replay
from kaiser.gateway.edge.allowance import origin
from kaiser.gateway.identity import keys, sessions, users
from kaiser.gateway.identity.keys import Key
from kaiser.gateway.identity.sessions import Session
from kaiser.gateway.identity.users import User
from kaiser.service.health import Finding, State

log = structlog.get_logger(__name__)

FOLLOWED: Final = {event.TYPE: event for event in (*USER_EVENTS, *SESSION_EVENTS, *KEY_EVENTS)}
MOST_ADDRESSES: Final = 32
SILENT_S: Final = 3.5
"""Three heartbeats of the server that did not come."""

_decoder: Final = EventDecoder(FOLLOWED)


class Accounts:
    """All users, sessions and keys.

    Attributes:
        position: Sequence in IDENTITY up to which everything is in here.
    """

    def __init__(self) -> None:
        self.position = 0
        self._users: users.Users = users.NONE
        self._by_name: dict[str, str] = {}
        self._by_external: dict[str, str] = {}
        self._seq_of: dict[str, int] = {}
        self._void_before: dict[str, int] = {}
        self._sessions: dict[str, Session] = {}
        self._sessions_of: dict[str, dict[str, None]] = {}
        self._keys: dict[str, Key] = {}
        self._addresses: dict[str, dict[str, None]] = {}
        self._news = asyncio.Event()
        self._watching: list[Callable[[], object]] = []

    def find(self, username: str) -> User | None:
        """The user of a name, whether or not the account is in use."""
        return self.user(self._by_name.get(username, ""))

    def user(self, user_id: str) -> User | None:
        """The user of an id, None for one who was removed."""
        user = self._users.get(user_id)
        return None if user is None or user.removed else user

    def external(self, external: str) -> User | None:
        """The user whom a provider knows by this."""
        return self.user(self._by_external.get(external, ""))

    def everybody(self) -> list[User]:
        """All users, by name."""
        found = [user for user in self._users.values() if not user.removed]
        return sorted(found, key=lambda user: user.username)

    def seq_of(self, user_id: str) -> int:
        """Sequence of the last event of a user; 0 for nobody."""
        return self._seq_of.get(user_id, 0)

    def session(self, session_id: str) -> Session | None:
        """A session whose tokens are good, as far as they have not expired."""
        return self._sessions.get(session_id)

    def sessions_of(self, user_id: str) -> list[Session]:
        """The sessions of a user, oldest first."""
        return [self._sessions[session_id] for session_id in self._sessions_of.get(user_id, ())]

    def key(self, key_id: str) -> Key | None:
        """The key of an id, revoked or not."""
        return self._keys.get(key_id)

    def machines(self) -> list[Key]:
        """All keys that were not revoked, oldest first."""
        return sorted((key for key in self._keys.values() if not key.revoked), key=lambda key: key.created_at)

    def knows(self, user_id: str, address: str) -> bool:
        """Whether a user has logged in from an address before, lately."""
        return origin(address) in self._addresses.get(user_id, ())

    async def reached(self, seq: int, *, within_s: float) -> bool:
        """Wait until everything up to a sequence is in here; whether it came in time."""
        try:
            async with asyncio.timeout(within_s):
                while self.position < seq:
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    def watch(self, told: Callable[[], object]) -> None:
        """Call this whenever somebody's rights have changed or ended."""
        self._watching.append(told)

    def take(self, delivery: Delivery) -> None:
        """Take in a message of the log; types of a newer release are not ours to understand."""
        if delivery.type not in FOLLOWED:
            return
        try:
            event = _decoder.decode(delivery.type, delivery.data)
        except msgspec.MsgspecError as error:
            log.error("event of identity not understood", seq=delivery.seq, type=delivery.type, reason=str(error))
            return
        self.take_event(event, delivery.seq)

    def take_event(self, event: UserEvent | SessionEvent | KeyIssued | KeyRevoked, seq: int) -> None:
        """Take in an event with its sequence."""
        if isinstance(event, (SessionStarted, SessionRenewed, SessionEnded)):
            self._take_session(event)
        elif isinstance(event, (KeyIssued, KeyRevoked)):
            if (key := keys.evolve(self._keys.get(event.key_id), event)) is not None:
                self._keys[event.key_id] = key
            self._tell()
        else:
            self._take_user(event, seq)
        self.position = max(self.position, seq)
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _take_user(self, event: UserEvent, seq: int) -> None:
        self._users = users.evolve(self._users, event)
        if event.user_id not in self._users:
            return
        self._by_name[self._users[event.user_id].username] = event.user_id
        if external := self._users[event.user_id].external:
            self._by_external[external] = event.user_id
        self._seq_of[event.user_id] = seq
        if users.ends_sessions(event):
            self._void_before[event.user_id] = seq
            self._drop(session.session_id for session in self.sessions_of(event.user_id))
        self._tell()

    def _take_session(self, event: SessionEvent) -> None:
        session = sessions.evolve(self._sessions.get(event.session_id), event)
        if session is None:
            return
        if session.ended or session.user_seq < self._void_before.get(session.user_id, 0):
            self._drop([session.session_id])
            self._tell()
            return
        self._sessions[session.session_id] = session
        self._sessions_of.setdefault(session.user_id, {})[session.session_id] = None
        if isinstance(event, SessionStarted):
            known = self._addresses.setdefault(session.user_id, {})
            address = origin(session.address)
            known.pop(address, None)
            known[address] = None
            if len(known) > MOST_ADDRESSES:
                del known[next(iter(known))]
            self._forget_expired(event.at)

    def _forget_expired(self, now: int) -> None:
        """Sessions last equally long, so that those which have expired are in front."""
        while self._sessions and (oldest := next(iter(self._sessions.values()))).expires_at <= now:
            self._drop([oldest.session_id])

    def _drop(self, session_ids: Iterable[str]) -> None:
        for session_id in list(session_ids):
            if (session := self._sessions.pop(session_id, None)) is not None:
                self._sessions_of[session.user_id].pop(session_id, None)

    def _tell(self) -> None:
        for told in self._watching:
            told()


async def load(event_log: EventLog, accounts: Accounts, *, sessions_since: int) -> None:
    """Read what there is.

    Args:
        event_log: The log.
        accounts: Where to put it.
        sessions_since: When the oldest session began that can be good still, unix microseconds.
    """
    last = int((await event_log.js.stream_info(IDENTITY.name)).state.last_seq)
    async for delivery in replay(event_log, IDENTITY.name, subjects=(subjects.USERS, subjects.KEYS), until_seq=last):
        accounts.take(delivery)
    async for delivery in replay(
        event_log, IDENTITY.name, subjects=(subjects.SESSIONS,), from_time_us=sessions_since, until_seq=last
    ):
        accounts.take(delivery)
    accounts.position = last


def follower(event_log: EventLog, accounts: Accounts) -> OrderedReader:
    """A reader of what comes after what was loaded."""
    return OrderedReader(
        event_log,
        IDENTITY.name,
        subjects=(subjects.USERS, subjects.KEYS, subjects.SESSIONS),
        start="all",
        start_seq=accounts.position + 1,
    )


def finding(following: OrderedReader) -> Finding:
    """Whether users are followed: a gateway that is not told of a logout should have no clients."""
    if following.silent_s == math.inf:
        return Finding(State.STARTING, "waiting for IDENTITY")
    if following.silent_s > SILENT_S:
        return Finding(State.FAILING, f"NATS has said nothing for {following.silent_s:.0f} s; logouts are not heard")
    return Finding(State.OK)
