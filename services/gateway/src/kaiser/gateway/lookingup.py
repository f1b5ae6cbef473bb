"""Looks up single messages of the log."""

from datetime import UTC, datetime

import msgspec

from kaiser.eventlog import Delivery, Event, EventLog, from_msg


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a stream.

    Attributes:
        stream: Which.
        seq: Its sequence there.
        stored_at: When the stream stored it, unix microseconds.
        event: What it carries.
    """

    stream: str
    seq: int
    stored_at: int
    event: Event


class _Plain(msgspec.Struct, frozen=True):
    """A message as :func:`kaiser.eventlog.from_msg` reads it."""

    subject: str
    data: bytes
    headers: dict[str, str] | None


async def message_at(event_log: EventLog, stream: str, seq: int) -> Message:
    """The message of a sequence.

    Raises:
        nats.js.errors.NotFoundError: The stream has none there, or no longer.
    """
    found = await event_log.js.get_msg(stream, seq)
    at = found.time or datetime.fromtimestamp(0, UTC)
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    stored_at = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
    plain = _Plain(found.subject or "", found.data or b"", found.headers)
    return Message(stream=stream, seq=seq, stored_at=stored_at, event=from_msg(plain))


def message_of(delivery: Delivery) -> Message:
    """The same of a message that a reader brought."""
    return Message(stream=delivery.stream, seq=delivery.seq, stored_at=delivery.stored_at, event=delivery.event)
