"""Which statuses are older than what is known: devices hand over what they could not send, in whatever order. Pure."""

from typing import Final

LATEST_S: Final = 60
"""A clock that is behind by more than that was set back, and counts anew from there."""


def is_late(ts: int, last_ts: int) -> bool:
    """Whether a device said something before something else that came first.

    Args:
        ts: Its clock, unix seconds; 0 where it is not set, and then nobody can tell.
        last_ts: The latest that was heard of it; 0 for none.
    """
    return 0 < ts < last_ts <= ts + LATEST_S


def latest(ts: int, last_ts: int) -> int:
    """The latest that was heard of a device, with one more; arguments as :func:`is_late` has them."""
    return last_ts if ts == 0 or is_late(ts, last_ts) else ts
