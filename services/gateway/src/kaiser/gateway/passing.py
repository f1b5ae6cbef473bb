"""A message of the log on its way to clients: understood no further than somebody asks, and then once."""

from collections.abc import Callable, Collection, Hashable
from typing import NamedTuple

import msgspec
import structlog

from kaiser.contracts.events.telemetry import Readings
from kaiser.eventlog import Delivery
from kaiser.gateway.damping import Verdict
from kaiser.gateway.events import ESP_HEALTH, Envelope, encode
from kaiser.gateway.showing import SHOWN, show

log = structlog.get_logger(__name__)

_decode_readings = msgspec.json.Decoder(Readings).decode


class Encoded(NamedTuple):
    """An event as clients get it: encoded, and what decides who gets it.

    Attributes:
        key: What a newer event has to have in common with this one to replace it; None for a part of a history.
    """

    esp_id: str
    rule_id: str
    urgent: bool
    encoded: bytes
    key: Hashable


class _Message:
    """What all messages have.

    Attributes:
        trace: ``traceparent`` of a message that is recorded on its way to those who want it live; empty for others.
    """

    __slots__ = ("_delivery", "trace")

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self.trace = ""

    @property
    def stream(self) -> str:
        """Stream that it is in."""
        return self._delivery.stream

    @property
    def seq(self) -> int:
        """Sequence in the stream."""
        return self._delivery.seq

    @property
    def size(self) -> int:
        """Bytes of the log's message."""
        return self._delivery.size

    @property
    def stored_at(self) -> int:
        """When the stream stored it, unix microseconds."""
        return self._delivery.stored_at


class Batch(_Message):
    """Finished readings that arrived together. The readings are not kept: they are ten times as large as their text."""

    __slots__ = ()

    def may_name(self, esp_ids: Collection[str]) -> bool:
        """Whether its text has one of these ids, which is found out much sooner than what it says of them."""
        return any(esp_id.encode() in self._delivery.data for esp_id in esp_ids)

    def readings(self) -> Readings | None:
        """What was read; None for nothing, or what is not understood."""
        try:
            batch = _decode_readings(self._delivery.data)
        except msgspec.MsgspecError as error:
            log.error("batch of readings not understood", seq=self.seq, reason=str(error))
            return None
        return batch if len(batch) else None


class Said(_Message):
    """Any other event that clients may see.

    Args:
        delivery: The log's message, of a type that is shown.
        name_of: Tells what a rule is called.
        verdict: What to do with a loss or a return of a device.
    """

    __slots__ = ("_name_of", "_news", "_understood", "verdict")

    def __init__(self, delivery: Delivery, name_of: Callable[[str], str], verdict: Verdict = "show") -> None:
        super().__init__(delivery)
        self.verdict = verdict
        self._name_of = name_of
        self._understood = False
        self._news: Encoded | None = None

    @property
    def name(self) -> str:
        """What clients know it by."""
        return SHOWN[self._delivery.type].name

    def news(self) -> Encoded | None:
        """The event; None for what is not shown, or not understood."""
        if not self._understood:
            self._understood = True
            self._news = self._read()
        return self._news

    def _read(self) -> Encoded | None:
        if self.verdict == "hide":
            return None
        delivery = self._delivery
        try:
            news = show(delivery.type, delivery.data)
        except msgspec.MsgspecError as error:
            log.error("event not understood", subject=delivery.subject, seq=delivery.seq, reason=str(error))
            return None
        if news is None:
            return None
        fields = news.fields
        if news.rule_id:
            fields |= {"rule_name": self._name_of(news.rule_id)}
        if self.verdict == "flapping":
            fields |= {"status": "flapping", "reason": "it was lost and came back again and again"}
        key: Hashable = None
        if self.name in {ESP_HEALTH, "esp_diagnostics"}:
            key = (self.name, news.esp_id)
        elif self.name == "actuator_status":
            key = (self.name, news.esp_id, fields.get("gpio"))
        encoded = encode(Envelope(self.name, delivery.seq, news.at, fields))
        return Encoded(news.esp_id, news.rule_id, news.urgent, encoded, key)


Passing = Batch | Said
