"""What the log says of devices and of safety, as WebSocket clients get it. Pure.

Names and fields are the monolith's where it had them: every event keeps its own fields, and gains those that section 14
of the wire contract lists. What is about no single device, such as an emergency stop, has no ``esp_id``.
"""

from typing import Final, NamedTuple

import msgspec

from kaiser.contracts import wire
from kaiser.contracts.events.actuation import (
    CommandAcknowledged,
    CommandAnsweredLate,
    CommandDispatched,
    CommandEnded,
    CommandRequested,
    ShadowDrifted,
    ShadowPolicySet,
    ShadowSettled,
)
from kaiser.contracts.events.calibration import (
    CalibrationAbandoned,
    CalibrationFinished,
    CalibrationPointTaken,
    CalibrationStarted,
    RecomputeFinished,
    RecomputeOrdered,
    SensorParametersSet,
)
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.device import (
    DeviceDiscovered,
    DeviceRegistered,
    DeviceRestarted,
    DeviceReturned,
    DeviceSilent,
)
from kaiser.contracts.events.downlink import DownlinkReported
from kaiser.contracts.events.equipment import ConfigLapsed, ConfigOrdered, ConfigSettled
from kaiser.contracts.events.registry import (
    DeviceApproved,
    DeviceBoardSet,
    DeviceDeafened,
    DeviceDescribed,
    DeviceHearing,
    DeviceKeyIssued,
    DeviceRejected,
    DeviceRenamed,
    DeviceRetired,
    SubzoneOrdered,
    SubzoneSettled,
    ZoneOrdered,
    ZoneSettled,
)
from kaiser.contracts.events.safeguards import (
    ActuatorStopped,
    AlertCleared,
    AlertFolded,
    AlertRaised,
    CommandApproved,
    CommandRejected,
    EmergencyReleased,
    EmergencyRequested,
    InterlockRemoved,
    InterlockSet,
    LeaseLost,
    LimitsSet,
    StopConfirmed,
)
from kaiser.gateway import showing_rules
from kaiser.gateway.events import ESP_HEALTH
from kaiser.gateway.shown import Fields, Shown, always, as_it_is, grave, in_state

CRITICAL: Final = frozenset({"emergency_stop", "safety_violation", "safety_forced_off", "hardware_error"})
"""Alerts that are more than a warning, where the device does not say it."""


class Body(msgspec.Struct, frozen=True):
    """Any event, read as far as clients need it; ``esp_id`` is empty where it is about no single device."""

    esp_id: str = ""
    rule_id: str = ""
    received_at: int = 0
    message: Fields | str = {}  # what a device said; some decisions have a text of that name


def _heartbeat(message: Fields) -> Fields:
    return {"sensor_count": 0, "actuator_count": 0} | message | {"status": "online"}


def _lost(message: Fields) -> Fields:
    return {"reason": "last_will"} | message | {"status": "offline"}


def _returned(_: Fields) -> Fields:
    return {"status": "online", "reason": "returned"}


def _silent(_: Fields) -> Fields:
    return {"status": "offline", "reason": "silent"}


def _actuator_status(message: Fields) -> Fields:
    """``value`` is 0.0 to 1.0: the duty cycle where the device tells it, else on or off."""
    pwm, state = message.get("pwm"), message.get("state")
    value = pwm / 255 if pwm is not None else None if state is None else float(state)
    return {"emergency": "normal"} | message | {"value": value}


def _actuator_response(message: Fields) -> Fields:
    return {"value": None, "message": ""} | message


def _actuator_alert(message: Fields) -> Fields:
    severity = "critical" if message.get("alert_type") in CRITICAL else "warning"
    return {"message": "", "zone_id": "", "severity": severity} | message


def _config_response(message: Fields) -> Fields:
    """``error_description`` is the message of an error, where the monolith had a text of its own."""
    failed = message.get("status") != "success"
    fields = {"count": 0, "message": "", "error_code": None, "failed_item": None} | message
    return fields | {"config_type": fields.get("type", ""), "error_description": fields["message"] if failed else None}


