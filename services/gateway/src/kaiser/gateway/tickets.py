"""Tickets: a word that opens one WebSocket, once and soon, so that no token has to stand in an address.

They are in a key-value bucket, so that any gateway takes the ticket of any other.
"""

import hashlib
import secrets
import time
from typing import Final

import msgspec
import nats.errors

from kaiser.eventlog import EventLog
from kaiser.eventlog.kv import put_once, take_once
from kaiser.gateway.tokens import InvalidTokenError, Principal

GOOD_FOR_S: Final = 30
BUCKET: Final = "gateway"
MOST_CHARACTERS: Final = 128


class _Ticket(msgspec.Struct, frozen=True):
    """What is kept of a ticket."""

    principal: Principal
    good_until: float


_decode = msgspec.json.Decoder(_Ticket).decode


class Tickets:
    """Issues and redeems tickets.

    Args:
        event_log: Where they are kept.
    """

    def __init__(self, event_log: EventLog) -> None:
        self._log = event_log

    async def issue(self, principal: Principal) -> str:
        """A ticket for somebody who has proved who they are.

        Raises:
            nats.errors.Error: The log is away.
        """
        ticket = secrets.token_urlsafe(24)
        kept = msgspec.json.encode(_Ticket(principal, time.time() + GOOD_FOR_S))
        await put_once(self._log, BUCKET, _key(ticket), kept, ttl_s=GOOD_FOR_S)
        return ticket

    async def redeem(self, ticket: str) -> Principal:
        """Who a ticket speaks for; it is void from then on.

        Raises:
            InvalidTokenError: It is not ours, was used, or is too old; or nobody can tell just now.
        """
        if not ticket or len(ticket) > MOST_CHARACTERS:
            raise InvalidTokenError("the ticket is not valid")
        try:
            kept = await take_once(self._log, BUCKET, _key(ticket), ttl_s=GOOD_FOR_S)
        except (nats.errors.Error, OSError, TimeoutError):
            raise InvalidTokenError("the event log is away, so tickets cannot be taken; use a token") from None
        if kept is None:
            raise InvalidTokenError("the ticket is not valid, or was used")
        found = _decode(kept)
        if found.good_until <= time.time():
            raise InvalidTokenError("the ticket is too old")
        return found.principal


def _key(ticket: str) -> str:
    """The ticket itself is nowhere but in its owner's hands."""
    return f"ticket.{hashlib.sha256(ticket.encode()).hexdigest()}"
