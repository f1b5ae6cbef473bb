"""Decides on requests as soon as they are in the state, all that wait in one write.

Requests are taken from what is followed anyway, and not from a consumer of their own: an instance that is frozen with a
request in its hands would keep it from the one that took over. What was decided is in SAFETY, in the order of the
requests, so whoever begins to lead knows what is left.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from kaiser.eventlog import EventLogError, now_us
from kaiser.safety.events import Fact
from kaiser.safety.following import Followed
from kaiser.safety.metrics import SafetyMetrics
from kaiser.safety.ruling import Numbered, rule
from kaiser.safety.writing import MOST_AT_ONCE, Writer
from kaiser.service import tracing

_log = structlog.get_logger(__name__)

LOOK_S: Final = 0.25
"""Longest wait until a command that waits for its device is looked at again."""
AGAIN_S: Final = 0.1
LIMP_US: Final = 3_000_000
"""Requests that wait so long for a decision show that safety does not decide."""


class Decider:
    """Decides while this instance leads.

    Args:
        followed: What is known.
        writer: Where decisions go.
        metrics: Where to count.
        leads_until: Until when this instance may decide, unix microseconds; 0 while it may not.
    """

    def __init__(
        self, followed: Followed, writer: Writer, metrics: SafetyMetrics, leads_until: Callable[[], int]
    ) -> None:
        self._followed = followed
        self._writer = writer
        self._metrics = metrics
        self._leads_until = leads_until
        self._spans: dict[str, tracing.Span] = {}
        self._wake = asyncio.Event()
        followed.on_change.append(self._wake.set)

    async def run(self) -> None:
        """Decide, until cancelled."""
        while True:
            try:
                if self._waiting():
                    await self._decide()
            except EventLogError as error:
                _log.warning("decisions wait for the log", reason=repr(error))
                await asyncio.sleep(AGAIN_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            self._wake.clear()

    def limps(self) -> bool:
        """Whether a request waits for a decision for too long."""
        oldest = min((request.at for _, request in self._waiting()), default=0)
        return oldest > 0 and now_us() - oldest > LIMP_US

    def _waiting(self) -> Sequence[Numbered]:
        """Requests to decide on now, in their order; not those whose device is away while they may wait for it."""
        followed, now = self._followed, now_us()
        return [
            (seq, request)
            for seq, request in followed.undecided.values()
            if now >= request.held_until or followed.state.member(request.esp_id).online
        ]

    async def _decide(self) -> None:
        try:
            written = await self._writer.write(self._decisions)
        finally:
            for span in self._spans.values():
                span.end()
            self._spans.clear()
        self._metrics.wrote(written)

    def _decisions(self) -> Sequence[Fact]:
        now, until = now_us(), self._leads_until()
        if until <= now:
            return ()
        requests = self._waiting()[:MOST_AT_ONCE]
        if tracing.on():
            self._begin_spans(requests)
        began = time.perf_counter()
        facts = rule(self._followed.state, requests, now, lease_until=until)
        if facts:
            self._metrics.decide_s.observe((time.perf_counter() - began) / len(facts), len(facts))
        return facts

    def _begin_spans(self, requests: Sequence[Numbered]) -> None:
        """A span for each request that is recorded; what is decided of it follows from that."""
        for _, request in requests:
            name, traces = request.command_id, self._followed.traces
            if name not in self._spans and (span := tracing.start("safety decide", traces.of(name))) is not None:
                span.set(command_id=name, correlation_id=request.correlation_id)
                self._spans[name] = span
                traces.note(name, span.traceparent)
