"""An MQTT 5 session with manual acknowledgement over the mqtt5 codec."""

from mqtt5 import QoS, RetainHandling, TopicFilter, Will

from kaiser.mqtt.changes import Change, Connected, Disconnected
from kaiser.mqtt.errors import (
    BrokerLimitExceeded,
    ConnectionLost,
    MessageExpired,
    MqttError,
    NegativeAcknowledgement,
    ProtocolError,
    SessionClosed,
    TakenOver,
)
from kaiser.mqtt.inbox import Batch, Lull, Message
from kaiser.mqtt.session import Session
from kaiser.mqtt.settings import tls_context, topic_filter
from kaiser.mqtt.stats import Stats

__all__ = (
    "Batch",
    "BrokerLimitExceeded",
    "Change",
    "Connected",
    "ConnectionLost",
    "Disconnected",
    "Lull",
    "Message",
    "MessageExpired",
    "MqttError",
    "NegativeAcknowledgement",
    "ProtocolError",
    "QoS",
    "RetainHandling",
    "Session",
    "SessionClosed",
    "Stats",
    "TakenOver",
    "TopicFilter",
    "Will",
    "tls_context",
    "topic_filter",
)
