"""User accounts: events in the log, held in memory, with no table; so logging in works while the database is away."""

import asyncio
import os
import secrets
from pathlib import Path
from typing import Final

import argon2
import msgspec
import structlog

from kaiser.contracts import subjects
from kaiser.contracts.events import codec
from kaiser.contracts.events.identity import UserCreated
from kaiser.contracts.streams import IDENTITY
from kaiser.eventlog import ConcurrencyConflict, Delivery, Event, EventLog, Expectation, OrderedReader, now_us
from kaiser.eventlog.replay import replay
from kaiser.gateway.settings import AdminOptions

log = structlog.get_logger(__name__)

SOURCE: Final = "kaiser/gateway"
FIRST_ADMIN: Final = "admin"

# OWASP's profile for argon2id: 19 MiB, two passes, one lane; the library's own default of 64 MiB does not fit a service
_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_decode = msgspec.json.Decoder(UserCreated).decode

NOBODY: Final = "$argon2id$v=19$m=19456,t=2,p=1$4bbD+y6Tjlwcre/bUcM3/Q$qH8PXfKJb/XUnvefwx/8LVSWULvPfBNwa3KcF1K/9vU"
"""Hash of a password that nobody knows; verified for unknown names, so that they take as long as known ones."""


class Accounts:
    """All users, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, UserCreated] = {}
        self._one_at_a_time = asyncio.Semaphore(1)

    def take(self, created: UserCreated) -> None:
        """Take in an event."""
        self._by_name[created.username] = created

    def find(self, username: str) -> UserCreated | None:
        """The user of that name."""
        return self._by_name.get(username)

    async def verify(self, username: str, password: str) -> UserCreated | None:
        """The user, if name and password are right. Hashing takes 20 ms and 19 MiB, one at a time, in a thread."""
        user = self._by_name.get(username)
        async with self._one_at_a_time:
            matches = await asyncio.to_thread(_matches, user.password_hash if user else NOBODY, password)
        return user if matches else None


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except argon2.exceptions.VerificationError:
        return False


async def load(event_log: EventLog, accounts: Accounts) -> int:
    """Read all users there are; returns the sequence up to which they were read."""
    last = 0
    async for delivery in replay(event_log, IDENTITY.name):
        _take(delivery, accounts)
        last = delivery.seq
    return last


async def follow(event_log: EventLog, accounts: Accounts, *, after_seq: int) -> None:
    """Read users as they come, on every gateway."""
    async with OrderedReader(event_log, IDENTITY.name, start="all", start_seq=after_seq + 1) as reader:
        while True:
            for delivery in await reader.take():
                _take(delivery, accounts)


def _take(delivery: Delivery, accounts: Accounts) -> None:
    """Take in an event; those of a newer release are not ours to understand."""
    if delivery.type == UserCreated.TYPE:
        accounts.take(_decode(delivery.data))


async def ensure_first_admin(event_log: EventLog, accounts: Accounts, options: AdminOptions) -> None:
    """Make the first admin where there is none; of several gateways that try, one succeeds."""
    if accounts.find(FIRST_ADMIN) is not None:
        return
    password = options.password or _generated(options.password_out)
    created = UserCreated(
        user_id=FIRST_ADMIN,
        username=FIRST_ADMIN,
        password_hash=await asyncio.to_thread(_hasher.hash, password),
        role="admin",
        created_at=now_us(),
        created_by="setup",
    )
    event = Event(
        subject=subjects.user(FIRST_ADMIN, "created"),
        type=UserCreated.TYPE,
        data=codec.encode(created),
        source=SOURCE,
        time=created.created_at,
    )
    try:
        await event_log.publish(event, expect=Expectation(last_seq=0))
    except ConcurrencyConflict:
        log.info("another gateway made the first admin")
        await load(event_log, accounts)
        return
    accounts.take(created)
    log.info("made the first admin", username=FIRST_ADMIN)


def _generated(path: Path) -> str:
    """A new password, in a file before it is anybody's: a crash in between must not lock everyone out."""
    password = secrets.token_urlsafe(18)
    path.unlink(missing_ok=True)  # a file that is there might be readable by others
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password + "\n")
    log.warning("made a password for the first admin", username=FIRST_ADMIN, password_file=str(path.absolute()))
    return password
