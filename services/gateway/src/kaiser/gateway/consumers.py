"""Reads the log for the live stream: finished readings, heartbeats, and what devices say."""

import math
from typing import Any, Final

import msgspec
import structlog

from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.streams import ACTUATORS, DEVICES, HEARTBEATS
from kaiser.contracts.streams import TELEMETRY as TELEMETRY_STREAM
from kaiser.eventlog import Delivery, EventLog, OrderedReader, now_us
from kaiser.gateway.events import ESP_HEALTH, SENSOR_DATA, Envelope, encode
from kaiser.gateway.hub import TELEMETRY, Hub
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.service.health import Finding, State

log = structlog.get_logger(__name__)

SILENT_S: Final = 3.5
"""Three heartbeats of the server that did not come."""

_decode_readings = msgspec.json.Decoder(Readings).decode


class _Count(msgspec.Struct):
    """A batch of readings of which nobody wants more than the number."""

    received_at: list[int]


_decode_count = msgspec.json.Decoder(_Count).decode


class _Said(msgspec.Struct):
    """What every event about a device says."""

    esp_id: str
    received_at: int
    message: dict[str, Any] | None = None  # a message of the wire contract, in canonical form


_decode_said = msgspec.json.Decoder(_Said).decode

NAMES: Final[dict[str, str]] = {
    "io.kaiser.heartbeat.v1": ESP_HEALTH,
    "io.kaiser.device.lost.v1": ESP_HEALTH,
    "io.kaiser.device.returned.v1": ESP_HEALTH,
    "io.kaiser.device.discovered.v1": "device_discovered",
    "io.kaiser.device.config_answered.v1": "config_response",
    "io.kaiser.device.zone_acked.v1": "zone_assignment",
    "io.kaiser.device.subzone_acked.v1": "subzone_assignment",
    "io.kaiser.device.error_reported.v1": "error_event",
    "io.kaiser.actuator.status.v1": "actuator_status",
    "io.kaiser.actuator.response.v1": "actuator_response",
    "io.kaiser.actuator.alert.v1": "actuator_alert",
}
"""Event type of the log to event name of the WebSocket; others are not sent."""

STATUS: Final[dict[str, str]] = {"io.kaiser.device.lost.v1": "offline"}


class LiveReaders:
    """One ordered reader a stream, feeding the hub.

    Args:
        event_log: The log.
        hub: Who gets the events.
        metrics: Where to count.
    """

    def __init__(self, event_log: EventLog, hub: Hub, metrics: GatewayMetrics) -> None:
        self._log = event_log
        self._hub = hub
        self._metrics = metrics
        self._readers: dict[str, OrderedReader] = {}

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

    async def devices(self, stream: str) -> None:
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
        others = {spec.name.lower(): self.devices(spec.name) for spec in (HEARTBEATS, DEVICES, ACTUATORS)}
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
        name = NAMES.get(delivery.type)
        if name is None or not self._hub.wanted(name):
            return
        try:
            said = _decode_said(delivery.data)
        except msgspec.MsgspecError as error:
            log.error("event not understood", subject=delivery.subject, seq=delivery.seq, reason=str(error))
            return
        data: dict[str, Any] = {**(said.message or {}), "esp_id": said.esp_id}  # of whatever types the message has
        if name == ESP_HEALTH:
            data["status"] = STATUS.get(delivery.type, "online")
        data["timestamp"] = said.received_at // 1_000_000
        encoded = encode(Envelope(name, delivery.seq, said.received_at, data))
        self._hub.event(name, said.esp_id, encoded, seq=delivery.seq, stream=delivery.stream)
