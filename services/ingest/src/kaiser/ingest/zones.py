"""Zone assignments as messages to devices, and what their answers mean (wire contract, 4.10 and 5.3). Pure."""

from typing import Final, NamedTuple

from kaiser.contracts import topics
from kaiser.contracts.downlink import downlink_qos, encode_downlink
from kaiser.contracts.events.device import Generation
from kaiser.contracts.events.downlink import DownlinkRequested
from kaiser.contracts.events.registry import ZoneOrdered, ZoneOutcome
from kaiser.contracts.topics import DownlinkKind
from kaiser.contracts.wire import ZoneAck, ZoneAssign

FALLBACK_KAISER_ID: Final = "god"
"""Where a ``dec`` device without a kaiser id listens for its first assignment."""
ANSWER_WITHIN_US: Final = 25_000_000
"""A message that the device could not be given by then is not given any more; another one follows."""
PAUSES_S: Final = (30.0, 60.0, 120.0, 240.0)
"""Between one try and the next; after the last, the order stays unanswered until the device connects anew."""


class Answer(NamedTuple):
    """What a device's word means for an order."""

    outcome: ZoneOutcome
    detail: str


def downlink(order: ZoneOrdered, kaiser_id: str, generation: Generation, now_us: int) -> DownlinkRequested:
    """The message that tells a device.

    Args:
        order: What it is to be told.
        kaiser_id: Kaiser id that it talks under now.
        generation: Its firmware.
        now_us: Unix microseconds.

    Raises:
        DownlinkForbiddenError: The device would misread it.
    """
    kind = DownlinkKind.ZONE_ASSIGN
    topic = topics.downlink(kind, kaiser_id or FALLBACK_KAISER_ID, order.esp_id)
    message = ZoneAssign(
        zone_id=order.zone_id,
        master_zone_id=order.master_zone_id,
        zone_name=order.zone_name,
        kaiser_id=order.into_kaiser_id,
        timestamp=now_us // 1_000_000,
    )
    return DownlinkRequested(
        kaiser_id=kaiser_id,
        esp_id=order.esp_id,
        topic=topic,
        payload=encode_downlink(topic, message, generation=generation).decode(),
        qos=downlink_qos(kind),
        generation=generation,
        expires_at=now_us + ANSWER_WITHIN_US,
        correlation_id=order.correlation_id,
    )


def answer(order: ZoneOrdered, ack: ZoneAck) -> Answer | None:
    """What an acknowledgement means for an order; None if it is about another one.

    ``dec`` and most ``head`` answers have no correlation id, so the zone has to tell.
    """
    if ack.status == "error":
        return Answer("refused", ack.message or ack.reason_code or "the device gave no reason")
    if ack.status == "zone_assigned" and ack.zone_id == order.zone_id != "":
        return Answer("confirmed", "")
    if ack.status == "zone_removed" and not order.zone_id:
        return Answer("confirmed", "")
    return None


def same(one: ZoneOrdered, other: ZoneOrdered) -> bool:
    """Whether two orders want the same."""
    return (one.zone_id, one.zone_name, one.master_zone_id, one.into_kaiser_id, one.zone_master) == (
        other.zone_id, other.zone_name, other.master_zone_id, other.into_kaiser_id, other.zone_master,
    )  # fmt: skip
