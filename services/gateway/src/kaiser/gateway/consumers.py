"""Reads the log for the live stream: finished readings, heartbeats, what devices say, what safety and logic decide.

Each reader begins a little before the end, so that clients of a gateway that was restarted find in memory what came
meanwhile.
"""

import asyncio
import math
from collections.abc import Coroutine
from typing import Final

import msgspec
import nats.errors
import structlog
from nats.js.errors import NotFoundError

from kaiser.contracts.streams import ACTUATORS, DEVICES, HEARTBEATS, LOGIC, SAFETY, TELEMETRY
from kaiser.eventlog import Delivery, EventLog, OrderedReader
from kaiser.gateway.damping import Damper, Verdict
from kaiser.gateway.hub import Hub
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.gateway.passing import Batch, Said
from kaiser.gateway.rulenames import RuleNames
from kaiser.gateway.showing import PRESENCE, SHOWN, show
from kaiser.service import tracing
from kaiser.service.health import Finding, State

log = structlog.get_logger(__name__)

SILENT_S: Final = 3.5
"""Three heartbeats of the server that did not come."""

BEFORE_NOW: Final = 8192
"""Messages of a stream that are read again at the start: whoever lost a gateway that was killed comes back at once, and
all of them would ask the log for the same."""

ASK_AGAIN_S: Final = 0.5

STREAMS: Final = tuple(spec.name for spec in (TELEMETRY, HEARTBEATS, DEVICES, ACTUATORS, SAFETY, LOGIC))


class _Count(msgspec.Struct):
    """A batch of readings of which nobody wants more than the number."""

    received_at: list[int]


_decode_count = msgspec.json.Decoder(_Count).decode


class LiveReaders:
    """One ordered reader a stream, feeding the hub.

    Args:
        event_log: The log.
        hub: Who gets the events.
        metrics: Where to count.
        names: What rules are called.
    """

    def __init__(self, event_log: EventLog, hub: Hub, metrics: GatewayMetrics, names: RuleNames) -> None:
        self._log = event_log
        self._hub = hub
        self._metrics = metrics
        self._names = names
        self._readers: dict[str, OrderedReader] = {}
        self._behind = {stream: asyncio.Event() for stream in STREAMS}
        self._damper = Damper()
        for stream in STREAMS:
            hub.open(stream, 0)

    def finding(self) -> Finding:
        """Whether every stream is read: the server says something each second, even where nothing is published."""
        waiting = [
            stream
            for stream in STREAMS
            if stream not in self._readers
            or self._readers[stream].silent_s == math.inf
            or not self._behind[stream].is_set()
        ]
        if waiting:
            return Finding(State.STARTING, f"waiting for {', '.join(sorted(waiting))}")
        silent_s = max(reader.silent_s for reader in self._readers.values())
        if silent_s > SILENT_S:
            return Finding(State.FAILING, f"NATS has said nothing for {silent_s:.0f} s; the live stream stands still")
        return Finding(State.OK)

    async def wait_caught_up(self) -> None:
        """Return once everything was read that was there at the start; a stream that nobody has made yet is empty."""
        for behind in self._behind.values():
            await behind.wait()

    def spawnable(self) -> dict[str, Coroutine[None, None, None]]:
        """Every reader by name, as coroutines."""
        return {stream.lower(): self._read(stream) for stream in STREAMS}

    async def _read(self, stream: str) -> None:
        first, last = await self._span(stream)
        start = max(first - 1, last - BEFORE_NOW, 0)
        self._hub.open(stream, start)
        async with OrderedReader(self._log, stream, start="all", start_seq=start + 1) as reader:
            self._readers[stream] = reader
            behind = self._behind[stream]
            recent = self._hub.streams[stream]
            if start == last:
                behind.set()
            while True:
                for delivery in await reader.take():
                    self._pass(delivery)
                if recent.position >= last:
                    behind.set()

    async def _span(self, stream: str) -> tuple[int, int]:
        """First and last sequence of a stream, as soon as there is one."""
        while True:
            try:
                state = (await self._log.js.stream_info(stream)).state
            except NotFoundError:
                self._behind[stream].set()
            except (nats.errors.Error, OSError, TimeoutError) as error:
                log.warning("stream cannot be asked for", stream=stream, error=str(error) or type(error).__name__)
            else:
                return int(state.first_seq), int(state.last_seq)
            await asyncio.sleep(ASK_AGAIN_S)

    def _pass(self, delivery: Delivery) -> None:
        trace = delivery.sampled if tracing.on() else ""
        if delivery.stream == TELEMETRY.name:
            batch = Batch(delivery)
            batch.trace = trace
            if not self._hub.passed(batch):
                self._count(delivery)
            return
        self._names.take(delivery)
        if delivery.type not in SHOWN:
            self._hub.pass_by(delivery.stream, delivery.seq)
            return
        verdict = self._verdict(delivery) if delivery.type in PRESENCE else "show"
        said = Said(delivery, self._names.of, verdict)
        said.trace = trace
        self._hub.passed(said)

    def _count(self, delivery: Delivery) -> None:
        try:
            self._metrics.readings.inc(len(_decode_count(delivery.data).received_at))
        except msgspec.MsgspecError as error:
            log.error("batch of readings not understood", seq=delivery.seq, reason=str(error))

    def _verdict(self, delivery: Delivery) -> Verdict:
        try:
            news = show(delivery.type, delivery.data)
        except msgspec.MsgspecError:
            return "show"  # and it will be said then that it is not understood
        return self._damper.change(news.esp_id, news.at) if news is not None else "show"
