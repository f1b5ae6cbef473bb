"""The event log on NATS JetStream: streams, publishing, batch consumers, aggregates, replay."""

from kaiser.eventlog.connection import EventLog, connect
from kaiser.eventlog.consume import BatchConsumer, ConsumeStats, Handler
from kaiser.eventlog.deadletters import DeadLetterBox, letter_of
from kaiser.eventlog.delivery import Delivery
from kaiser.eventlog.envelope import Event, from_msg, new_id, now_us
from kaiser.eventlog.errors import (
    ConcurrencyConflict,
    ConnectionClosed,
    DefinitionConflict,
    EventLogError,
    EventTooLarge,
    LogFull,
    PublishError,
    PublishRefused,
    Retry,
    Unacknowledged,
    Unprocessable,
)
from kaiser.eventlog.publish import Expectation, PubAck, PublishStats
from kaiser.eventlog.streams import ConsumerSpec, ensure_consumer, ensure_streams

__all__ = (
    "BatchConsumer",
    "ConcurrencyConflict",
    "ConnectionClosed",
    "ConsumeStats",
    "ConsumerSpec",
    "DeadLetterBox",
    "DefinitionConflict",
    "Delivery",
    "Event",
    "EventLog",
    "EventLogError",
    "EventTooLarge",
    "Expectation",
    "Handler",
    "LogFull",
    "PubAck",
    "PublishError",
    "PublishRefused",
    "PublishStats",
    "Retry",
    "Unacknowledged",
    "Unprocessable",
    "connect",
    "ensure_consumer",
    "ensure_streams",
    "from_msg",
    "letter_of",
    "new_id",
    "now_us",
)
