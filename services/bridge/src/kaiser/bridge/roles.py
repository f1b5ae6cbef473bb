"""Roles that one bridge has at a time: an uplink slot, and answering for all of them. A lease says whose it is.

A role goes with MQTT sessions of fixed client ids, and the broker lets only one connection have a client id: whoever
believes wrongly that it still holds a role is put out by the one who holds it. The lease therefore only has to make
sure that somebody takes a role when its holder is gone, and that two who live do not fight for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import nats.errors
import structlog

from kaiser.mqtt import TakenOver

log = structlog.get_logger(__name__)

LEASE_TTL_S: Final = 5
RENEW_EVERY_S: Final = 1.5
ASK_EVERY_S: Final = 0.5


class Lease(Protocol):
    """What a role needs of :class:`kaiser.eventlog.kv.Lease`."""

    async def acquire(self) -> bool:
        """Take it if it is free."""

    async def renew(self) -> bool:
        """Keep it; false when it is not ours."""

    async def release(self) -> None:
        """Give it back."""


class LateLease:
    """A lease that can be asked for before the log is there, and then says that the log is away."""

    def __init__(self) -> None:
        self._lease: Lease | None = None

    def is_there(self, lease: Lease) -> None:
        """The log is there, and this is the lease."""
        self._lease = lease

    @property
    def _known(self) -> Lease:
        if self._lease is None:
            raise ConnectionError("the log was not reached yet")
        return self._lease

    async def acquire(self) -> bool:
        """Take it if it is free. Raises ConnectionError before the log is there."""
        return await self._known.acquire()

    async def renew(self) -> bool:
        """Keep it. Raises ConnectionError before the log is there."""
        return await self._known.renew()

    async def release(self) -> None:
        """Give it back; a no-op before the log is there."""
        if self._lease is not None:
            await self._lease.release()


class Role:
    """One role, taken when it is free and worked in until somebody else has it.

    Args:
        name: For logs and health.
        lease: Says whose the role is.
        work: What the role is; runs until cancelled, and raises TakenOver when the broker puts it out.
        assume: Take the role without asking if the log is away at the start, for devices wait for an answer. Should
            another bridge have it, the broker puts that one out, and after that the lease decides.
        wanted: Asked before the lease is: whether this process should have the role at all.

    Attributes:
        held: Whether this process has the role.
        standby: Whether the role is left to another process, or was another's when the lease was last asked for.
    """

    def __init__(
        self,
        name: str,
        lease: Lease,
        work: Callable[[], Awaitable[None]],
        *,
        assume: bool = False,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self.name = name
        self.held = False
        self.standby = False
        self._assume = assume
        self._lease = lease
        self._work = work
        self._wanted = wanted
        self._giving_up = asyncio.Event()

    def give_up(self) -> None:
        """Let another process have the role; this one asks for it again later."""
        self._giving_up.set()

    async def run(self) -> None:
        """Take the role whenever it is free, until cancelled; then it is given back at once."""
        while True:
            while not await self._take():  # noqa: ASYNC110 - others release it
                await asyncio.sleep(ASK_EVERY_S)
            self._assume = False
            self._giving_up.clear()
            log.info("took a role", role=self.name)
            try:
                await self._hold()
            finally:
                self.held = False
                self.standby = True
                await self._give_back()
            log.warning("left a role to another bridge", role=self.name)
            await asyncio.sleep(LEASE_TTL_S)

    async def _take(self) -> bool:
        """Whether it is ours now."""
        if not self._wanted():
            self.standby = True
            return False
        if not await self._ask(self._lease.acquire, when_away=self._assume):
            return False
        if not self._wanted():  # another role of this process was quicker
            await self._give_back()
            self.standby = True
            return False
        self.held = True
        return True

    async def _hold(self) -> None:
        """Work until the lease or the broker's session is somebody else's, or is to be."""
        working = asyncio.ensure_future(self._work())
        renewing = asyncio.create_task(self._renew())
        yielding = asyncio.create_task(self._giving_up.wait())
        try:
            await asyncio.wait((working, renewing, yielding), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        except TakenOver:
            pass
        finally:
            for task in (working, renewing, yielding):
                task.cancel()
            await asyncio.gather(working, renewing, yielding, return_exceptions=True)

    async def _renew(self) -> None:
        """Return when the lease is somebody else's.

        While the log is away nobody can take it, so it is kept; if it ran out meanwhile, it is taken anew.
        """
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            renewed = await self._ask(self._lease.renew, when_away=True)
            if not renewed and not await self._ask(self._lease.acquire, when_away=True):
                return

    async def _ask(self, question: Callable[[], Awaitable[bool]], *, when_away: bool = False) -> bool:
        try:
            async with asyncio.timeout(LEASE_TTL_S):
                answer = await question()
                self.standby = not answer
                return answer
        except (nats.errors.Error, TimeoutError, OSError) as error:
            log.debug("lease not asked", role=self.name, reason=str(error))
            return when_away

    async def _give_back(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._lease.release()
        except (nats.errors.Error, TimeoutError, OSError) as error:
            log.debug("lease not given back, it runs out by itself", role=self.name, reason=str(error))
