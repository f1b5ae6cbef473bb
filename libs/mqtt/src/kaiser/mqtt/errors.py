"""What can go wrong with a session, as one family."""

from mqtt5 import ConnAckReasonCode, DisconnectReasonCode, PubAckReasonCode, PubRecReasonCode, SubAckReasonCode

__all__ = (
    "BrokerLimitExceeded",
    "ConnectionLost",
    "MessageExpired",
    "MqttError",
    "NegativeAcknowledgement",
    "ProtocolError",
    "SessionClosed",
    "TakenOver",
)

REFUSED = 0x80
"""Reason codes from here on mean failure (MQTT 5, 2.4)."""

ReasonCode = ConnAckReasonCode | PubAckReasonCode | PubRecReasonCode | SubAckReasonCode


class MqttError(Exception):
    """The base of every error of this package."""


class ConnectionLost(MqttError):  # noqa: N818 - what happened, in the words of the protocol
    """The connection ended, or could not be made; the session goes on and connects again by itself."""


class ProtocolError(ConnectionLost):
    """The broker sent what MQTT 5 does not allow; the connection is dropped and made again.

    Attributes:
        reason_code: What the broker is told in the DISCONNECT packet.
    """

    def __init__(self, message: str, reason_code: DisconnectReasonCode = DisconnectReasonCode.PROTOCOL_ERROR) -> None:
        super().__init__(message)
        self.reason_code = reason_code


class NegativeAcknowledgement(ConnectionLost):
    """The broker answered a CONNECT, SUBSCRIBE or PUBLISH with a reason code of 0x80 or more.

    Attributes:
        reason_code: The reason code of the answer.
        reason: The broker's own words, where it sent any.
    """

    def __init__(self, asked: str, reason_code: ReasonCode, reason: str | None = None) -> None:
        words = reason_code.name.lower().replace("_", " ")
        super().__init__(
            f"the broker refused {asked}: {words} (0x{int(reason_code):02x}{f', {reason}' if reason else ''})"
        )
        self.reason_code = reason_code
        self.reason = reason


class BrokerLimitExceeded(MqttError):  # noqa: N818
    """A message is larger, or asks for more, than the broker said it supports; it was not sent."""


class MessageExpired(MqttError):  # noqa: N818
    """A message's expiry interval passed before it could be handed to the broker; it was not sent (again)."""


class SessionClosed(MqttError):  # noqa: N818
    """The session was closed by `disconnect()` or by leaving its context."""


class TakenOver(SessionClosed):
    """Somebody else connected with the same client id (0x8E); this session ends and does not connect again."""
