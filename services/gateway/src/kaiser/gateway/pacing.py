"""When frames are due, for all clients at once: a timer of the loop for each would cost more than the frame."""

import asyncio
from collections.abc import Callable
from typing import Final

STEP_S: Final = 0.005
"""How exactly a frame comes when it is due."""

Due = Callable[[], None]


class Pacer:
    """Calls who is due, many with one timer."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._soon: list[Due] = []
        self._buckets: dict[int, list[Due]] = {}
        self._timer: asyncio.Handle | None = None
        self._timer_of = 0

    def soon(self, due: Due) -> None:
        """Call once the messages that were just read are all handed out."""
        if not self._soon:
            self._loop.call_soon(self._now)
        self._soon.append(due)

    def at(self, when: float, due: Due) -> None:
        """Call at a time of the loop's clock, or a step later."""
        bucket = int(when / STEP_S) + 1
        waiting = self._buckets.get(bucket)
        if waiting is None:
            waiting = self._buckets[bucket] = []
        waiting.append(due)
        if self._timer is None or bucket < self._timer_of:
            self._set(bucket)

    def _set(self, bucket: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_of = bucket
        self._timer = self._loop.call_at(bucket * STEP_S, self._tick)

    def _now(self) -> None:
        soon, self._soon = self._soon, []
        for due in soon:
            due()

    def _tick(self) -> None:
        self._timer = None
        reached = int(self._loop.time() / STEP_S)
        for bucket in sorted(bucket for bucket in self._buckets if bucket <= max(reached, self._timer_of)):
            for due in self._buckets.pop(bucket):
                due()
        if self._buckets:
            self._set(min(self._buckets))
