"""Reads the log for the live stream: finished readings, heartbeats, what devices say, what safety and logic decide."""

import math
from typing import Any, Final

import msgspec
import structlog

from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.streams import ACTUATORS, DEVICES, HEARTBEATS, LOGIC, SAFETY
from kaiser.contracts.streams import TELEMETRY as TELEMETRY_STREAM
from kaiser.eventlog import Delivery, EventLog, OrderedReader, now_us
from kaiser.gateway.damping import Damper
from kaiser.gateway.events import SENSOR_DATA, Envelope, encode
from kaiser.gateway.hub import TELEMETRY, Hub
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.gateway.rulenames import RuleNames
from kaiser.gateway.showing import PRESENCE, SHOWN, show
from kaiser.service.health import Finding, State

log = structlog.get_logger(__name__)

SILENT_S: Final = 3.5
"""Three heartbeats of the server that did not come."""

OTHERS: Final = (HEARTBEATS, DEVICES, ACTUATORS, SAFETY, LOGIC)

_decode_readings = msgspec.json.Decoder(Readings).decode


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
        self._damper = Damper()

    def finding(self) -> Finding:
        """Whether every stream is read: the server says something each second, even where nothing is published."""
        waiting = [stream for stream, reader in self._readers.items() if reader.silent_s == math.inf]
        if waiting:
            return Finding(State.STARTING, f"waiting for {', '.join(sorted(waiting))}")
        silent_s = max((reader.silent_s for reader in self._readers.values()), default=math.inf)
        if silent_s > SILENT_S:
            return Finding(State.FAILING, f"NATS has said nothing for {silent_s:.0f} s; the live stream stands still")
        return Finding(State.OK)

    async def telemetry(self) -> None:
        """Read finished readings from now on."""
        async with self._reader(TELEMETRY_STREAM.name) as reader:
            while True:
                for delivery in await reader.take():
                    self._readings(delivery)

    async def events(self, stream: str) -> None:
        """Read another stream from now on."""
        async with self._reader(stream) as reader:
            while True:
                for delivery in await reader.take():
                    self._said(delivery)

    def _reader(self, stream: str) -> OrderedReader:
        reader = self._readers[stream] = OrderedReader(self._log, stream)
        return reader

    def spawnable(self) -> dict[str, Any]:
        """Every reader by name, as coroutines."""
        others = {spec.name.lower(): self.events(spec.name) for spec in OTHERS}
        return {TELEMETRY.lower(): self.telemetry(), **others}

    def _readings(self, delivery: Delivery) -> None:
        try:
            if not self._hub.wanted(SENSOR_DATA):
                self._metrics.readings.inc(len(_decode_count(delivery.data).received_at))
                return
            batch = _decode_readings(delivery.data)
        except msgspec.MsgspecError as error:
            log.error("batch of readings not understood", seq=delivery.seq, reason=str(error))
            return
        self._metrics.readings.inc(len(batch))
        if len(batch):
            self._hub.readings(batch, delivery.seq)
            self._metrics.received_to_pushed.observe((now_us() - min(batch.received_at)) / 1e6)

    def _said(self, delivery: Delivery) -> None:
        self._names.take(delivery)
        shown = SHOWN.get(delivery.type)
        if shown is None or not self._hub.wanted(shown.name):
            return
        try:
            news = show(delivery.type, delivery.data)
        except msgspec.MsgspecError as error:
            log.error("event not understood", subject=delivery.subject, seq=delivery.seq, reason=str(error))
            return
        if news is None:
            return
        esp_id, rule_id, at, fields, urgent = news
        if rule_id:
            fields |= {"rule_name": self._names.of(rule_id)}
        if delivery.type in PRESENCE:
            verdict = self._damper.change(esp_id, at)
            if verdict == "hide":
                return
            if verdict == "flapping":
                fields |= {"status": "flapping", "reason": "it was lost and came back again and again"}
        encoded = encode(Envelope(shown.name, delivery.seq, at, fields))
        stream = delivery.stream
        self._hub.event(shown.name, esp_id, encoded, seq=delivery.seq, stream=stream, urgent=urgent, rule_id=rule_id)
