"""Streams and consumers from their definitions: created where missing, changed where they differ, left alone otherwise.

Every service ensures its streams at its start, several at once: creating what exists with the same settings is a no-op
in JetStream, and changing it to the same settings twice is one change.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import nats.errors
import structlog
from nats.js import api
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from kaiser.contracts.streams import StreamSpec
from kaiser.eventlog.errors import DefinitionConflict

if TYPE_CHECKING:
    from kaiser.eventlog.connection import EventLog

__all__ = (
    "ConsumerSpec",
    "changes_of_consumer",
    "changes_of_stream",
    "ensure_consumer",
    "ensure_streams",
    "keep_copies",
    "kept_copies",
)

RETRY_DELAY_S: Final = 0.25
LONGEST_RETRY_DELAY_S: Final = 5.0
RESET_TIMEOUT_S: Final = 1.0
NAME_IN_USE: Final = 10058
"""Somebody created the stream a moment ago, with other settings than ours."""

_log = structlog.get_logger(__name__)

Start = Literal["all", "new", "last", "last_per_subject"]


class ConsumerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A durable consumer.

    Attributes:
        stream: Stream that it reads.
        durable: Its name; instances of a service share it, and then share the messages.
        subjects: Filters; empty for the whole stream.
        start: Where it starts when it is made: ``all`` from the first message, ``new`` from now, ``last`` from the
            last one, ``last_per_subject`` from the last one of each subject. Of no meaning once it exists.
        start_seq: Stream sequence to start from instead; 0 for none.
        ack_wait_s: Seconds until an unacknowledged message is given to another instance. A living instance says in
            time that it is still working, so this is how long a crash delays what was in flight.
        max_ack_pending: Messages in flight at most, over all instances.
    """

    stream: str
    durable: str
    subjects: tuple[str, ...] = ()
    start: Start = "all"
    start_seq: int = 0
    ack_wait_s: float = 5.0
    max_ack_pending: int = 10_000


_copies = 1


def keep_copies(number: int) -> None:
    """Keep so many copies of every stream and bucket that this process makes or brings up to date from now on.

    For the whole process, as logs and traces are configured: all services of a site must say the same, for the one that
    starts last has the last word.

    Args:
        number: 1 on a single server, 3 on a cluster of three.
    """
    global _copies  # noqa: PLW0603 - as its docstring says
    _copies = number


def kept_copies() -> int:
    """How many copies of a stream this process asks for at least."""
    return _copies


async def ensure_streams(log: "EventLog", specs: Iterable[StreamSpec]) -> None:
    """Make the streams what their definitions say, waiting for JetStream where it is not ready.

    Raises:
        DefinitionConflict: A stream exists with a setting that the server cannot change, or a subject is taken.
    """
    for spec in specs:
        await _persist(log, partial(_ensure_stream, log, spec), f"stream {spec.name}")


async def ensure_consumer(log: "EventLog", spec: ConsumerSpec) -> str:
    """Make a durable pull consumer what its definition says; where it starts counts only when it is made.

    Returns:
        Its name.

    Raises:
        DefinitionConflict: It exists with a setting that the server cannot change.
        nats.errors.Error: JetStream is not ready, or the stream is missing.
    """
    try:
        info = await log.js.consumer_info(spec.stream, spec.durable)
    except NotFoundError:
        config = _consumer_config(spec)
    else:
        config = replace(
            _consumer_config(spec),
            deliver_policy=info.config.deliver_policy,
            opt_start_seq=info.config.opt_start_seq,
            opt_start_time=info.config.opt_start_time,
        )
        if not _differences(config.as_dict(), info.config.as_dict()):
            return spec.durable
        _log.info("consumer changes", stream=spec.stream, consumer=spec.durable)
    try:
        await log.js.add_consumer(spec.stream, config)
    except APIError as error:
        if isinstance(error, ServiceUnavailableError | NotFoundError):
            raise
        raise DefinitionConflict(f"consumer {spec.stream}.{spec.durable}: {error.description}") from error
    return spec.durable


async def reclaim(log: "EventLog", spec: ConsumerSpec) -> bool:
    """Take back at once what an instance held that died, in stream order, instead of waiting for ``ack_wait_s``.

    Only where nobody asks for messages of this consumer. Another instance whose hands are full does not ask either:
    its messages are then delivered twice, as after any crash.

    Returns:
        Whether there was something to take back.
    """
    try:
        info = await log.js.consumer_info(spec.stream, spec.durable)
        if not info.num_ack_pending or info.num_waiting:
            return False
        await log.js.reset_consumer(spec.stream, spec.durable, timeout=RESET_TIMEOUT_S)
    except (nats.errors.Error, TimeoutError) as error:  # an older server, or no permission: the wait it is
        _log.info("consumer not reset", stream=spec.stream, consumer=spec.durable, reason=str(error))
        return False
    _log.info(
        "consumer takes back what was in flight",
        stream=spec.stream,
        consumer=spec.durable,
        messages=info.num_ack_pending,
    )
    return True


