"""Subzones: orders for pins of a device, as messages, and what its answers mean (wire contract, 4.11 and 5.4). Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from kaiser.contracts import topics
from kaiser.contracts.downlink import downlink_qos, encode_downlink
from kaiser.contracts.events.device import Generation
from kaiser.contracts.events.downlink import DownlinkRequested
from kaiser.contracts.events.registry import SubzoneOrdered, SubzoneSettled, ZoneOutcome
from kaiser.contracts.topics import DownlinkKind
from kaiser.contracts.wire import SubzoneAck, SubzoneAssign, SubzoneRemove
from kaiser.ingest.zones import ANSWER_WITHIN_US, Answer

NOT_SAVED: Final = 2506
"""What ``dec`` answers to every assignment, although the pins are assigned until it is started anew (section 6.6)."""


class SubzoneState(msgspec.Struct, frozen=True):
    """An order and what came of it; None while the device has not answered."""

    order: SubzoneOrdered
    outcome: ZoneOutcome | None = None

    @property
    def open(self) -> bool:
        """Whether the device is still to answer."""
        return self.outcome in (None, "unanswered")

    def settles(self, correlation_id: str, outcome: ZoneOutcome) -> bool:
        """Whether an outcome is news: a late answer counts, a second one does not."""
        return self.order.correlation_id == correlation_id and self.open and outcome != self.outcome


def after(known: Mapping[str, SubzoneState], event: SubzoneOrdered | SubzoneSettled) -> dict[str, SubzoneState]:
    """Subzones after an event; a dissolved one is forgotten once the device has confirmed it."""
    subzones = dict(known)
    if isinstance(event, SubzoneOrdered):
        subzones[event.subzone_id] = SubzoneState(event)
    elif (found := subzones.get(event.subzone_id)) is not None:
        if event.outcome == "confirmed" and not found.order.gpios:
            del subzones[event.subzone_id]
        else:
            subzones[event.subzone_id] = SubzoneState(found.order, event.outcome)
    return subzones


def moved(known: Mapping[str, SubzoneState], zone_id: str) -> dict[str, SubzoneState]:
    """Subzones after the device went into a zone: told anew, for they are left with the wrong parent (section 5.3).

    Without a zone there are none: the device has dropped them.
    """
    if not zone_id:
        return {}
    return {
        name: subzone
        if subzone.order.zone_id == zone_id
        else SubzoneState(msgspec.structs.replace(subzone.order, zone_id=zone_id))
        for name, subzone in known.items()
    }


def reopened(known: Mapping[str, SubzoneState]) -> dict[str, SubzoneState]:
    """Subzones of a device that has forgotten them."""
    return {name: SubzoneState(subzone.order) for name, subzone in known.items()}


def same(one: SubzoneOrdered, other: SubzoneOrdered) -> bool:
    """Whether two orders want the same."""
    return (one.subzone_name, one.zone_id, one.gpios) == (other.subzone_name, other.zone_id, other.gpios)


def downlink(order: SubzoneOrdered, kaiser_id: str, generation: Generation, now_us: int) -> DownlinkRequested:
    """The message that tells a device. It never asks for safe mode, which would drop running outputs.

    Raises:
        DownlinkForbiddenError: The device would misread it.
    """
    message: SubzoneAssign | SubzoneRemove
    if order.gpios:
        kind = DownlinkKind.SUBZONE_ASSIGN
        message = SubzoneAssign(
            subzone_id=order.subzone_id,
            subzone_name=order.subzone_name,
            parent_zone_id=order.zone_id,
            assigned_gpios=order.gpios,
            safe_mode_active=False,
            timestamp=now_us // 1_000_000,
            correlation_id=order.correlation_id,
        )
    else:
        kind = DownlinkKind.SUBZONE_REMOVE
        message = SubzoneRemove(subzone_id=order.subzone_id, correlation_id=order.correlation_id)
    topic = topics.downlink(kind, kaiser_id, order.esp_id)
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


def answer(order: SubzoneOrdered, ack: SubzoneAck, generation: Generation) -> Answer | None:
    """What an acknowledgement means for an order; None if it is about another one."""
    if ack.subzone_id and ack.subzone_id != order.subzone_id:
        return None
    if ack.correlation_id and ack.correlation_id != order.correlation_id:
        return None
    if ack.status == "error":
        if generation == "dec" and ack.error_code in (NOT_SAVED, str(NOT_SAVED)) and order.gpios:
            return Answer("confirmed", "until the device is started anew: it cannot save subzones")
        if not order.gpios and ack.reason_code == "SUBZONE_NOT_FOUND":
            return Answer("confirmed", "the device did not have it")
        return Answer("refused", ack.message or ack.reason_code or str(ack.error_code or "the device gave no reason"))
    if (ack.status == "subzone_assigned") == bool(order.gpios):
        return Answer("confirmed", "")
    return None
