"""What the emergency path says to devices, and how (wire contract, section 5.5). Pure.

Never retained: a retained stop would stop a device again at each reconnect.
"""

import re
from typing import Final, NamedTuple

import msgspec

from kaiser.contracts import topics
from kaiser.contracts.downlink import downlink_qos, encode_downlink
from kaiser.contracts.events.device import Generation
from kaiser.contracts.topics import DownlinkKind
from kaiser.contracts.wire import ActuatorCommand, BroadcastEmergency, DeviceEmergency

ISSUED_BY: Final = "kaiser"
LONGEST_REASON: Final = 40
"""Characters: with a token of 64 the message to a device still fits its pool of 256 bytes."""

_SAFE = re.compile(r"[A-Za-z0-9_.:-]+")


class Broadcast(msgspec.Struct, frozen=True):
    """Everything of the site.

    Attributes:
        emergency_id: The stop that wants it.
    """

    emergency_id: str


class DeviceStop(msgspec.Struct, frozen=True):
    """Everything of one ``head`` device, which obeys it even before it is registered, when it refuses commands.

    Attributes:
        why: What it follows from; a correlation id.
    """

    kaiser_id: str
    esp_id: str
    why: str


class Off(msgspec.Struct, frozen=True):
    """One actuator.

    Attributes:
        why: What it follows from; a correlation id.
    """

    kaiser_id: str
    esp_id: str
    gpio: int
    generation: Generation
    why: str


Order = Broadcast | DeviceStop | Off


class Message(NamedTuple):
    """A message to publish, never retained."""

    topic: str
    payload: bytes
    qos: int


def message(order: Order, *, broadcast_token: str | None = None) -> Message:
    """The message that an order is.

    Args:
        order: What is to be said.
        broadcast_token: What production builds of ``head`` want in the broadcast; others ignore it.

    Raises:
        DownlinkForbiddenError: A device would misread it, such as one for a pin that the firmware gives to nobody.
        TopicError: It has no topic in the contract.
    """
    match order:
        case Broadcast():
            stop_all = BroadcastEmergency(auth_token=broadcast_token or msgspec.UNSET)
            payload = encode_downlink(topics.BROADCAST_EMERGENCY, stop_all)
            return Message(topics.BROADCAST_EMERGENCY, payload, downlink_qos(DownlinkKind.BROADCAST_EMERGENCY))
        case DeviceStop():
            kind = DownlinkKind.DEVICE_EMERGENCY
            topic = topics.downlink(kind, order.kaiser_id, order.esp_id)
            stop = DeviceEmergency(command="emergency_stop", correlation_id=label(order.why))
            return Message(topic, encode_downlink(topic, stop, generation="head"), downlink_qos(kind))
        case Off():
            kind = DownlinkKind.ACTUATOR_COMMAND
            topic = topics.downlink(kind, order.kaiser_id, order.esp_id, order.gpio)
            off = ActuatorCommand(command="OFF", value=0.0)
            if order.generation == "head":
                off = msgspec.structs.replace(off, correlation_id=label(order.why), issued_by=ISSUED_BY)
            return Message(topic, encode_downlink(topic, off, generation=order.generation), downlink_qos(kind))


def label(why: str) -> str:
    """A correlation id that no device trips over, whatever the stop is called."""
    text = why[:LONGEST_REASON]
    return text if _SAFE.fullmatch(text) else "emergency"
