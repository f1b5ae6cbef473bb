"""Looks up messages of the log, within a time that somebody at the API can wait."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import msgspec
import nats.errors
from nats.js.errors import NotFoundError

from kaiser.contracts.codes import Code
from kaiser.contracts.queries import Problem
from kaiser.eventlog import Delivery, Event, EventLog, EventLogError, from_msg
from kaiser.eventlog.envelope import rfc3339, unix_us, us_of
from kaiser.gateway.asking import ProblemError

READ_WITHIN_S: Final = 10.0
"""What one request may read for."""


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
    stored_at = us_of(found.time) if found.time else 0
    plain = _Plain(found.subject or "", found.data or b"", found.headers)
    return Message(stream=stream, seq=seq, stored_at=stored_at, event=from_msg(plain))


async def last_before(event_log: EventLog, stream: str, subject: str, before: int) -> Message | None:
    """The last message on the subjects of a filter that was stored before a time; None where there is none.

    Args:
        event_log: The log.
        stream: Which stream.
        subject: NATS filter of few subjects.
        before: Unix microseconds.
    """
    nc = event_log.nc
    inbox = nc.new_inbox()
    answers = await nc.subscribe(inbox)
    found: Message | None = None
    try:
        asked = {"multi_last": [subject], "up_to_time": rfc3339(before - 1)}
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


@contextlib.asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """Read the log within the time that a request has.

    Raises:
        ProblemError: The log is away, or has too much to say.
        nats.js.errors.NotFoundError: There is no such stream or message.
    """
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            yield
    except NotFoundError:
        raise
    except (nats.errors.Error, EventLogError, OSError, TimeoutError) as error:
        words = f"the event log did not answer within {READ_WITHIN_S:.0f} s; ask again, or for less"
        raise ProblemError(Problem(Code.SERVICE_ERROR, words)) from error
