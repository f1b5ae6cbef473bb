"""Streams and their durable consumers, as JetStream tells of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
import nats.errors

from kaiser.contracts.streams import STREAMS
from kaiser.ctl.errors import UnreachableError
from kaiser.eventlog import EventLog

T = TypeVar("T")

TIMEOUT_S: Final = 5.0
NO_STREAM: Final = 10059
_NEVER: Final = 1970
"""What JetStream says of an empty stream's first message is year 1; whatever is before this year is none."""


class StreamConfig(msgspec.Struct, frozen=True):
    """What a stream was told; a limit of 0 or -1 is none, ages are in nanoseconds."""

    name: str
    max_bytes: int = -1
    max_age: int = 0
    discard: str = "old"
    num_replicas: int = 1
    retention: str = "limits"


class StreamState(msgspec.Struct, frozen=True):
    """What is in a stream."""

    messages: int
    bytes: int
    first_seq: int
    last_seq: int
    first_ts: datetime
    last_ts: datetime


class Stream(msgspec.Struct, frozen=True):
    """A stream."""

    config: StreamConfig
    state: StreamState

    @property
    def full(self) -> float | None:
        """Share of its limit that is used; None where there is no limit."""
        return self.state.bytes / self.config.max_bytes if self.config.max_bytes > 0 else None

    @property
    def first_at(self) -> datetime | None:
        """When its first message was stored; None for none."""
        return self.state.first_ts if self.state.first_ts.year > _NEVER else None

    @property
    def last_at(self) -> datetime | None:
        """When its last message was stored; None for none."""
        return self.state.last_ts if self.state.last_ts.year > _NEVER else None


class Sequences(msgspec.Struct, frozen=True):
    """Where a consumer is: sequences of the consumer and of the stream, and when it was last there."""

    consumer_seq: int
    stream_seq: int
    last_active: datetime | None = None


class Consumer(msgspec.Struct, frozen=True):
    """A durable consumer.

    Attributes:
        config: What it was told, as it is.
        num_pending: Messages that it has still to take.
        num_ack_pending: Messages that it has taken and not acknowledged.
        num_redelivered: Of these, the ones that were delivered more than once.
        num_waiting: Requests for messages that wait: 0 where nobody asks.
    """

    name: str
    stream_name: str
    created: datetime
    config: Mapping[str, Any]
    delivered: Sequences
    ack_floor: Sequences
    num_pending: int
    num_ack_pending: int
    num_redelivered: int
    num_waiting: int


class _Fault(msgspec.Struct):
    code: int
    err_code: int = 0
    description: str = ""


class _Refused(msgspec.Struct):
    error: _Fault | None = None


class _Stamped(msgspec.Struct):
    ts: datetime


class _ConsumerPage(msgspec.Struct):
    total: int = 0
    consumers: list[Consumer] = []


async def streams(log: EventLog) -> list[Stream]:
    """The streams of the contract that are there, in its order.

    Raises:
        UnreachableError: JetStream does not answer, or does not let us look.
    """
    found = [await _ask(log, f"STREAM.INFO.{spec.name}", Stream) for spec in STREAMS]
    return [stream for stream in found if stream is not None]


async def consumers(log: EventLog, stream: str) -> list[Consumer]:
    """The durable consumers of a stream, by name.

    Raises:
        UnreachableError: JetStream does not answer, or does not let us look.
    """
    found: list[Consumer] = []
    while True:
        page = await _ask(log, f"CONSUMER.LIST.{stream}", _ConsumerPage, offset=len(found))
        if page is None or not page.consumers:
            break
        found += page.consumers
        if len(found) >= page.total:
            break
    return sorted((each for each in found if each.config.get("durable_name")), key=lambda each: each.name)


async def _ask(log: EventLog, verb: str, answer: type[T], **body: int) -> T | None:
    try:
        said = await log.nc.request(f"$JS.API.{verb}", msgspec.json.encode(body) if body else b"", timeout=TIMEOUT_S)
    except (nats.errors.Error, TimeoutError) as error:
        raise UnreachableError(f"JetStream does not answer {verb}: {str(error) or type(error).__name__}") from error
    refused = msgspec.json.decode(said.data, type=_Refused).error
    if refused is None:
        return msgspec.json.decode(said.data, type=answer)
    if refused.err_code == NO_STREAM:
        return None
    raise UnreachableError(f"JetStream refused {verb}: {refused.description}")


async def clock(log: EventLog) -> float:
    """What time it is on the server, in unix seconds.

    Raises:
        UnreachableError: JetStream does not answer, or there is no stream to ask for.
    """
    for spec in STREAMS:
        if (answer := await _ask(log, f"STREAM.INFO.{spec.name}", _Stamped)) is not None:
            return answer.ts.timestamp()
    raise UnreachableError("there is no stream of Kaiser's in this log.")
