"""What goes to devices: encoded, checked, and with the QoS and retain flag of the contract (section 5).

A message that a device would misread is never produced: :func:`encode_downlink` raises, and :func:`check_downlink`
says the same of bytes that come from elsewhere.
"""

import json
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.topics import DownlinkKind, DownlinkTopic, TopicError, UplinkTopic, classify
from kaiser.contracts.wire import DOWNLINK_MESSAGES
from kaiser.contracts.wire.sendable import commands, configs, emergencies, presence, zones
from kaiser.contracts.wire.sendable.draft import Draft, ForbiddenError

__all__ = (
    "HEAD_PACKET",
    "WROOM_PACKET",
    "XIAO_PACKET",
    "DownlinkForbiddenError",
    "Target",
    "check_downlink",
    "downlink_qos",
    "downlink_retained",
    "encode_downlink",
)

Target = Literal["dec", "head", "both", "any"]
"""For whom a message is; ``both`` and ``any`` must satisfy either generation, where either listens."""

WROOM_PACKET: Final = 2048
XIAO_PACKET: Final = 1024
HEAD_PACKET: Final = 8192
"""Bytes of an MQTT packet that a device takes; larger ones vanish without a word (section 1.2)."""

_PACKET_OVERHEAD: Final = 10
_HEAD_TOPIC: Final = 128

_QOS: Final[dict[DownlinkKind, Literal[1, 2]]] = {
    DownlinkKind.SENSOR_COMMAND: 2,
    DownlinkKind.ACTUATOR_COMMAND: 2,
    DownlinkKind.DEVICE_EMERGENCY: 1,
    DownlinkKind.BROADCAST_EMERGENCY: 2,
    DownlinkKind.CONFIG: 2,
    DownlinkKind.SYSTEM_COMMAND: 2,
    DownlinkKind.HEARTBEAT_ACK: 1,
    DownlinkKind.ZONE_ASSIGN: 1,
    DownlinkKind.SUBZONE_ASSIGN: 1,
    DownlinkKind.SUBZONE_REMOVE: 1,
    DownlinkKind.SUBZONE_SAFE: 1,
    DownlinkKind.SERVER_STATUS: 1,
}

_RULES: Final[dict[DownlinkKind, Callable[[Draft], None]]] = {
    DownlinkKind.SENSOR_COMMAND: commands.sensor_command,
    DownlinkKind.ACTUATOR_COMMAND: commands.actuator_command,
    DownlinkKind.DEVICE_EMERGENCY: emergencies.device,
    DownlinkKind.BROADCAST_EMERGENCY: emergencies.broadcast,
    DownlinkKind.CONFIG: configs.config,
    DownlinkKind.SYSTEM_COMMAND: commands.system_command,
    DownlinkKind.HEARTBEAT_ACK: presence.heartbeat_ack,
    DownlinkKind.ZONE_ASSIGN: zones.zone_assign,
    DownlinkKind.SUBZONE_ASSIGN: zones.subzone_assign,
    DownlinkKind.SUBZONE_REMOVE: zones.subzone_remove,
    DownlinkKind.SUBZONE_SAFE: zones.subzone_safe,
    DownlinkKind.SERVER_STATUS: presence.server_status,
}

_HEAD_ONLY: Final = frozenset(
    {
        DownlinkKind.SENSOR_COMMAND,
        DownlinkKind.DEVICE_EMERGENCY,
        DownlinkKind.HEARTBEAT_ACK,
        DownlinkKind.SUBZONE_SAFE,
    }
)
"""Where ``dec`` does not listen: a message for either generation is then one for ``head``."""

_EXPIRING: Final = ("created_at_ms", "ttl_ms")


class DownlinkForbiddenError(ValueError):
    """A message that is never sent.

    Attributes:
        code: ``DOWNLINK_FORBIDDEN``.
        reason: What a device would do with it.
    """

    code = Code.DOWNLINK_FORBIDDEN

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(f"{topic}: {reason}")
        self.reason = reason


def downlink_qos(kind: DownlinkKind) -> Literal[1, 2]:
    """QoS to publish with. Raises KeyError for ``sensor_processed``, which is never sent."""
    return _QOS[kind]


def downlink_retained(kind: DownlinkKind) -> bool:
    """Whether to publish it retained: the server status, and nothing else ever."""
    return kind is DownlinkKind.SERVER_STATUS


