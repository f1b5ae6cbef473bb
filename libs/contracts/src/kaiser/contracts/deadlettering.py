"""Requests to whoever refused a message: over NATS on ``command.{service}.{name}``. Times are unix microseconds."""

import msgspec


class ReplayMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Take a message of a device as though the broker had just handed it over. ``command.bridge.replay``.

    Answered with ``MessageReplayed``, or with what is wrong with the message. Asked again with the same ``replay_id``
    and message, it is stored once.

    Attributes:
        replay_id: This try.
        topic: MQTT topic.
        payload: The bytes; base64 in JSON.
        received_at: When the message came first, which is when its event says that it was received.
        ordered_at: When this try was ordered.
    """

    replay_id: str
    topic: str
    payload: bytes
    received_at: int
    ordered_at: int


class MessageReplayed(msgspec.Struct, frozen=True, kw_only=True):
    """A message is in the log.

    Attributes:
        event_ids: Of the events that it became.
    """

    event_ids: tuple[str, ...]
