"""Events into tables: read, and written again until the database takes them. Nobody waits for it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from kaiser.contracts.codes import Code
from kaiser.eventlog import Delivery, Retry, Unprocessable
from kaiser.timescale import BadData, DatabaseAway, outlast

E = TypeVar("E")


async def record(
    deliveries: Sequence[Delivery],
    decode: Callable[[Delivery], E],
    write: Callable[[list[tuple[int, E]]], Awaitable[object]],
    *,
    what: str,
    give_up: Callable[[], bool],
) -> None:
    """Return when all of it is committed, which may take as long as an outage.

    Args:
        deliveries: Of a consumer.
        decode: What a delivery says; raises ``msgspec.DecodeError`` or ``ValueError`` where that cannot be read.
        write: Takes sequences and events; may be called again with the same.
        what: What waits, for the log.
        give_up: Whether to wait no longer, since the service stops.

    Raises:
        Retry: The database is away, and the service stops.
        Unprocessable: A delivery cannot be read, or the database refuses a value of it.
    """
    try:
        told = [(delivery.seq, decode(delivery)) for delivery in deliveries]
    except (msgspec.DecodeError, ValueError) as error:
        raise Unprocessable(Code.INVALID_PAYLOAD_FORMAT, str(error)) from error
    try:
        await outlast(lambda: write(told), what=what, give_up=give_up)
    except DatabaseAway as away:
        raise Retry(str(away)) from away
    except BadData as error:
        raise Unprocessable(Code.VALUE_OUT_OF_RANGE, str(error)) from error
