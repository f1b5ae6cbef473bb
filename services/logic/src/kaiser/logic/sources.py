"""What the engine is fed from: streams, subjects, and the types of their events."""

from typing import Final

import msgspec
import structlog

from kaiser.contracts.events.actuation import CommandEnded, CommandRequested
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.device import DeviceDiscovered, DeviceRestarted, DeviceReturned, DeviceSaid, DeviceSilent
from kaiser.contracts.events.logic import RULE_EVENTS, StepRefused
from kaiser.contracts.events.safeguards import AlertRaised, EmergencyReleased, EmergencyRequested
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.streams import ACTUATORS, DEVICES, HEARTBEATS, LOGIC, SAFETY, TELEMETRY
from kaiser.contracts.wire import ActuatorStatus, Heartbeat, LastWill
from kaiser.eventlog import Delivery
from kaiser.logic.ordering import Message

_log = structlog.get_logger(__name__)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A stream, and what of it the engine takes.

    Attributes:
        subjects: Filters.
        whole: Whether all of it has to be known; else the last of each subject says enough of the past.
    """

    stream: str
    subjects: tuple[str, ...]
    whole: bool = False


SOURCES: Final = (
    Source(stream=LOGIC.name, subjects=("logic.rule.>", "logic.refused.>"), whole=True),
    Source(stream=SAFETY.name, subjects=("safety.emergency.>", "safety.alert.>"), whole=True),
    Source(
        stream=DEVICES.name,
        subjects=tuple(f"device.*.*.{event}" for event in ("discovered", "returned", "lost", "silent", "restarted")),
    ),
    Source(stream=HEARTBEATS.name, subjects=("heartbeat.>",)),
    Source(
        stream=ACTUATORS.name,
        subjects=("actuator.*.*.*.status", "actuator.*.*.*.command.requested", "actuator.*.*.*.command.ended"),
    ),
    Source(stream=TELEMETRY.name, subjects=("telemetry.reading.>",)),
)
"""Its own decisions are not among them: the engine reads back only what it was refused."""

_said = {SAID[message].name: DeviceSaid[message] for message in (Heartbeat, LastWill, ActuatorStatus)}  # type: ignore[valid-type]
_written = (
    *(DeviceDiscovered, DeviceReturned, DeviceSilent, DeviceRestarted),
    *(CommandRequested, CommandEnded, AlertRaised, EmergencyRequested, EmergencyReleased),
    *(*RULE_EVENTS, StepRefused),
)
_structs = _said | {event.TYPE: event for event in _written}
_decoder = EventDecoder(_structs)
_readings = msgspec.json.Decoder(Readings).decode


def event_of(delivery: Delivery) -> object | None:
    """What a message says; None where it says nothing to the engine, or cannot be read."""
    try:
        if delivery.stream == TELEMETRY.name:
            return _readings(delivery.data)
        event: object = _decoder.decode(delivery.type, delivery.data)
    except (msgspec.DecodeError, ValueError) as error:
        if delivery.stream == TELEMETRY.name or delivery.type in _structs:
            # Whoever writes tables of it puts it into the dead letters; here it only teaches nothing
            _log.warning("an event teaches nothing", subject=delivery.subject, seq=delivery.seq, reason=str(error))
        return None
    return event


def message_of(delivery: Delivery) -> Message | None:
    """A delivery as the engine takes it; None where it says nothing to it."""
    event = event_of(delivery)
    return None if event is None else Message(delivery.stored_at, delivery.stream, delivery.seq, event)
