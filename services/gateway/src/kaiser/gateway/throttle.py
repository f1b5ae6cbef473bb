"""Holds back whoever guesses passwords: after some failures a name or an address has to wait. Pure."""

from collections import OrderedDict
from typing import Final

from kaiser.gateway.edge.allowance import origin

FREE_FAILURES: Final = 5
FREE_OF_ADDRESS: Final = 50
"""A whole office, or a proxy that does not say for whom it asks, is one address."""
FREE_OF_NAME: Final = 100
WINDOW_S: Final = 300.0
LONGEST_WAIT_S: Final = 60.0
REMEMBERED: Final = 10_000


class Throttle:
    """Failures by key (a user name, an address), bounded; the oldest are forgotten first.

    Args:
        free: Failures after which a key has to wait.
    """

    def __init__(self, free: int = FREE_FAILURES) -> None:
        self._free = free
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_s(self, *keys: str, now: float) -> float:
        """Seconds that these keys have to wait from now; 0 for none.

        Args:
            keys: Who is asking.
            now: Seconds of a monotonic clock.
        """
        return max((self._wait_s(key, now) for key in keys), default=0.0)

    def failed(self, *keys: str, now: float) -> None:
        """Count a failure."""
        for key in keys:
            count, since = self._failures.pop(key, (0, now))
            self._failures[key] = (count + 1 if now - since < WINDOW_S else 1, now)
        while len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, *keys: str) -> None:
        """Forget the failures."""
        for key in keys:
            self._failures.pop(key, None)

    def took_back(self, *keys: str) -> None:
        """Take one failure back, which was none."""
        for key in keys:
            if key in self._failures:
                count, since = self._failures[key]
                self._failures[key] = (max(0, count - 1), since)

    def _wait_s(self, key: str, now: float) -> float:
        count, last = self._failures.get(key, (0, 0.0))
        if count < self._free or now - last > WINDOW_S:
            return 0.0
        wait = min(LONGEST_WAIT_S, 2.0 ** min(count - self._free, 10))
        return max(0.0, last + wait - now)


class Attempt:
    """Where an attempt to log in comes from, and so who else's failures count against it.

    Args:
        username: As typed.
        address: Where from; an IPv6 host counts as its network, for it has as many addresses as it likes.
        device: What stands for the token that proves the user of the client; empty where it has none, or another's.
        known: Whether that user has logged in from the address before.
    """

    def __init__(self, username: str, address: str, *, device: str, known: bool) -> None:
        self.device = device
        self.username = username
        self.address = origin(address)
        self.pair = f"{self.address} {username}"
        self.name = "" if known else username


class Guessing:
    """Decides who has to wait before the next attempt.

    Whoever guesses cannot keep the owner out: a client that the owner has logged in with before waits for its own
    failures only, and one at an address of the owner's not for those that strangers have elsewhere.
    """

    def __init__(self) -> None:
        self._close = Throttle()
        self._addresses = Throttle(FREE_OF_ADDRESS)
        self._names = Throttle(FREE_OF_NAME)

    def wait_s(self, attempt: Attempt, *, now: float) -> float:
        """Seconds that an attempt has to wait from now, by a monotonic clock; 0 for none."""
        if attempt.device:
            return self._close.wait_s(attempt.device, now=now)
        waits = [self._close.wait_s(attempt.pair, now=now), self._addresses.wait_s(attempt.address, now=now)]
        if attempt.name:
            waits.append(self._names.wait_s(attempt.name, now=now))
        return max(waits)

    def failed(self, attempt: Attempt, *, now: float) -> None:
        """Count a failure; before the password is verified, for guesses may come all at once."""
        if attempt.device:
            self._close.failed(attempt.device, now=now)
            return
        self._close.failed(attempt.pair, now=now)
        self._addresses.failed(attempt.address, now=now)
        if attempt.name:
            self._names.failed(attempt.name, now=now)

    def unverified(self, attempt: Attempt) -> None:
        """Nobody has looked whether it was the right one, so it was no failure either."""
        if attempt.device:
            self._close.took_back(attempt.device)
            return
        self._close.took_back(attempt.pair)
        self._addresses.took_back(attempt.address)
        if attempt.name:
            self._names.took_back(attempt.name)

    def succeeded(self, attempt: Attempt) -> None:
        """It was the right one: this client starts anew, and the others have failed once less."""
        if attempt.device:
            self._close.succeeded(attempt.device)
            return
        self._close.succeeded(attempt.pair)
        self._addresses.took_back(attempt.address)
        if attempt.name:
            self._names.took_back(attempt.name)
