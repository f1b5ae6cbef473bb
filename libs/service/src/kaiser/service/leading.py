"""Of all instances of a service one leads, by a lease; what only it does begins and ends with its term."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

import nats.errors
import structlog

from kaiser.eventlog import Lease

_log = structlog.get_logger(__name__)

LOOK_S: Final = 0.25
"""Between two looks at a lease that somebody else has."""
SURE_US: Final = 1
"""What is decided now is decided in time; whether it is stored in time is the fence's matter."""

Work = Callable[[], Coroutine[Any, Any, None]]
"""Makes what only the leader does; it is cancelled when the lease is lost."""


class Leader:
    """Leads while it has the lease.

    Args:
        lease: Of the instances.

    Attributes:
        works: What a leader does.
        since: Since when it leads, by the monotonic clock; 0 while it does not.
        terms: How often it began to lead.
    """

    def __init__(self, lease: Lease) -> None:
        self.since = 0.0
        self.terms = 0
        self._lease = lease
        self.works: list[Work] = []

    @property
    def leads(self) -> bool:
        """Whether it certainly leads right now."""
        return self.since > 0 and self._lease.held

    def until(self, now: int) -> int:
        """Until when it certainly leads, by the wall clock, unix microseconds; 0 while it does not.

        Args:
            now: Unix microseconds.
        """
        return now + SURE_US if self.leads else 0

    async def run(self) -> None:
        """Lead whenever the lease is to be had, until cancelled; the lease is then given back."""
        while True:
            if await self._acquired():
                await self._lead()
            await asyncio.sleep(LOOK_S)

    async def _acquired(self) -> bool:
        try:
            return await self._lease.acquire()
        except (nats.errors.Error, TimeoutError, OSError) as error:
            _log.warning("the lease waits for the log", reason=repr(error))
            return False

    async def _lead(self) -> None:
        self.since, self.terms = time.monotonic(), self.terms + 1
        _log.info("this instance leads")
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(work()) for work in self.works]
                await self._lease.keep()
                _log.warning("this instance does not lead any more")
                for task in running:
                    task.cancel()
        finally:
            self.since = 0.0
            with contextlib.suppress(nats.errors.Error, TimeoutError, OSError):
                await self._lease.release()