def _ended(message: Fields) -> Fields:
    return message | {"state": message["outcome"]}


COMMAND: Final = "command"
EMERGENCY_STOP: Final = "emergency_stop"
INTERLOCK: Final = "interlock_changed"
ALERT: Final = "alert"

SHOWN: Final[dict[str, Shown]] = {
    **showing_rules.SHOWN,
    CommandRequested.TYPE: Shown(COMMAND, in_state("requested")),
    CommandDispatched.TYPE: Shown(COMMAND, in_state("dispatched")),
    CommandAcknowledged.TYPE: Shown(COMMAND, in_state("acknowledged")),
    CommandEnded.TYPE: Shown(COMMAND, _ended),
    CommandAnsweredLate.TYPE: Shown("command_answered_late", as_it_is),
    ShadowDrifted.TYPE: Shown("actuator_drifted", as_it_is),
    ShadowSettled.TYPE: Shown("actuator_settled", as_it_is),
    LeaseLost.TYPE: Shown("actuator_lease_lost", as_it_is, urgent=always),
    CommandApproved.TYPE: Shown(COMMAND, in_state("approved")),
    CommandRejected.TYPE: Shown(COMMAND, in_state("rejected")),
    ActuatorStopped.TYPE: Shown("actuator_stopped", as_it_is, urgent=always),
    StopConfirmed.TYPE: Shown("actuator_stop_confirmed", as_it_is),
    EmergencyRequested.TYPE: Shown(EMERGENCY_STOP, in_state("requested"), urgent=always),
    EmergencyReleased.TYPE: Shown(EMERGENCY_STOP, in_state("released"), urgent=always),
    AlertRaised.TYPE: Shown(ALERT, in_state("raised"), urgent=grave),
    AlertFolded.TYPE: Shown(ALERT, in_state("folded")),
    AlertCleared.TYPE: Shown(ALERT, in_state("cleared")),
    LimitsSet.TYPE: Shown("limits_changed", as_it_is),
    InterlockSet.TYPE: Shown(INTERLOCK, in_state("set")),
    InterlockRemoved.TYPE: Shown(INTERLOCK, in_state("removed")),
    SAID[wire.Heartbeat].name: Shown(ESP_HEALTH, _heartbeat),
    SAID[wire.LastWill].name: Shown(ESP_HEALTH, _lost),
    DeviceReturned.TYPE: Shown(ESP_HEALTH, _returned),
    DeviceSilent.TYPE: Shown(ESP_HEALTH, _silent),
    SAID[wire.Diagnostics].name: Shown("esp_diagnostics", as_it_is),
    SAID[wire.ActuatorStatus].name: Shown("actuator_status", _actuator_status),
    SAID[wire.ActuatorResponse].name: Shown("actuator_response", _actuator_response),
    SAID[wire.ActuatorAlert].name: Shown("actuator_alert", _actuator_alert, urgent=always),
    SAID[wire.EmergencyAck].name: Shown("emergency_acked", as_it_is, urgent=always),
    SAID[wire.EmergencyReply].name: Shown("emergency_answered", as_it_is, urgent=always),
    SAID[wire.RecoveryConfirm].name: Shown("recovery_confirmed", as_it_is, urgent=always),
    SAID[wire.ConfigResponse].name: Shown("config_response", _config_response),
    SAID[wire.ZoneAck].name: Shown("zone_assignment", as_it_is),
    SAID[wire.SubzoneAck].name: Shown("subzone_assignment", as_it_is),
    SAID[wire.SystemError].name: Shown("error_event", as_it_is),
    SAID[wire.IntentOutcome].name: Shown("intent_outcome", as_it_is),
    SAID[wire.IntentStage].name: Shown("intent_outcome_lifecycle", as_it_is),
    DeviceDiscovered.TYPE: Shown("device_discovered", as_it_is),
    DeviceRegistered.TYPE: Shown("device_registered", as_it_is),
    DeviceApproved.TYPE: Shown("device_approved", as_it_is),
    DeviceRejected.TYPE: Shown("device_rejected", as_it_is),
    DeviceRetired.TYPE: Shown("device_retired", as_it_is),
    DeviceRenamed.TYPE: Shown("device_renamed", as_it_is),
    ZoneSettled.TYPE: Shown("zone_changed", as_it_is),
    SubzoneSettled.TYPE: Shown("subzone_changed", as_it_is),
    ConfigSettled.TYPE: Shown("config_changed", as_it_is),
    DeviceRestarted.TYPE: Shown("device_restarted", as_it_is),
    DeviceDeafened.TYPE: Shown("device_deaf", as_it_is),
    DeviceHearing.TYPE: Shown("device_hears", as_it_is),
    SensorParametersSet.TYPE: Shown("sensor_parameters_set", as_it_is),
    CalibrationFinished.TYPE: Shown("sensor_calibrated", as_it_is),
    RecomputeFinished.TYPE: Shown("readings_recomputed", as_it_is),
}
"""Event type of the log to what clients see of it."""

