"""Failed logins, told to every gateway: who has to wait at one has to wait at all of them.

They are told over NATS and kept by nobody, for they count for minutes only: an entry in a bucket for each guess would
be written to disk by every server of a cluster, and read with every login. Without NATS each gateway counts for itself.
"""

import time
from typing import Final, Literal

import msgspec
import nats.errors
import structlog
from nats.aio.msg import Msg

from kaiser.contracts.streams import LOGINS_TRIED
from kaiser.eventlog import EventLog, new_id
from kaiser.gateway.throttle import Attempt, Guessing

log = structlog.get_logger(__name__)

Outcome = Literal["failed", "unverified", "succeeded"]


class Tried(msgspec.Struct, frozen=True):
    """What one gateway tells the others.

    Attributes:
        gateway: Which one, for it hears itself, too.
        outcome: ``failed`` before the password is verified, ``unverified`` where it was not for lack of time,
            ``succeeded`` where it was the right one.
        username: As typed.
        address: Where from.
        device: What stands for the client's device token; empty for none that counts.
        known: Whether the user has logged in from there before.
    """

    gateway: str
    outcome: Outcome
    username: str
    address: str
    device: str = ""
    known: bool = False


_decode = msgspec.json.Decoder(Tried).decode


class Failures:
    """Counts failures of all gateways.

    Args:
        event_log: How the others are told.
    """

    def __init__(self, event_log: EventLog) -> None:
        self._log = event_log
        self._gateway: Final = new_id()
        self._guessing = Guessing()

    async def listen(self) -> None:
        """Count what the others tell, from now on."""
        await self._log.nc.subscribe(LOGINS_TRIED, cb=self._heard)

    def wait_s(self, attempt: Attempt) -> float:
        """Seconds that an attempt has to wait; 0 for none."""
        return self._guessing.wait_s(attempt, now=time.monotonic())

    async def failed(self, attempt: Attempt) -> None:
        """Count a failure everywhere."""
        self._guessing.failed(attempt, now=time.monotonic())
        await self._tell("failed", attempt)

    async def unverified(self, attempt: Attempt) -> None:
        """Nobody looked; everywhere."""
        self._guessing.unverified(attempt)
        await self._tell("unverified", attempt)

    async def succeeded(self, attempt: Attempt) -> None:
        """It was none; everywhere."""
        self._guessing.succeeded(attempt)
        await self._tell("succeeded", attempt)

    async def _tell(self, outcome: Outcome, attempt: Attempt) -> None:
        known = not attempt.name
        tried = Tried(self._gateway, outcome, attempt.username, attempt.address, attempt.device, known)
        try:
            await self._log.nc.publish(LOGINS_TRIED, msgspec.json.encode(tried))
        except (nats.errors.Error, OSError) as error:
            log.warning("other gateways do not know of a login", outcome=outcome, error=str(error))

    async def _heard(self, message: Msg) -> None:
        try:
            tried = _decode(message.data)
        except msgspec.MsgspecError as error:
            log.warning("a login of another gateway cannot be read", error=str(error))
            return
        if tried.gateway == self._gateway:
            return
        attempt = Attempt(tried.username, tried.address, device=tried.device, known=tried.known)
        if tried.outcome == "failed":
            self._guessing.failed(attempt, now=time.monotonic())
        elif tried.outcome == "unverified":
            self._guessing.unverified(attempt)
        else:
            self._guessing.succeeded(attempt)