def encode_downlink(
    topic: str, message: msgspec.Struct, *, generation: Target = "both", packet_limit: int | None = None
) -> bytes:
    """The payload for a device, in ASCII.

    Args:
        topic: One of Kaiser's own topics.
        message: A downlink struct of :mod:`kaiser.contracts.wire`, of the kind that the topic says.
        generation: Who is to read it.
        packet_limit: Bytes that the device takes; by default the limit of its generation on an ESP32-WROOM.

    Raises:
        DownlinkForbiddenError: A device would misread it, or the topic is not of its kind.
    """
    found = classify(topic)
    if not isinstance(found, DownlinkTopic) or not isinstance(message, DOWNLINK_MESSAGES.get(found.kind, ())):
        raise DownlinkForbiddenError(topic, f"{type(message).__name__} is not sent there")
    payload = msgspec.json.encode(message)
    if not payload.isascii():
        payload = json.dumps(json.loads(payload), separators=(",", ":")).encode()
    qos, retain = downlink_qos(found.kind), downlink_retained(found.kind)
    reason = check_downlink(topic, payload, qos, retain, generation, packet_limit=packet_limit)
    if reason is not None:
        raise DownlinkForbiddenError(topic, reason)
    return payload


def check_downlink(
    topic: str, payload: bytes, qos: int, retain: bool, generation: Target, *, packet_limit: int | None = None
) -> str | None:
    """Why a message must not be sent; None if it may.

    An empty retained payload on a *device's* topic may be sent: it clears what the broker keeps there, such as a last
    will after the device came back.
    """
    found = classify(topic)
    if isinstance(found, TopicError):
        return f"{found.where} of the topic: {found.detail}"
    if isinstance(found, UplinkTopic):
        return None if not payload and retain else "the topic belongs to the device"
    rule = _RULES.get(found.kind)
    if rule is None:
        return "no firmware listens there"
    try:
        _check_envelope(found, qos, retain)
        dec = generation != "head" and (generation == "dec" or found.kind not in _HEAD_ONLY)
        head = generation != "dec"
        _check_size(topic, payload, packet_limit or (WROOM_PACKET if dec else HEAD_PACKET), head=head)
        body = _read(payload)
        _check_everywhere(body)
        rule(Draft(found, body, payload, dec=dec, head=head))
    except ForbiddenError as error:
        return str(error)
    return None


def _check_envelope(topic: DownlinkTopic, qos: int, retain: bool) -> None:
    if retain != downlink_retained(topic.kind):
        if retain:
            raise ForbiddenError("retained: the device would get it again at every reconnect")
        raise ForbiddenError("not retained: a device that connects later would not learn that the server is there")
    allowed = (1, 2) if topic.kind is DownlinkKind.BROADCAST_EMERGENCY else (_QOS[topic.kind],)
    if qos not in allowed:
        raise ForbiddenError(f"QoS {qos}, the contract says {' or '.join(map(str, allowed))}")


def _check_size(topic: str, payload: bytes, limit: int, *, head: bool) -> None:
    size = len(topic) + len(payload) + _PACKET_OVERHEAD
    if size >= limit:
        raise ForbiddenError(f"the packet has {size} bytes, the device drops {limit} and more without a word")
    if head and len(topic) >= _HEAD_TOPIC:
        raise ForbiddenError(f"the topic has {len(topic)} characters, head cuts off at {_HEAD_TOPIC}")


def _read(payload: bytes) -> dict[str, Any]:  # the object as any JSON reader sees it
    if not payload.isascii():
        raise ForbiddenError("not ASCII: devices get ASCII only, with everything else escaped")
    try:
        body = msgspec.json.decode(payload)
        json.loads(payload, object_pairs_hook=_unique)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        if isinstance(error, ForbiddenError):
            raise
        raise ForbiddenError(f"not JSON: {error}") from error
    if not isinstance(body, dict):
        raise ForbiddenError("not a JSON object")
    return body


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) < len(pairs):
        raise ForbiddenError("a field occurs twice: devices read the first, others the last")
    return body


def _check_everywhere(value: Any, name: str = "") -> None:  # any JSON value
    if value is None:
        raise ForbiddenError(f"{name or 'the message'} is null: a device reads the text null")
    if isinstance(value, dict):
        for key, item in value.items():
            if key in _EXPIRING:
                raise ForbiddenError(f"{key}: head compares it with its uptime and finds the message expired")
            _check_everywhere(item, key)
    elif isinstance(value, list):
        for item in value:
            _check_everywhere(item, name)
