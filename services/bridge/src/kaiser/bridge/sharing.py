"""Slots shared among the bridges that are there: nobody keeps more than its share while another one has less.

Each bridge holds a lease that says that it is there. Whoever has more slots than its share gives one back, and whoever
has its share asks for no more; so a bridge that starts gets slots from those that run, and those of one that dies are
taken as soon as its leases have run out.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import nats.errors
import structlog

from kaiser.bridge.roles import LEASE_TTL_S, Role
from kaiser.contracts import subjects
from kaiser.eventlog import EventLog
from kaiser.eventlog.kv import Lease

log = structlog.get_logger(__name__)

PRESENT: Final = "present-"
"""Beginning of the keys that say who is there."""
LOOK_EVERY_S: Final = 1.0


class Sharing:
    """The share of one bridge.

    Args:
        event_log: The log.
        bucket: Bucket of the leases.
        name: Name of this bridge.
        slots: How many there are.

    Attributes:
        share: Slots that are this bridge's at most.
        roles: Its roles for all slots.
    """

    def __init__(self, event_log: EventLog, bucket: str, *, name: str, slots: int) -> None:
        self.share = slots
        self.roles: Sequence[Role] = ()
        self._log = event_log
        self._bucket = bucket
        self._presence = self._lease(PRESENT + subjects.token(name), name)
        self._slots = slots

    def wants_more(self) -> bool:
        """Whether this bridge may ask for another slot."""
        return sum(role.held for role in self.roles) < self.share

    async def run(self) -> None:
        """Be counted, and keep to the share, until cancelled; while the log is away nothing moves."""
        try:
            while True:
                try:
                    async with asyncio.timeout(LEASE_TTL_S):
                        await self._presence.acquire()
                        self._settle(await self._bridges())
                except (nats.errors.Error, TimeoutError, OSError) as error:
                    log.debug("shares not looked at", reason=str(error))
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await self._leave()

    def _settle(self, bridges: int) -> None:
        share = -(-self._slots // max(1, bridges))
        if share != self.share:
            log.info("share of the slots", share=share, slots=self._slots, bridges=bridges)
        self.share = share
        for role in [role for role in self.roles if role.held][share:]:
            role.give_up()

    async def _bridges(self) -> int:
        keys = f"$KV.{self._bucket}."
        info = await self._log.js.stream_info(f"KV_{self._bucket}", subjects_filter=f"{keys}{PRESENT}*")
        found = [self._lease(subject.removeprefix(keys)) for subject in info.state.subjects or ()]
        return sum([await lease.holder() != "" for lease in found])  # a bridge that left is a key without a holder

    def _lease(self, key: str, holder: str = "") -> Lease:
        return Lease(self._log, self._bucket, key, holder=holder, ttl_s=LEASE_TTL_S)

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._presence.release()
        except (nats.errors.Error, TimeoutError, OSError) as error:
            log.debug("presence not taken back, it runs out by itself", reason=str(error))
