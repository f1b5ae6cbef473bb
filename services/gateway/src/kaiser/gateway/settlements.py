"""What was decided about dead letters, followed in the log by every gateway: a list need not read all of it each time.

Whoever asks sees what was decided before they asked, on whichever gateway: a list waits until the last decision that
the log has is known here. What is kept of a letter is its state; the bytes of replays stay in the log.
"""

import asyncio
from typing import Final

import msgspec
import structlog
from nats.js.errors import NotFoundError

from kaiser.contracts import subjects
from kaiser.contracts.streams import DEADLETTER
from kaiser.eventlog import Delivery, EventLog, OrderedReader
from kaiser.gateway.deadletters import LETTER, Letter, decode

log = structlog.get_logger(__name__)

KEPT_US: Final = (DEADLETTER.max_age_s + 86_400) * 1_000_000
"""A letter is gone from the stream before what was decided about it is forgotten."""


class Settled(msgspec.Struct, frozen=True):
    """What was decided about one letter.

    Attributes:
        letter: Without the bytes of its replay.
        seq: Sequence of the last decision.
        at: When the stream stored it, unix microseconds.
    """

    letter: Letter
    seq: int
    at: int


class Settlements:
    """Decisions by letter.

    Args:
        event_log: Where they are.
    """

    def __init__(self, event_log: EventLog) -> None:
        self._log = event_log
        self._settled: dict[str, Settled] = {}
        self._read_to = 0
        self._caught_up = asyncio.Event()
        self._news = asyncio.Event()

    def __len__(self) -> int:
        """About how many letters something is known."""
        return len(self._settled)

    async def follow(self) -> None:
        """Read the log from the first decision that it has, and on, until cancelled."""
        reader = OrderedReader(self._log, DEADLETTER.name, subjects=(subjects.SETTLED,), start="all")
        await reader.follow(self.take, self._caught_up)

    async def known(self) -> None:
        """Return when everything is known that was decided by now.

        Raises:
            nats.errors.Error: The log is away.
        """
        await self._caught_up.wait()
        try:
            last = int((await self._log.js.get_last_msg(DEADLETTER.name, subjects.SETTLED)).seq or 0)
        except NotFoundError:  # nobody has decided anything
            return
        while self._read_to < last:
            self._news.clear()
            await self._news.wait()

    def of(self, letter_id: str) -> Settled | None:
        """What was decided about a letter; None for nothing."""
        return self._settled.get(letter_id)

    def take(self, delivery: Delivery) -> None:
        """Take in a decision."""
        self._read_to = delivery.seq
        self._news.set()
        try:
            event = decode(delivery)
        except (msgspec.DecodeError, ValueError) as error:
            log.error("decision about a dead letter not understood", seq=delivery.seq, reason=str(error))
            return
        before = self._settled.pop(event.letter_id, None)
        letter = LETTER.evolve(LETTER.initial if before is None else before.letter, event)
        if letter.order is not None and letter.order.payload:
            letter = msgspec.structs.replace(letter, order=msgspec.structs.replace(letter.order, payload=b""))
        self._settled[event.letter_id] = Settled(letter, delivery.seq, delivery.stored_at)
        self._forget(delivery.stored_at - KEPT_US)

    def _forget(self, before: int) -> None:
        """Letters about which nothing was decided since; the one that waits longest is in front."""
        while self._settled:
            oldest = next(iter(self._settled))
            if self._settled[oldest].at >= before:
                return
            del self._settled[oldest]
