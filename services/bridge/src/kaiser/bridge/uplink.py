"""The way up: MQTT session to event log, acknowledged last.

There is no timer, but for heartbeats, which nobody waits for here. While JetStream's acknowledgements of one flush are
on their way, the session gathers what arrives; the next flush takes all of it. So a flush is one message when it is
quiet and hundreds under load, and flushes follow one another, which keeps the PUBACKs in the order of the PUBLISHes
(MQTT 5, 4.6).
"""

import asyncio
from typing import Final

import msgspec
import structlog

from kaiser.bridge.metrics import BridgeMetrics
from kaiser.bridge.sorting import Sorter
from kaiser.contracts.events.telemetry import RawReadings
from kaiser.contracts.streams import TELEMETRY_RAW
from kaiser.eventlog import Event, EventLog, EventTooLarge, PublishError, now_us
from kaiser.eventlog.replay import replay
from kaiser.mqtt import Lull, QoS, Session
from kaiser.service import tracing

log = structlog.get_logger(__name__)

LONGEST_PAUSE_S: Final = 5.0
FIRST_PAUSE_S: Final = 0.1

PATIENT: Final = ("/system/heartbeat", "/system/heartbeat/ack")
"""The second is our own answer, which the broker sends to this session as to everybody."""
HEARTBEATS: Final = Lull(lambda message: message.topic.endswith(PATIENT), 0.1)
"""Heartbeats are answered elsewhere, at once; their events may wait for those of other devices. Of 10,000 devices that
is sixteen at a time instead of one, which saves every process between here and the table its wake-ups."""

_decode = msgspec.json.Decoder(RawReadings).decode


class Uplink:
    """Carries what one MQTT session hands over into the log.

    Args:
        session: The session; its receive maximum is the back-pressure.
        event_log: Where the events go.
        sorter: Says what each message becomes.
        metrics: Where to count.

    Attributes:
        holding_back: Why PUBACKs are held back, in words; None while all is well.
    """

    def __init__(self, session: Session, event_log: EventLog, sorter: Sorter, metrics: BridgeMetrics) -> None:
        self._session = session
        self._log = event_log
        self._sorter = sorter
        self._metrics = metrics
        self.holding_back: str | None = None
        self._clearing: set[asyncio.Task[bool]] = set()

    async def run(self) -> None:
        """Carry until the session ends.

        Raises:
            TakenOver: Another bridge took the session over.
        """
        async for batch in self._session.batches(HEARTBEATS):
            started = now_us()
            events = self._sorter.sort(batch.messages, started)
            spans = _spans(events, started) if tracing.on() else ()
            await self._store(events)
            for span in spans:
                span.end()
            self._sorter.logged()
            self._session.acknowledge(batch)
            self._clear_outdated_wills()
            self._metrics.flushed(self._sorter.counted, messages=len(batch), seconds=(now_us() - started) / 1e6)

    def _clear_outdated_wills(self) -> None:
        """The device never does; without this, whoever subscribes next is told that it is offline (section 1.2)."""
        for topic in self._sorter.outdated_wills:
            task = asyncio.create_task(self._session.publish(topic, b"", qos=QoS.AT_LEAST_ONCE, retain=True))
            self._clearing.add(task)
            task.add_done_callback(self._cleared)
        self._sorter.outdated_wills.clear()

    def _cleared(self, task: "asyncio.Task[bool]") -> None:
        self._clearing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("last will not cleared", reason=str(error))

    async def _store(self, events: list[Event]) -> None:
        """Return when all events are in the log; hold back for as long as it is full or away."""
        pause = FIRST_PAUSE_S
        while events:
            try:
                await self._log.publish_all(events)
            except EventTooLarge:
                raise
            except PublishError as error:
                if self.holding_back is None:
                    log.warning("holding back PUBACKs", reason=str(error), events=len(error.events))
                self.holding_back = str(error)
                self._metrics.holding_back.set(1)
                events = list(error.events)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                break
        if self.holding_back is not None:
            log.info("the log takes events again")
            self.holding_back = None
            self._metrics.holding_back.set(0)


def _spans(events: list[Event], received_at: int) -> list[tracing.Span]:
    """Spans from the receipt of the messages to the log for those events that are recorded, which then say so.

    One an event: readings are in batches already. An answer to what a device was told follows from that; all else
    begins a trace.
    """
    spans = []
    for i, event in enumerate(events):
        name = f"bridge receive {event.type.split('.')[-2]}"
        if event.traceparent:
            span = tracing.start(name, event.traceparent, at_us=received_at)
        else:
            span = tracing.root(name, at_us=received_at)
        if span is not None:
            span.set(subject=event.subject)
            events[i] = msgspec.structs.replace(event, traceparent=span.traceparent)
            spans.append(span)
    return spans


async def recall(event_log: EventLog, sorter: Sorter, *, session: str, messages: int) -> None:
    """Read back which deliveries of a session the log holds, from the last messages of the telemetry stream.

    Args:
        event_log: The log.
        sorter: Whose memory to fill.
        session: MQTT client id.
        messages: How far to look back; the session's receive maximum bounds what the broker can deliver again.
    """
    state = (await event_log.js.stream_info(TELEMETRY_RAW.name)).state
    first = max(state.first_seq, state.last_seq - messages + 1, 1)
    async for delivery in replay(event_log, TELEMETRY_RAW.name, from_seq=first):
        batch = _decode(delivery.data)
        if batch.session == session:
            for delivered in batch.delivery:
                sorter.deliveries.remember(delivered)
