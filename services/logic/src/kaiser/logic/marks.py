"""How far the engine is: what a follower needs to be at the same point of the log, and to know that it is. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

HEADER: Final = "Logic-Mark"
"""Header of the events of each write; whoever takes over takes what is behind it for late, not for known."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A point in the log.

    Attributes:
        clock: The engine's clock there, unix microseconds.
        n: Number of the last decision that is in the log.
        order_seq: Sequence in LOGIC of the last event of ``logic.order`` before it; it grows with every term.
        seq: Sequence in LOGIC of the last decision or event of the order before it.
        taken: Sequence of the last message taken, by stream.
    """

    clock: int
    n: int
    order_seq: int
    seq: int
    taken: Mapping[str, int]


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Mark).decode


def headers(mark: Mark, ttl_s: int) -> dict[str, str]:
    """Headers of the event that a mark goes with.

    Args:
        mark: The mark.
        ttl_s: How long the event is kept, seconds.
    """
    return {HEADER: encode(mark).decode(), "Nats-TTL": f"{ttl_s}s"}
