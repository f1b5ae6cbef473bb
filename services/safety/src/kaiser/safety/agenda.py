"""When to look at which actuator again, each of them once. Pure; times are unix microseconds."""

import heapq

from kaiser.contracts.events.safeguards import ActuatorRef


class Agenda:
    """The next look at each actuator.

    One that is planned again for the same time, as all are every few seconds, is in here once, or runs of a month would
    fill the memory.
    """

    def __init__(self) -> None:
        self._next: dict[ActuatorRef, int] = {}
        self._times: list[tuple[int, ActuatorRef]] = []

    def __len__(self) -> int:
        """Times that are kept, those among them that do not hold any more."""
        return len(self._times)

    def plan(self, ref: ActuatorRef, at: int) -> None:
        """Look at an actuator then."""
        if self._next.get(ref) != at:
            self._next[ref] = at
            heapq.heappush(self._times, (at, ref))

    def due(self, now: int) -> frozenset[ActuatorRef]:
        """Whose time has come; it is not planned any more."""
        found = set()
        while self._times and self._times[0][0] <= now:
            at, ref = heapq.heappop(self._times)
            if self._next.get(ref) == at:
                del self._next[ref]
            found.add(ref)
        return frozenset(found)

    def clear(self) -> None:
        """Plan nothing."""
        self._next.clear()
        self._times.clear()
