"""The event log on NATS JetStream: streams, publishing, batch consumers, aggregates, replay."""

from kaiser.eventlog import tracecontext
from kaiser.eventlog.aggregate import Aggregate, Executed, Loaded, Repository
from kaiser.eventlog.answers import Expectation, PubAck
from kaiser.eventlog.atomic import publish_atomically
from kaiser.eventlog.connection import EventLog, connect
from kaiser.eventlog.consume import BatchConsumer, ConsumeStats, Handler
from kaiser.eventlog.deadletters import DeadLetterBox, browse, letter_of
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
    TooManyEvents,
    Unacknowledged,
    Unprocessable,
)
from kaiser.eventlog.kv import Lease, ensure_bucket
from kaiser.eventlog.lookup import Message, last_before, message_at, message_of, up_to
from kaiser.eventlog.publish import PublishStats
from kaiser.eventlog.read import OrderedReader
from kaiser.eventlog.replay import replay, replay_batches
from kaiser.eventlog.snapshots import Snapshots
from kaiser.eventlog.streams import (
    ConsumerSpec,
    changes_of_consumer,
    changes_of_stream,
    ensure_consumer,
    ensure_streams,
    keep_copies,
)

__all__ = (
    "Aggregate",
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
    "Executed",
    "Expectation",
    "Handler",
    "Lease",
    "Loaded",
    "LogFull",
    "Message",
    "OrderedReader",
    "PubAck",
    "PublishError",
    "PublishRefused",
    "PublishStats",
    "Repository",
    "Retry",
    "Snapshots",
    "TooManyEvents",
    "Unacknowledged",
    "Unprocessable",
    "browse",
    "changes_of_consumer",
    "changes_of_stream",
    "connect",
    "ensure_bucket",
    "ensure_consumer",
    "ensure_streams",
    "from_msg",
    "keep_copies",
    "last_before",
    "letter_of",
    "message_at",
    "message_of",
    "new_id",
    "now_us",
    "publish_atomically",
    "replay",
    "replay_batches",
    "tracecontext",
    "up_to",
)
