"""Several events as one: all of them are stored, next to each other, or none (ADR-50, server 2.12 and newer)."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import nats.errors
import structlog

from kaiser.eventlog.answers import (
    AWAY,
    CONFLICT,
    FULL,
    UNAVAILABLE,
    Expectation,
    PubAck,
    Refusal,
    decode_ack,
    decode_refusal,
    expectation_headers,
    is_refusal,
)
from kaiser.eventlog.envelope import Event, decode_headers, encode_headers, new_id
from kaiser.eventlog.errors import ConcurrencyConflict, LogFull, PublishRefused
from kaiser.eventlog.wire import hpub

if TYPE_CHECKING:
    from kaiser.eventlog.connection import EventLog

__all__ = ("publish_atomically",)

COMMIT_TIMEOUT_S: Final = 3.0
RETRY_DELAY_S: Final = 0.1
LONGEST_RETRY_DELAY_S: Final = 2.0
INCOMPLETE: Final = frozenset({10175, 10176})
"""The server lost the beginning of the batch: a reconnect came between."""
REPEATED: Final = 10201
"""An id of the batch is stored already, so the whole batch is: the acknowledgement of an earlier try was lost."""

NO_ANSWER: Final = Refusal(503, 0, "no answer")

_log = structlog.get_logger(__name__)


async def publish_atomically(log: "EventLog", events: Sequence[Event], *, expect: Expectation) -> PubAck:
    """Store all events of one stream, or none, and wait for it for as long as it takes.

    A batch costs the server 12 to 14 ms, for it forces it to disk; one event alone needs none, and takes 0.2 ms.

    Args:
        log: The connection.
        events: At least one; at most 1,000 (the server's limit for a batch).
        expect: What must hold when the first of them is stored.

    Returns:
        The acknowledgement of the last event; the others have the sequences before it.

    Raises:
        ConcurrencyConflict: The expectation did not hold. After a lost acknowledgement this may mean that the events
            are stored themselves: look for their ids.
        LogFull: The stream took no more.
        PublishRefused: The server refuses them for good.
    """
    if len(events) == 1:
        return await log.publish(events[0], expect=expect)
    delay = RETRY_DELAY_S
    while True:
        await log.wait_connected()
        answer = await _attempt(log, events, expect)
        if isinstance(answer, PubAck):
            log.publisher.stats.stored += len(events)
            log.room.taken(answer.stream)
            return answer
        refusal = answer
        words = f"{events[0].subject}: {refusal.description} ({refusal.err_code})"
        if refusal.err_code in CONFLICT or refusal.err_code == REPEATED:
            raise ConcurrencyConflict(words, list(events))
        if refusal.err_code in FULL:
            log.room.refused(events[0].subject)
            raise LogFull(words, list(events))
        if refusal.code not in UNAVAILABLE and refusal.err_code not in INCOMPLETE:
            raise PublishRefused(words, list(events))
        log.publisher.stats.resent += len(events)
        _log.warning("batch of events not stored, sending it again", events=len(events), reason=refusal.description)
        await asyncio.sleep(delay)
        delay = min(delay * 2, LONGEST_RETRY_DELAY_S)


async def _attempt(log: "EventLog", events: Sequence[Event], expect: Expectation) -> PubAck | Refusal:
    batch, last = new_id(), events[-1]
    blocks = [_headers(event, batch, number, expect) for number, event in enumerate(events, 1)]
    parts: list[bytes] = []
    for event, block in zip(events[:-1], blocks, strict=False):
        parts.extend(hpub(event.subject, "", block, event.data))
    log.nc.write(parts)
    commit = decode_headers(blocks[-1]) | {"Nats-Batch-Commit": "1"}
    try:
        answer = await log.nc.request(last.subject, last.data, timeout=COMMIT_TIMEOUT_S, headers=commit)
    except nats.errors.NoRespondersError:
        return AWAY
    except (TimeoutError, nats.errors.TimeoutError):
        return NO_ANSWER
    return decode_refusal(answer.data) if is_refusal(answer.data) else decode_ack(answer.data)


def _headers(event: Event, batch: str, number: int, expect: Expectation) -> bytes:
    lines = f"Nats-Batch-Id: {batch}\r\nNats-Batch-Sequence: {number}\r\n"
    end = expectation_headers(expect) if number == 1 else b"\r\n"
    return encode_headers(event)[:-2] + lines.encode() + end