async def _ensure_stream(log: "EventLog", spec: StreamSpec) -> None:
    wanted = _stream_config(spec)
    try:
        info = await log.js.stream_info(spec.name)
    except NotFoundError:
        try:
            await log.js.add_stream(wanted)
        except APIError as error:
            if error.err_code != NAME_IN_USE:
                raise _conflict(spec, error) from error
            await _ensure_stream(log, spec)
            return
        _log.info("stream created", stream=spec.name)
        return
    differences = _differences(wanted.as_dict(), info.config.as_dict())
    if not differences:
        return
    _log.info("stream changes", stream=spec.name, settings=sorted(differences))
    try:
        await log.js.update_stream(wanted)
    except APIError as error:
        raise _conflict(spec, error) from error


def _conflict(spec: StreamSpec, error: APIError) -> Exception:
    if isinstance(error, ServiceUnavailableError):
        return error
    return DefinitionConflict(
        f"stream {spec.name} cannot be made what its definition says: {error.description} ({error.err_code})"
    )


def _stream_config(spec: StreamSpec) -> api.StreamConfig:
    return api.StreamConfig(
        name=spec.name,
        subjects=list(spec.subjects),
        retention=api.RetentionPolicy(spec.retention),
        max_age=float(spec.max_age_s),
        max_bytes=spec.max_bytes,
        max_msgs_per_subject=spec.max_msgs_per_subject,
        discard=api.DiscardPolicy(spec.discard),
        allow_msg_ttl=spec.allow_msg_ttl,
        duplicate_window=float(spec.duplicate_window_s),
        storage=api.StorageType(spec.storage),
        num_replicas=max(spec.replicas, _copies),
        compression=api.StoreCompression(getattr(spec, "compression", "none")),
        allow_direct=True,
        allow_atomic=True,
    )


def _consumer_config(spec: ConsumerSpec) -> api.ConsumerConfig:
    policy = api.DeliverPolicy.BY_START_SEQUENCE if spec.start_seq else api.DeliverPolicy(spec.start)
    return api.ConsumerConfig(
        name=spec.durable,
        durable_name=spec.durable,
        deliver_policy=policy,
        opt_start_seq=spec.start_seq or None,
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=spec.ack_wait_s,
        max_deliver=-1,
        max_ack_pending=spec.max_ack_pending,
        filter_subjects=list(spec.subjects) or None,
    )


def _differences(wanted: dict[str, object], actual: dict[str, object]) -> set[str]:
    """Names of the settings that we name and the server has otherwise; unset, false, zero and empty are one."""
    return {name for name, value in wanted.items() if (value or None) != (actual.get(name) or None)}


async def _persist(log: "EventLog", attempt: Callable[[], Awaitable[None]], what: str) -> None:
    delay = RETRY_DELAY_S
    while True:
        await log.wait_connected()
        try:
            await attempt()
        except (ServiceUnavailableError, nats.errors.Error) as error:
            if isinstance(error, APIError) and not isinstance(error, ServiceUnavailableError):
                raise
            _log.warning("JetStream is not ready, waiting", what=what, error=str(error) or type(error).__name__)
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_RETRY_DELAY_S)
        else:
            return


async def changes_of_stream(log: "EventLog", spec: StreamSpec) -> set[str] | None:
    """Names of the settings that :func:`ensure_streams` would change; None where it would make the stream."""
    try:
        info = await log.js.stream_info(spec.name)
    except NotFoundError:
        return None
    return _differences(_stream_config(spec).as_dict(), info.config.as_dict())


async def changes_of_consumer(log: "EventLog", spec: ConsumerSpec) -> set[str] | None:
    """Names of the settings that :func:`ensure_consumer` would change; None where it would make the consumer."""
    try:
        info = await log.js.consumer_info(spec.stream, spec.durable)
    except NotFoundError:
        return None
    where = ("deliver_policy", "opt_start_seq", "opt_start_time")  # of no meaning once it exists
    return _differences(_consumer_config(spec).as_dict(), info.config.as_dict()) - set(where)
