"""Writes entries behind the last one that there is, whichever gateway wrote that."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from kaiser.contracts import subjects
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.identity import Audited
from kaiser.contracts.streams import IDENTITY
from kaiser.eventlog import (
    ConcurrencyConflict,
    Delivery,
    Event,
    EventLog,
    EventLogError,
    Expectation,
    OrderedReader,
    publish_atomically,
)
from kaiser.gateway.audit import chain
from kaiser.gateway.audit.chain import Head
from kaiser.gateway.metrics import GatewayMetrics

log = structlog.get_logger(__name__)

SOURCE: Final = "kaiser/gateway"
TOGETHER: Final = 200
WAITING: Final = 10_000
"""Entries that wait for a log which takes none; beyond that they are in the process's own log only."""
WRITTEN_WITHIN_S: Final = 1.0
"""An answer waits no longer for its entry, which is written all the same: a stop is in force, and whoever asked has to
know."""
SEEN_WITHIN_S: Final = 1.0
AGAIN_AFTER_S: Final = 1.0
REMEMBERED: Final = 2000

_decode = msgspec.json.Decoder(Audited).decode


class Trail:
    """The chain, as this gateway goes on with it.

    Args:
        event_log: Where it is.
        metrics: Where to count.
    """

    def __init__(self, event_log: EventLog, metrics: GatewayMetrics) -> None:
        self._log = event_log
        self._metrics = metrics
        self._head = chain.EMPTY
        self._seq = 0
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._news = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._waiting: asyncio.Queue[tuple[Audited, asyncio.Event]] = asyncio.Queue(WAITING)
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def head(self) -> Head:
        """The last entry that is known here."""
        return self._head

    async def follow(self) -> None:
        """Read what every gateway writes, from the last entry on."""
        reader = OrderedReader(self._log, IDENTITY.name, subjects=(subjects.AUDIT,), start="last")
        await reader.follow(self._take, self._caught_up)

    async def record(self, entry: Audited) -> bool:
        """Add an entry; whether it was in the log within a second. It is written in any case.

        Args:
            entry: Without number and hashes.
        """
        written = asyncio.Event()
        try:
            self._waiting.put_nowait((entry, written))
        except asyncio.QueueFull:
            self._metrics.unaudited.inc()
            log.error("not audited, for the event log takes nothing", entry=msgspec.to_builtins(entry))
            return False
        self._idle.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITTEN_WITHIN_S):
                await written.wait()
        return written.is_set()

    async def write(self) -> None:
        """Write what is recorded, for as long as the gateway lives."""
        await self._caught_up.wait()
        log.info("audit goes on", head=self._head.words())
        while True:
            some = [await self._waiting.get()]
            while len(some) < TOGETHER and not self._waiting.empty():
                some.append(self._waiting.get_nowait())
            await self._store([entry for entry, _ in some])
            for _, written in some:
                written.set()
            if self._waiting.empty():
                self._idle.set()

    async def written(self) -> None:
        """Return when nothing waits to be written."""
        await self._idle.wait()

    async def _store(self, entries: Sequence[Audited]) -> None:
        """Write entries, after whatever others wrote meanwhile."""
        sent: list[str] = []
        while True:
            if any(each in self._seen for each in sent):
                return  # stored after all: only the acknowledgement was lost
            linked, seq = chain.link(entries, self._head), self._seq
            events, expect = [_event(entry) for entry in linked], Expectation(seq, subjects.AUDIT)
            sent.append(linked[-1].hash)
            try:
                last = (await publish_atomically(self._log, events, expect=expect)).seq
            except ConcurrencyConflict:
                await self._until_after(seq)
                continue
            except EventLogError as error:
                log.error("audit waits for the event log", entries=len(entries), reason=str(error))
                await asyncio.sleep(AGAIN_AFTER_S)
                continue
            if last > self._seq:
                self._seq, self._head = last, chain.head_of(linked[-1])
            return

    async def _until_after(self, seq: int) -> None:
        """Wait for what somebody else wrote to come by."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SEEN_WITHIN_S):
                while self._seq <= seq:
                    self._news.clear()
                    await self._news.wait()

    def _take(self, delivery: Delivery) -> None:
        try:
            entry = _decode(delivery.data)
        except msgspec.MsgspecError as error:
            # Behind it all the same: the chain goes on, and whoever verifies it finds this
            self._seq = max(self._seq, delivery.seq)
            self._news.set()
            log.error("entry of the audit not understood", seq=delivery.seq, reason=str(error))
            return
        self._seen[entry.hash] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        if delivery.seq > self._seq:
            self._seq, self._head = delivery.seq, chain.head_of(entry)
        self._news.set()


def _event(entry: Audited) -> Event:
    return Event(
        subject=subjects.audit(entry.user_id),
        type=Audited.TYPE,
        data=encode(entry),
        source=SOURCE,
        id=f"audit.{entry.hash}",
        time=entry.at,
    )