NOT_SHOWN: Final = showing_rules.NOT_SHOWN | frozenset(
    {
        SAID[wire.HeartbeatMetrics].name,  # counters for operators, in the log and on dashboards
        SAID[wire.QueuePressure].name,
        SAID[wire.SessionAnnounce].name,  # a heartbeat follows at once
        SAID[wire.SystemCommandResponse].name,  # answers to whoever asked, who follows the command itself
        SAID[wire.SensorResponse].name,
        SAID[wire.OnewireScanResult].name,
        DownlinkReported.TYPE,
        ShadowPolicySet.TYPE,
        DeviceKeyIssued.TYPE,  # nobody's business but the broker's
        DeviceBoardSet.TYPE,
        DeviceDescribed.TYPE,
        ZoneOrdered.TYPE,
        SubzoneOrdered.TYPE,
        ConfigOrdered.TYPE,
        ConfigLapsed.TYPE,
        CalibrationStarted.TYPE,  # of whoever stands at the tank; what comes of it is shown
        CalibrationPointTaken.TYPE,
        CalibrationAbandoned.TYPE,
        RecomputeOrdered.TYPE,
    }
)
"""Event types of the same streams that clients do not see, on purpose."""

PRESENCE: Final = frozenset({SAID[wire.LastWill].name, DeviceReturned.TYPE})
"""Event types that tell of a change which may come again within seconds."""

NAMES: Final = frozenset(shown.name for shown in SHOWN.values())

_decode_body = msgspec.json.Decoder(Body).decode


class News(NamedTuple):
    """An event as clients get it.

    Attributes:
        esp_id: Device; empty for what is about no single one, which concerns everybody.
        rule_id: Rule; empty for what is about none.
        at: Unix microseconds.
        fields: What the clients get.
        urgent: Whether it waits for no frame.
    """

    esp_id: str
    rule_id: str
    at: int
    fields: Fields
    urgent: bool


def show(event_type: str, data: bytes) -> News | None:
    """An event as a client gets it; None for one that is not meant for clients.

    Raises:
        msgspec.MsgspecError: It is not what its type says.
    """
    body, shown = _decode_body(data), SHOWN[event_type]
    own, at = body.message, body.received_at
    if not at or isinstance(own, str):  # a decision: its own fields, and times under names of their own
        own = msgspec.json.decode(data)
        at = int(own.get("at") or own.get("registered_at") or 0)
    if not shown.meant(own):
        return None
    fields = shown.fields(own) | {"timestamp": at // 1_000_000}
    if body.esp_id:
        fields["esp_id"] = body.esp_id
    return News(body.esp_id, body.rule_id, at, fields, shown.urgent(fields))
