"""What a session tells about its connections."""

from dataclasses import dataclass

from kaiser.mqtt.errors import MqttError

__all__ = ("Change", "Connected", "Disconnected")


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker accepted a connection and granted the subscriptions."""

    connection: int
    session_present: bool
    """Whether the broker still had the session: if not, whatever it held for it is gone."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """An accepted connection ended, for good if `reason` is a `SessionClosed` (`TakenOver` is one)."""

    connection: int
    reason: MqttError


Change = Connected | Disconnected
