"""The loop of whoever leads: take what came, decide, write, and say how far it is."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec
import nats.errors
import structlog

from kaiser.contracts.events.logic import Decision
from kaiser.contracts.streams import LOGIC_MARKS
from kaiser.eventlog import EventLog, now_us
from kaiser.logic import marks
from kaiser.logic.checkpoints import Checkpoint, Checkpoints
from kaiser.logic.conditions import Evaluator
from kaiser.logic.following import Following, LostTrackError
from kaiser.logic.inflow import Hear
from kaiser.logic.marks import Mark
from kaiser.logic.metrics import LogicMetrics
from kaiser.logic.times import SECOND
from kaiser.logic.traces import Traces
from kaiser.logic.writing import Writer

_log = structlog.get_logger(__name__)

SLACK: Final = 1_000
"""Messages are taken so long after they were stored, microseconds: one of another stream may be on its way, and each
that comes late has to be told to the log."""
SAY_S: Final = 0.25
LOOK_S: Final = 0.5
"""Longest wait between two looks at what is due."""
AGAIN_S: Final = 0.5
MOST_LOST: Final = 3
"""So often in a row an instance begins anew rather than to go on from what does not agree with the log."""


class Deciding:
    """The engine of this instance, whether it leads or follows.

    Args:
        log: The connection.
        plugins: Conditions of others.
        kept: Checkpoints.
        on_readings: Told of readings as they come.
        metrics: Where to count.
        ttl_s: How long decisions are kept, seconds.
        checkpoint_s: Seconds between two checkpoints.

    Attributes:
        following: The engine and what feeds it; None before there is a checkpoint, or this instance leads.
        leads: Whether it decides now.
        busy_since: Since when a write waits, by the monotonic clock; 0 while none does.
        on_written: Called with decisions once they are in the log.
        traces: What runs are a part of.
    """

    def __init__(
        self,
        log: EventLog,
        plugins: Mapping[str, Evaluator],
        kept: Checkpoints,
        on_readings: Hear,
        metrics: LogicMetrics,
        *,
        ttl_s: int,
        checkpoint_s: float,
    ) -> None:
        self.following: Following | None = None
        self.leads = False
        self.busy_since = 0.0
        self.on_written: list[Callable[[Sequence[Decision]], None]] = []
        self.traces = Traces()
        self._log = log
        self._plugins = plugins
        self._kept = kept
        self._on_readings = on_readings
        self._metrics = metrics
        self._ttl_s = ttl_s
        self._checkpoint_s = checkpoint_s
        self._turn = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._said: Mark | None = None
        self._news = asyncio.Event()
        self._checkpointing: asyncio.Task[bool] | None = None
        self._writer: Writer | None = None
        self._lost = 0

    @property
    def missing(self) -> str:
        """What this instance still has to read to decide, in words."""
        return "reading the log" if self.following is None else self.following.inflow.missing

    def lag_s(self) -> float:
        """How far the engine is behind the clock, as far as something waits for it, seconds."""
        following = self.following
        waiting = 0 if following is None else following.inflow.next_at()
        return max(0.0, (now_us() - waiting) / SECOND) if waiting else 0.0

    async def stand_by(self) -> None:
        """Follow whoever leads, until cancelled; let go while this instance leads itself."""
        await self._log.nc.subscribe(LOGIC_MARKS, cb=self._heard)
        while True:
            async with self._turn:
                try:
                    await self._follow()
                except LostTrackError as lost:
                    _log.warning("this engine is not where the leader's is, beginning anew", reason=str(lost))
                    await self._close()
                except (nats.errors.Error, TimeoutError) as error:
                    _log.warning("following waits for the log", reason=repr(error))
                    await asyncio.sleep(AGAIN_S)
            await asyncio.sleep(0 if self._wanted.is_set() else AGAIN_S / 10)

    async def run(self) -> None:
        """Decide, for a term: until cancelled."""
        try:
            self._wanted.set()
            self._news.set()
            await self._turn.acquire()
        finally:
            self._wanted.clear()
        try:
            await self._lead()
        finally:
            self.leads = False
            await self._close()  # what it took and did not write is not so
            self._turn.release()

    async def _lead(self) -> None:
        while True:
            try:
                await self._term()
            except LostTrackError as lost:
                self._lost += 1
                _log.warning("this instance does not decide", reason=str(lost), times=self._lost)
            except (nats.errors.Error, TimeoutError) as error:
                _log.warning("deciding waits for the log", reason=repr(error))
            self.leads = False
            await self._close()
            await asyncio.sleep(AGAIN_S)

    async def close(self) -> None:
        """Let go of everything; a checkpoint spares whoever comes next the reading."""
        if self.leads and self.following is not None and self._writer is not None and not self.busy_since:
            await self._kept.write(self._checkpoint(self.following, self._writer))

    # following

    async def _heard(self, message: object) -> None:
        with suppress(ValueError):
            self._said = marks.decode(message.data)  # type: ignore[attr-defined]  # nats-py's
            self._news.set()

    async def _follow(self) -> None:
        """Follow until this instance is to lead."""
        while not self._wanted.is_set():
            if self.following is None:
                checkpoint = await self._kept.last()
                if checkpoint is None:
                    return  # whoever leads will write one
                await self._open(checkpoint)
                continue
            self._news.clear()
            said = self._said
            if said is not None and said.clock > self.following.engine.clock:
                await self.following.reach(said)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._news.wait()

    async def _open(self, checkpoint: Checkpoint | None) -> Following:
        following = Following(self._log, self._plugins, checkpoint, self._on_readings, self.traces.came)
        self.following = await following.__aenter__()
        return following

    async def _close(self) -> None:
        following, self.following = self.following, None
        if following is not None:
            await following.__aexit__()

    # leading

    async def _term(self) -> None:
        began = time.monotonic()
        following = await self._newest()
        decisions = await following.take_over(anyhow=self._lost >= MOST_LOST)
        writer = self._writer = Writer(self._log, following.here, self._ttl_s, self.traces.of)
        await self._begin(following, writer, decisions)
        self._wrote(decisions)
        self.leads, self._lost = True, 0
        self._metrics.took_over(time.monotonic() - began)
        _log.info("this instance decides", n=following.engine.core.n, events=len(decisions))
        await self._kept.write(self._checkpoint(following, writer))
        await self._decide(following, writer)

    async def _newest(self) -> Following:
        """Where to go on from: what this instance has followed, or what the last leader left when it went."""
        following, checkpoint = self.following, await self._kept.last()
        if following is not None and (checkpoint is None or checkpoint.mark.clock <= following.engine.clock):
            return following
        await self._close()
        return await self._open(checkpoint)

    async def _begin(self, following: Following, writer: Writer, decisions: Sequence[Decision]) -> None:
        """Write what a term begins with, as long as nobody else decides; who defines rules meanwhile does not."""
        written = following.written
        known = written.seq
        while True:
            end = await written.catch_up()
            if written.seq != known:
                raise LostTrackError("another instance has written while this one took over")
            try:
                await writer.begin(decisions, following.here, end)
            except LostTrackError as conflict:
                _log.info("something was written while this instance took over", reason=str(conflict))
            else:
                return

    async def _decide(self, following: Following, writer: Writer) -> None:
        engine, inflow = following.engine, following.inflow
        said_at, kept_at = 0.0, time.monotonic()
        while True:
            inflow.changed.clear()
            now = inflow.clock.now(now_us()) - SLACK
            decisions: list[Decision] = []
            taken = 0
            for message in inflow.due(now):
                decisions += engine.take(message.stream, message.seq, message.at, message.event)
                taken += 1
            decisions += engine.tick(max(now, engine.clock))
            if taken:
                self._metrics.took(taken)
            if decisions:
                self.busy_since = time.monotonic()
                spans = self.traces.begin(decisions)
                await writer.write(decisions, self._mark(following, writer))
                for span in spans:
                    span.end()
                self.busy_since = 0.0
                self._wrote(decisions)
            clock = time.monotonic()
            if clock - said_at >= SAY_S and self._log.connected:
                said_at = clock
                with suppress(nats.errors.Error, OSError):
                    await self._log.nc.publish(LOGIC_MARKS, marks.encode(self._mark(following, writer)))
            if clock - kept_at >= self._checkpoint_s:
                kept_at = clock
                self._keep(self._checkpoint(following, writer))
            await self._wait(following, said_at)

    async def _wait(self, following: Following, said_at: float) -> None:
        """Wait until there is something to take, something due, or something to say."""
        inflow = following.inflow
        now = inflow.clock.now(now_us()) - SLACK
        wait_s = max(0.0, said_at + SAY_S - time.monotonic())
        for at in (inflow.next_at(), following.engine.next_due):
            if at:
                wait_s = min(wait_s, (at - now) / SECOND)
        if wait_s <= 0:
            await asyncio.sleep(0.0005 if inflow.next_at() else 0)
            return
        if inflow.next_at():
            await asyncio.sleep(wait_s)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await inflow.changed.wait()
            if at := inflow.next_at():
                await asyncio.sleep(max(0.0, (at - inflow.clock.now(now_us()) + SLACK) / SECOND))

    def _keep(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint beside what goes on."""
        if self._checkpointing is None or self._checkpointing.done():
            self._checkpointing = asyncio.create_task(self._kept.write(checkpoint), name="logic.checkpoint")

    def _wrote(self, decisions: Sequence[Decision]) -> None:
        self._metrics.wrote(decisions)
        for tell in self.on_written:
            tell(decisions)

    def _checkpoint(self, following: Following, writer: Writer) -> Checkpoint:
        return Checkpoint(self._mark(following, writer), msgspec.Raw(following.engine.snapshot()))

    @staticmethod
    def _mark(following: Following, writer: Writer) -> Mark:
        return Mark(
            clock=following.engine.clock,
            n=following.engine.core.n,
            order_seq=writer.order_seq,
            seq=writer.seq,
            taken=following.inflow.taken,
        )
