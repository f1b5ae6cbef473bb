"""Single messages of a stream, and the events of something up to a moment: for whoever looks back."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

import msgspec

from kaiser.eventlog.delivery import Delivery
from kaiser.eventlog.envelope import Event, from_msg, rfc3339, unix_us, us_of
from kaiser.eventlog.errors import TooManyEvents
from kaiser.eventlog.replay import replay_batches

if TYPE_CHECKING:
    from kaiser.eventlog.connection import EventLog

__all__ = ("Message", "last_before", "message_at", "message_of", "up_to")

READ_WITHIN_S: Final = 10.0
AT_ONCE: Final = 64
"""Events that are taken from a batch before somebody else has their turn."""


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


async def message_at(log: "EventLog", stream: str, seq: int, *, first_on: str = "") -> Message:
    """The message of a sequence.

    Args:
        log: The connection.
        stream: Which stream.
        seq: Which message.
        first_on: The first message on the subjects of this filter that has this sequence or a later one, instead.

    Raises:
        nats.js.errors.NotFoundError: The stream has none there, or no longer.
    """
    if first_on:
        found = await log.js.get_msg(stream, seq, subject=first_on, next=True)
    else:
        found = await log.js.get_msg(stream, seq)
    stored_at = us_of(found.time) if found.time else 0
    plain = _Plain(found.subject or "", found.data or b"", found.headers)
    return Message(stream=stream, seq=int(found.seq or seq), stored_at=stored_at, event=from_msg(plain))


async def last_before(
    log: "EventLog", stream: str, subject: str, before: int = 0, *, up_to_seq: int = 0
) -> Message | None:
    """The last message on the subjects of a filter that was stored before a time; None where there is none.

    Args:
        log: The connection.
        stream: Which stream.
        subject: NATS filter of few subjects.
        before: Unix microseconds; 0 for whenever.
        up_to_seq: Instead: that has this sequence or an earlier one; 0 for none.

    Raises:
        nats.errors.TimeoutError: The stream does not answer.
    """
    nc = log.nc
    inbox = nc.new_inbox()
    answers = await nc.subscribe(inbox)
    found: Message | None = None
    try:
        asked: dict[str, object] = {"multi_last": [subject]}
        if up_to_seq:
            asked["up_to_seq"] = up_to_seq
        elif before:
            asked["up_to_time"] = rfc3339(before - 1)
        await nc.publish(f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(asked), reply=inbox)
        while True:
            answer = await answers.next_msg(timeout=READ_WITHIN_S)
            headers = dict(answer.headers or {})
            if "Status" in headers:  # the end, or that there is none
                return found
            message = _direct(stream, answer.data, headers)
            if found is None or message.seq > found.seq:
                found = message
    finally:
        await answers.unsubscribe()


def _direct(stream: str, data: bytes, headers: dict[str, str]) -> Message:
    """A message as the stream hands it out directly."""
    subject, seq = headers.pop("Nats-Subject"), int(headers.pop("Nats-Sequence"))
    stored_at = unix_us(headers.pop("Nats-Time-Stamp"))
    return Message(stream=stream, seq=seq, stored_at=stored_at, event=from_msg(_Plain(subject, data, headers)))


def message_of(delivery: Delivery) -> Message:
    """The same of a message that a reader brought."""
    return Message(stream=delivery.stream, seq=delivery.seq, stored_at=delivery.stored_at, event=delivery.event)


async def up_to(
    log: "EventLog",
    stream: str,
    subjects: tuple[str, ...],
    at: int,
    *,
    seq: int = 0,
    since: int = 0,
    most: int,
) -> AsyncGenerator[Delivery]:
    """Messages on the subjects of a filter in order, up to a moment.

    Args:
        log: The connection.
        stream: Which stream.
        subjects: NATS filters.
        at: Unix microseconds; what was stored then counts, and nothing later.
        seq: Nor anything behind this sequence; 0 for none.
        since: Nothing that was stored earlier is asked for, unix microseconds; 0 for from the beginning.
        most: So many at most.

    Raises:
        TooManyEvents: There are more.
        nats.js.errors.NotFoundError: There is no such stream.
    """
    count = 0
    batches = replay_batches(log, stream, subjects=subjects, from_time_us=since, until_seq=seq, max_messages=AT_ONCE)
    async for batch in batches:
        for delivery in batch:
            if delivery.stored_at > at:
                return
            count += 1
            if count > most:
                raise TooManyEvents(stream, most)
            yield delivery
        await asyncio.sleep(0)  # whatever else there is to do goes on
