"""How much whoever asks may ask: a token bucket for each, in a table that does not grow. Pure."""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Final

import msgspec

REMEMBERED: Final = 20_000
"""Some 4 MB. Who is forgotten begins with a full bucket, so that nobody is held back for what the table lacks."""
SITE_BITS: Final = 64
"""A host has a whole IPv6 network of this size to send from."""


class Taken(msgspec.Struct, frozen=True):
    """What came of asking once.

    Attributes:
        allowed: Whether it is granted.
        limit: Most requests at once.
        remaining: How many are left of them.
        reset_s: Seconds until all of them are there again, rounded up.
        wait_s: Seconds until the next is granted, rounded up; 0 for at once.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_s: int
    wait_s: int


class Allowances:
    """A bucket for each key, which fills steadily.

    Args:
        per_s: Requests a second that a key may make for long.
        burst_s: Seconds of that which it may make at once.
        most: Keys that are remembered; those that have not asked for longest are forgotten first.
    """

    def __init__(self, per_s: float, *, burst_s: float = 10.0, most: int = REMEMBERED) -> None:
        self._per_s = per_s
        self._limit = max(1.0, per_s * burst_s)
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, *, now: float) -> Taken:
        """Ask for one; a refused one costs nothing.

        Args:
            key: Who asks.
            now: Seconds of a monotonic clock.
        """
        left, since = self._buckets.pop(key, (self._limit, now))
        left = min(self._limit, left + max(0.0, now - since) * self._per_s)
        allowed = left >= 1
        left -= allowed
        self._buckets[key] = (left, now)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return Taken(
            allowed,
            limit=int(self._limit),
            remaining=int(left),
            reset_s=ceil((self._limit - left) / self._per_s),
            wait_s=0 if left >= 1 else ceil((1 - left) / self._per_s),
        )


def origin(address: str) -> str:
    """Whom an address counts as: itself, or the network that an IPv6 host may choose its addresses from."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Address(int(found) >> SITE_BITS << SITE_BITS))
