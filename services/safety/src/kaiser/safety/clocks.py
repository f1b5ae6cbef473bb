"""A clock for what runs: a wall clock that is set back makes no run longer while it is watched. Pure."""

from typing import NamedTuple

from kaiser.contracts.events.safeguards import ActuatorRef


class _Seen(NamedTuple):
    """A run as it was seen first: since when it counts, and both clocks at that moment."""

    since: int
    wall: int
    monotonic_us: int


class RunClock:
    """The time that counts for each run: the wall clock's, but never less than what has passed since it was seen.

    A clock that is set forward ends a run early, which is the safe way to be wrong. After a restart the wall clock
    counts alone, so that a run whose clock was set back is at most as long again.
    """

    def __init__(self) -> None:
        self._seen: dict[ActuatorRef, _Seen] = {}

    def now(self, ref: ActuatorRef, since: int, wall: int, monotonic_us: int) -> int:
        """What time it is for the run of an actuator, unix microseconds.

        Args:
            ref: The actuator.
            since: Since when it runs by the wall clock; 0 for not at all.
            wall: The wall clock, unix microseconds.
            monotonic_us: A clock that nobody can set.
        """
        if not since:
            self._seen.pop(ref, None)
            return wall
        seen = self._seen.get(ref)
        if seen is None or seen.since != since:
            seen = self._seen[ref] = _Seen(since, max(wall, since), monotonic_us)  # no run begins in the future
        return max(wall, seen.wall + monotonic_us - seen.monotonic_us)
