"""What a message of the broker is: the one function through which everything that devices say comes in.

An ordinary reading is decoded, checked and returned in about 2 µs; whatever is not ordinary goes the long way, which
mends, replaces or refuses, and says so.
"""

from typing import Final

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.topics import TopicError, UplinkKind, UplinkTopic, classify
from kaiser.contracts.wire import (
    EmergencyAck,
    Heartbeat,
    HeartbeatMetrics,
    IntentOutcome,
    IntentStage,
    LastWill,
    OnewireScanResult,
    QueuePressure,
    RecoveryConfirm,
    SensorData,
    SensorResponse,
    SessionAnnounce,
    SystemError,  # noqa: A004 - the contract's word
)
from kaiser.contracts.wire import plausibility as plausible
from kaiser.contracts.wire.refusal import RefusedError
from kaiser.contracts.wire.settling import settle

__all__ = ("Accepted", "Ignored", "Outcome", "Refused", "decode_uplink", "looks_like_head")


class Accepted(msgspec.Struct, frozen=True):
    """A device's message that becomes its event.

    Attributes:
        topic: Whose, and what.
        message: The message in canonical form, a struct of :mod:`kaiser.contracts.wire`.
        flags: What could not be trusted and was replaced; empty for almost every message.
    """

    topic: UplinkTopic
    message: msgspec.Struct
    flags: tuple[str, ...] = ()

    @property
    def kind(self) -> UplinkKind:
        """What is said."""
        return self.topic.kind


class Ignored(msgspec.Struct, frozen=True):
    """Nothing new: neither an event nor a dead letter, but counted.

    Attributes:
        reason: Why.
    """

    reason: str


class Refused(msgspec.Struct, frozen=True):
    """A message that goes to the dead letters.

    Attributes:
        code: Stable code.
        detail: What was wrong, in words.
        where: Path of the field, level of the topic, or empty for the whole.
    """

    code: Code
    detail: str
    where: str = ""


Outcome = Accepted | Ignored | Refused

RETAINED: Final = Ignored("a retained copy is never news")
CLEARED: Final = Ignored("an empty payload clears a retained message")
OWN: Final = Ignored("Kaiser's own message to a device, come back")

_FIELDS_DEC: Final = 11
_FIELDS_HEAD: Final = 13
"""Fields of a reading, addresses apart; other numbers get a second look."""

_ORDINARY_SIZE: Final = 1024
_decode_reading = msgspec.json.Decoder(SensorData).decode

_HEAD_ONLY: Final = (
    SessionAnnounce,
    HeartbeatMetrics,
    SystemError,
    IntentOutcome,
    IntentStage,
    QueuePressure,
    SensorResponse,
    EmergencyAck,
    RecoveryConfirm,
    OnewireScanResult,
)


def decode_uplink(topic: str, payload: bytes, *, retained: bool = False) -> Outcome:
    """Judge one message of the broker. Raises nothing, whatever the bytes are.

    Args:
        topic: As the broker names it.
        payload: As it came.
        retained: Whether the broker marks it as its retained copy, delivered because somebody subscribed. ``dec``
            devices retain almost everything (wire contract, section 22), and an old "success" is not news.
    """
    if retained:
        return RETAINED
    found = classify(topic)
    if type(found) is not UplinkTopic:
        return Refused(found.code, found.detail, found.where) if isinstance(found, TopicError) else OWN
    if not payload:
        return CLEARED
    if found.kind is UplinkKind.SENSOR_DATA and (reading := _ordinary_reading(found, payload)) is not None:
        return Accepted(found, reading)
    try:
        message, flags = settle(found, payload)
    except RefusedError as error:
        return Refused(error.code, error.detail, error.where)
    return Accepted(found, message, flags)


def _ordinary_reading(topic: UplinkTopic, payload: bytes) -> SensorData | None:
    """The reading, if nothing about it needs a second look.

    The number of colons tells the number of fields: with one too many a field may occur twice, which is how a zone id
    with a quote in it would overwrite a count; with one too few a name may be an alias.
    """
    if len(payload) > _ORDINARY_SIZE or b"[" in payload:
        return None
    try:
        message = _decode_reading(payload)
        if not payload.isascii():
            payload.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    sensor = plausible.counts(message.sensor_type)
    if (
        payload.count(b":")
        == (
            _FIELDS_DEC
            if message.seq is None
            else _FIELDS_HEAD + (message.onewire_address is not None) + (message.i2c_address is not None)
        )
        and message.esp_id == topic.esp_id
        and message.gpio == topic.gpio
        and sensor is not None
        and sensor.ordinary_low <= message.raw <= sensor.ordinary_high
        and (plausible.CLOCK_FROM_S <= message.ts <= plausible.CLOCK_TO_S or message.ts == 0)
        and message.unit in plausible.UNITS
        and message.quality in plausible.QUALITIES
        and plausible.is_label(message.zone_id)
        and plausible.is_label(message.subzone_id)
    ):
        return message
    return None


def looks_like_head(message: msgspec.Struct) -> bool:
    """Whether only ``head`` firmware sends such a message (wire contract, section 6.9; there is no version field).

    False proves nothing: a ``head`` device's heartbeat apart, some of its messages look like those of ``dec``.
    """
    if getattr(message, "seq", None) is not None or isinstance(message, _HEAD_ONLY):
        return True
    if isinstance(message, Heartbeat):
        return bool(message.boot_sequence_id) or message.active_handover_epoch is not None
    return isinstance(message, LastWill) and message.esp_id is not None
