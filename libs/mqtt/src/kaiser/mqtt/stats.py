"""Counters of a session, for metrics."""

from dataclasses import dataclass

__all__ = ("Stats",)


@dataclass(slots=True)
class Stats:
    """What a session has done since it was made; all counters only grow, gauges say so."""

    bytes_received: int = 0
    bytes_sent: int = 0
    messages_received: int = 0
    """PUBLISH packets put into the queue for the consumer."""
    messages_acknowledged: int = 0
    """PUBACKs and PUBRECs written on the consumer's word."""
    acknowledgements_stale: int = 0
    """Acknowledgements not written because their connection is gone; the broker delivers those messages again."""
    duplicates_suppressed: int = 0
    """QoS 2 messages delivered again by the broker though they had been received (MQTT 5, 4.3.3)."""
    messages_dropped: int = 0
    """QoS 0 messages still in the queue when the session's context was left; nothing else is ever dropped."""
    messages_published: int = 0
    """Own messages that are done: written (QoS 0), PUBACK (1) or PUBCOMP (2)."""
    messages_resent: int = 0
    connects: int = 0
    """Connections the broker accepted; all but the first are reconnects."""
    connect_failures: int = 0
    protocol_errors: int = 0
    reading_pauses: int = 0
    """How often the socket was left unread because the consumer was behind."""
    queued_messages: int = 0
    """Gauge: messages received that the consumer has not taken."""
    queued_bytes: int = 0
    """Gauge: the bytes of those messages as they came from the socket."""
