"""What safety tells devices by itself: OFF, and that an emergency is over. Pure."""

from typing import Final

from kaiser.contracts import subjects, topics
from kaiser.contracts.downlink import downlink_qos, encode_downlink
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.device import Generation
from kaiser.contracts.events.downlink import DownlinkRequested
from kaiser.contracts.topics import DownlinkKind
from kaiser.contracts.wire import ActuatorCommand, DeviceEmergency
from kaiser.eventlog import Event
from kaiser.safety.events import SOURCE

LONGEST_ID: Final = 63
"""Characters that ``head`` keeps of an id (wire contract, section 5.1)."""


def off(
    kaiser_id: str, esp_id: str, gpio: int, generation: Generation, *, stop_id: str, tries: int, expires_at: int
) -> Event:
    """OFF for one actuator.

    Raises:
        DownlinkForbiddenError: The device would misread it: no actuator can be on this pin.
    """
    known = stop_id if generation == "head" and len(stop_id) <= LONGEST_ID else ""
    message = ActuatorCommand(command="OFF", value=0.0)
    if known:
        message = ActuatorCommand(command="OFF", value=0.0, correlation_id=known, intent_id=known, issued_by="safety")
    topic = topics.downlink(DownlinkKind.ACTUATOR_COMMAND, kaiser_id, esp_id, gpio)
    return _event(
        DownlinkKind.ACTUATOR_COMMAND,
        DownlinkRequested(
            kaiser_id=kaiser_id,
            esp_id=esp_id,
            topic=topic,
            payload=encode_downlink(topic, message, generation=generation).decode(),
            qos=downlink_qos(DownlinkKind.ACTUATOR_COMMAND),
            generation=generation,
            expires_at=expires_at,
            correlation_id=stop_id,
        ),
        f"{stop_id}.{tries}",
    )


def clear(kaiser_id: str, esp_id: str, *, tries: int, at: int, expires_at: int) -> Event:
    """Take a ``head`` device out of its emergency; ``dec`` cannot be, but by its configuration (section 5.5)."""
    correlation_id = f"clear.{at}"
    topic = topics.downlink(DownlinkKind.DEVICE_EMERGENCY, kaiser_id, esp_id)
    message = DeviceEmergency(command="clear_emergency", correlation_id=correlation_id)
    return _event(
        DownlinkKind.DEVICE_EMERGENCY,
        DownlinkRequested(
            kaiser_id=kaiser_id,
            esp_id=esp_id,
            topic=topic,
            payload=encode_downlink(topic, message, generation="head").decode(),
            qos=downlink_qos(DownlinkKind.DEVICE_EMERGENCY),
            generation="head",
            expires_at=expires_at,
            correlation_id=correlation_id,
        ),
        f"{esp_id}.{correlation_id}.{tries}",
    )


def _event(kind: DownlinkKind, request: DownlinkRequested, event_id: str) -> Event:
    words = "actuator" if kind is DownlinkKind.ACTUATOR_COMMAND else "emergency"
    return Event(
        id=event_id,
        subject=subjects.downlink(request.kaiser_id, request.esp_id, words),
        type=DownlinkRequested.TYPE,
        data=encode(request),
        source=SOURCE,
    )
