"""A message as JetStream delivered it, parsed no further than its handler asks."""

from collections.abc import Mapping

from kaiser.eventlog.envelope import Event, decode_headers, from_msg
from kaiser.eventlog.tracecontext import HEADER_BYTES, sampled, valid

_SHORT_ACK_TOKENS = 9
"""``$JS.ACK.stream.consumer.delivered.sseq.cseq.tm.pending``; the longer form has domain and account before stream."""


class Delivery:
    """A message of a stream on its way through a consumer.

    Attributes:
        subject: Subject it was published to.
        data: Its body.
        reply: Where it is acknowledged.
        raw_headers: The header block as it came.
        stream: Stream it is in.
        consumer: Consumer it came through.
        seq: Sequence in the stream.
        consumer_seq: Sequence of this delivery in the consumer, without gaps.
        deliveries: How often it was delivered, this time included.
        stored_at: When the stream stored it, unix microseconds.
        pending: Messages of the consumer behind this one (the lag).
    """

    __slots__ = (
        "_headers",
        "consumer",
        "consumer_seq",
        "data",
        "deliveries",
        "pending",
        "raw_headers",
        "reply",
        "seq",
        "stored_at",
        "stream",
        "subject",
    )

    def __init__(self, subject: str, data: bytes, reply: str, raw_headers: bytes) -> None:
        self.subject = subject
        self.data = data
        self.reply = reply
        self.raw_headers = raw_headers
        self._headers: dict[str, str] | None = None
        tokens = reply.split(".")
        at = 2 if len(tokens) == _SHORT_ACK_TOKENS else 4
        self.stream = tokens[at]
        self.consumer = tokens[at + 1]
        self.deliveries = int(tokens[at + 2])
        self.seq = int(tokens[at + 3])
        self.consumer_seq = int(tokens[at + 4])
        self.stored_at = int(tokens[at + 5]) // 1000
        self.pending = int(tokens[at + 6])

    def __repr__(self) -> str:
        return f"<Delivery {self.stream}#{self.seq} {self.subject} {len(self.data)} bytes>"

    def adopt(self, headers: Mapping[str, str]) -> None:
        """Take headers that somebody else has decoded."""
        self._headers = dict(headers)

    @property
    def size(self) -> int:
        """Bytes of body and headers."""
        return len(self.data) + len(self.raw_headers)

    @property
    def headers(self) -> Mapping[str, str]:
        """All headers; decoded at the first use."""
        if self._headers is None:
            self._headers = decode_headers(self.raw_headers)
        return self._headers

    @property
    def type(self) -> str:
        """The event's type with version; empty for what is no event."""
        return self.headers.get("ce-type", "")

    @property
    def id(self) -> str:
        """The event's id; empty for what is no event."""
        return self.headers.get("ce-id", "")

    @property
    def traceparent(self) -> str:
        """W3C trace context; empty for none."""
        return self.headers.get("traceparent", "")

    @property
    def sampled(self) -> str:
        """The same where it is recorded, else empty; costs no decoding where there is none."""
        if HEADER_BYTES not in self.raw_headers:
            return ""
        traceparent = valid(self.traceparent)
        return traceparent if sampled(traceparent) else ""

    @property
    def event(self) -> Event:
        """The event that the message carries."""
        return from_msg(self)
