"""What can go wrong with the event log, as one family."""

from kaiser.eventlog.envelope import Event

__all__ = (
    "ConcurrencyConflict",
    "ConnectionClosed",
    "DefinitionConflict",
    "EventLogError",
    "EventTooLarge",
    "LogFull",
    "PublishError",
    "PublishRefused",
    "Retry",
    "TooManyEvents",
    "Unacknowledged",
    "Unprocessable",
)


class EventLogError(Exception):
    """The base of every error of this package."""


class Retry(EventLogError):  # noqa: N818
    """Raised by a handler: something that it needs is away for now, and the messages are not to blame.

    The batch is kept and handed over again, after a growing delay, for as long as it takes.
    """


class ConnectionClosed(EventLogError):  # noqa: N818 - what happened, in the words of the protocol
    """The connection to NATS was closed by us; it does not come back."""


class TooManyEvents(EventLogError):  # noqa: N818
    """More events would have to be read than whoever asked is willing to.

    Attributes:
        stream: Where they are.
        most: How many would have been read.
    """

    def __init__(self, stream: str, most: int) -> None:
        super().__init__(f"there are more than {most} events of it in {stream}")
        self.stream = stream
        self.most = most


class DefinitionConflict(EventLogError):  # noqa: N818
    """A stream or consumer exists with a setting that cannot be changed any more, or that belongs to another."""


class EventTooLarge(EventLogError):  # noqa: N818
    """An event is larger than the server or its stream takes; nothing of the call was sent.

    Attributes:
        event: The event.
    """

    def __init__(self, event: Event, size: int, limit: int) -> None:
        super().__init__(f"event {event.id} on {event.subject} has {size} bytes, the server takes {limit}")
        self.event = event


class PublishError(EventLogError):
    """Some events of a call were not stored.

    Attributes:
        events: The events that were not stored; the others of the call were. Publishing them again is safe.
    """

    def __init__(self, message: str, events: list[Event]) -> None:
        super().__init__(message)
        self.events = events


class LogFull(PublishError, Retry):  # noqa: N818
    """The stream is at its limit or the server's disk is full: hold back, and publish again later.

    Raised by a handler that publishes, it makes the batch wait like any :class:`Retry`.
    """


class ConcurrencyConflict(PublishError):  # noqa: N818
    """Somebody else wrote first: the last sequence is not the expected one. Load again and decide again."""


class PublishRefused(PublishError):  # noqa: N818
    """The server refuses the event for good, with its own words; publishing it again will not help."""


class Unacknowledged(PublishError, Retry):  # noqa: N818
    """No acknowledgement came within the time that the caller gave; the events may or may not be stored."""


class Unprocessable(EventLogError):  # noqa: N818
    """Raised by a handler: this message can never be used; it goes to the dead letters without another try.

    Attributes:
        code: Stable code of :mod:`kaiser.contracts.codes`.
        where: Path of the field or part, empty for the whole.
    """

    def __init__(self, code: str, detail: str, where: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.where = where
