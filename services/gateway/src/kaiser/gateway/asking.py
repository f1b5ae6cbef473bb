"""Asks the owner of a projection or an aggregate, over NATS, and gives its answer or its problem."""

from typing import Any, Final, TypeVar

import msgspec
import nats.errors

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.queries import Problem, Reply
from kaiser.eventlog import EventLog, tracecontext

T = TypeVar("T")

TIMEOUT_S: Final = 4.0  # ingest itself gives up on its database after 3 s, and says so
_encode = msgspec.json.Encoder().encode


class ProblemError(Exception):
    """A request was not answered; the problem says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


async def ask(
    event_log: EventLog, service: str, name: str, query: msgspec.Struct, answer: type[T], *, wait_s: float = 0.0
) -> T:
    """Send a query and return the answer.

    Args:
        event_log: Connection to NATS.
        service: Owner of the projection.
        name: Name of the query.
        query: What is asked.
        answer: Type of the answer.
        wait_s: How long the owner was asked to wait for something, which is no part of the time that it has itself.

    Raises:
        ProblemError: The owner refused, is away, or did not answer in time.
    """
    # What is only read is worth headers, which cost both sides 20 us, where somebody records it
    headers = tracecontext.headers() if tracecontext.sampled(tracecontext.current()) else None
    return await _request(event_log, subjects.query(service, name), query, answer, service, TIMEOUT_S + wait_s, headers)


async def order(event_log: EventLog, service: str, name: str, asked: msgspec.Struct, answer: type[T]) -> T:
    """Send an order to the owner of an aggregate and return what it decided. Arguments and errors as :func:`ask`.

    When the owner does not answer in time, it is not known whether it decided.
    """
    headers = tracecontext.headers()
    return await _request(event_log, subjects.command(service, name), asked, answer, service, TIMEOUT_S, headers)


async def _request(
    event_log: EventLog,
    subject: str,
    asked: msgspec.Struct,
    answer: type[T],
    service: str,
    timeout_s: float,
    headers: dict[str, str] | None,
) -> T:
    if not event_log.connected:
        raise ProblemError(
            Problem(Code.SERVICE_ERROR, "the event log is away; the live stream goes on when it is back")
        )
    try:
        message = await event_log.nc.request(subject, _encode(asked), timeout=timeout_s, headers=headers)
    except nats.errors.NoRespondersError:
        raise ProblemError(Problem(Code.SERVICE_ERROR, f"{service} is not running")) from None
    except (nats.errors.TimeoutError, TimeoutError):
        words = f"{service} did not answer within {timeout_s:.0f} s"
        raise ProblemError(Problem(Code.OPERATION_TIMEOUT, words)) from None
    except (nats.errors.Error, OSError) as error:
        raise ProblemError(Problem(Code.SERVICE_ERROR, f"{service} cannot be asked: {error}")) from error
    reply: Any = msgspec.json.decode(message.data, type=Reply[answer])  # type: ignore[valid-type]
    if reply.problem is not None:
        raise ProblemError(reply.problem)
    found: T = reply.ok
    return found
