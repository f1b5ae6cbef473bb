"""Holds back who asks too much: each address, before it has said who it is, and each user and key."""

import time
from typing import Any, Final

from litestar.exceptions import TooManyRequestsException

from kaiser.gateway.edge.allowance import Allowances, Taken, origin
from kaiser.gateway.metrics import GatewayMetrics

TAKEN: Final = "taken"
"""Where the state of a request has what is left to whoever made it."""

Asking = Any
"""A scope: litestar's is of two types."""


class Limits:
    """What addresses and users have left, on this gateway.

    Args:
        user_per_s: Requests a second of one user or key; 0 for no limit.
        address_per_s: The same of one address.
        metrics: Where to count.
    """

    def __init__(self, *, user_per_s: float, address_per_s: float, metrics: GatewayMetrics) -> None:
        self._users = Allowances(user_per_s) if user_per_s else None
        self._addresses = Allowances(address_per_s) if address_per_s else None
        self._metrics = metrics

    def address(self, asking: Asking) -> None:
        """Count a request for its address.

        Raises:
            TooManyRequestsException: It has none left.
        """
        if self._addresses is not None and asking.get("client") is not None:
            self._hold(asking, "address", self._addresses.take(origin(asking["client"][0]), now=time.monotonic()))

    def user(self, asking: Asking, user_id: str) -> None:
        """Count a request for whoever has proved who they are, whatever token or socket it comes by.

        Raises:
            TooManyRequestsException: They have none left.
        """
        if self._users is not None:
            self._hold(asking, "user", self._users.take(user_id, now=time.monotonic()))

    def _hold(self, asking: Asking, whose: str, taken: Taken) -> None:
        asking["state"][TAKEN] = taken
        if not taken.allowed:
            self._metrics.limited.labels(whose).inc()
            raise TooManyRequestsException(
                f"too many requests of this {whose}; wait {taken.wait_s} s", headers={"Retry-After": str(taken.wait_s)}
            )


def headers(taken: Taken) -> dict[str, str]:
    """What is left, in the words that clients know."""
    return {
        "RateLimit-Limit": str(taken.limit),
        "RateLimit-Remaining": str(taken.remaining),
        "RateLimit-Reset": str(taken.reset_s),
    }
