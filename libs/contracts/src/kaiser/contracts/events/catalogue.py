"""Every event there is: its type, body, subject, stream and writer, in one table."""

from typing import Any, Final

import msgspec

from kaiser.contracts import subjects, wire
from kaiser.contracts.events.actuation import COMMAND_EVENTS, SHADOW_EVENTS
from kaiser.contracts.events.calibration import CALIBRATION_EVENTS
from kaiser.contracts.events.deadletter import SETTLEMENT_EVENTS, DeadLetters
from kaiser.contracts.events.device import (
    DeviceDiscovered,
    DeviceRegistered,
    DeviceRestarted,
    DeviceReturned,
    DeviceSaid,
    DeviceSilent,
)
from kaiser.contracts.events.downlink import DownlinkReported, DownlinkRequested
from kaiser.contracts.events.identity import KEY_EVENTS, SESSION_EVENTS, USER_EVENTS, Audited
from kaiser.contracts.events.logic import ORDER_EVENTS, RULE_EVENTS, RUN_EVENTS, StepRefused
from kaiser.contracts.events.registry import REGISTRY_EVENTS
from kaiser.contracts.events.safeguards import (
    ALERT_EVENTS,
    DECISION_EVENTS,
    STOP_EVENTS,
    EmergencyReleased,
    EmergencyRequested,
    InterlockRemoved,
    InterlockSet,
    LeaseLost,
    LimitsSet,
)
from kaiser.contracts.events.telemetry import RawReadings, Readings
from kaiser.contracts.topics import GPIO_WHOLE_DEVICE, UplinkTopic


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of event.

    Attributes:
        name: CloudEvents type, with the version of the body at its end.
        summary: What it says, in a sentence.
        body: Struct of the JSON body.
        subject: Subject with parameters in braces.
        stream: Stream that keeps it.
        writer: The one service that writes it.
    """

    name: str
    summary: str
    body: Any  # a struct type or a parametrised one, which have no common type
    subject: str
    stream: str
    writer: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the subject's parameters, in order."""
        return tuple(part[1:-1] for part in self.subject.split(".") if part.startswith("{"))

    def subject_for(self, topic: UplinkTopic) -> str:
        """Subject of what a device said on ``topic``."""
        gpio = GPIO_WHOLE_DEVICE if topic.gpio is None else topic.gpio
        return self.subject.format(kaiser=subjects.token(topic.kaiser_id), esp=subjects.token(topic.esp_id), gpio=gpio)


def _said(message: type[msgspec.Struct], name: str, subject: str, stream: str, summary: str) -> EventType:
    return EventType(
        name=f"io.kaiser.{name}.v1",
        summary=summary,
        body=DeviceSaid[message],  # type: ignore[valid-type]  # a struct of the wire contract, from the table below
        subject=subject,
        stream=stream,
        writer="bridge",
    )


def _device(message: type[msgspec.Struct], event: str, summary: str) -> EventType:
    return _said(message, f"device.{event}", f"device.{{kaiser}}.{{esp}}.{event}", "DEVICES", summary)


def _health(message: type[msgspec.Struct], kind: str, summary: str) -> EventType:
    return _said(message, f"health.{kind}", f"health.{{kaiser}}.{{esp}}.{kind}", "HEARTBEATS", summary)


def _actuator(message: type[msgspec.Struct], event: str, summary: str) -> EventType:
    return _said(message, f"actuator.{event}", f"actuator.{{kaiser}}.{{esp}}.{{gpio}}.{event}", "ACTUATORS", summary)


def _decided(event: type[Any], aggregate: str) -> EventType:
    assert event.__doc__
    return EventType(
        name=event.TYPE,
        summary=event.__doc__.splitlines()[0],
        body=event,
        subject=f"device.{{kaiser}}.{{esp}}.{aggregate}.{event.EVENT}",
        stream="DEVICES",
        writer="ingest",
    )


def _acted(event: type[Any], aggregate: str) -> EventType:
    assert event.__doc__
    return EventType(
        name=event.TYPE,
        summary=event.__doc__.splitlines()[0],
        body=event,
        subject=f"actuator.{{kaiser}}.{{esp}}.{{gpio}}.{aggregate}.{event.EVENT}",
        stream="ACTUATORS",
        writer="actuator",
    )


def _safeguard(event: type[Any], subject: str, *, writer: str = "safety") -> EventType:
    assert event.__doc__
    summary = event.__doc__.splitlines()[0].partition(" Subject ``")[0]
    return EventType(name=event.TYPE, summary=summary, body=event, subject=subject, stream="SAFETY", writer=writer)


def _logic(event: type[Any], subject: str) -> EventType:
    assert event.__doc__
    summary = event.__doc__.splitlines()[0].partition(" Subject ``")[0]
    return EventType(name=event.TYPE, summary=summary, body=event, subject=subject, stream="LOGIC", writer="logic")


def _identity(event: type[Any], subject: str) -> EventType:
    assert event.__doc__
    summary = event.__doc__.splitlines()[0]
    return EventType(name=event.TYPE, summary=summary, body=event, subject=subject, stream="IDENTITY", writer="gateway")


def _settled(event: type[Any]) -> EventType:
    assert event.__doc__
    return EventType(
        name=event.TYPE,
        summary=event.__doc__.splitlines()[0],
        body=event,
        subject="deadletter.settled.{letter}",
        stream="DEADLETTER",
        writer="gateway",
    )


SAID: Final[dict[type[msgspec.Struct], EventType]] = {
    wire.Heartbeat: _said(
        wire.Heartbeat, "heartbeat", "heartbeat.{kaiser}.{esp}", "HEARTBEATS", "A device gave a sign of life."
    ),
    wire.Diagnostics: _health(wire.Diagnostics, "diagnostics", "A device told its state."),
    wire.HeartbeatMetrics: _health(wire.HeartbeatMetrics, "metrics", "A device told its counters."),
    wire.QueuePressure: _health(wire.QueuePressure, "queue_pressure", "A device's publish queue fills or recovered."),
    wire.LastWill: _device(wire.LastWill, "lost", "The broker lost a device's connection."),
    wire.SessionAnnounce: _device(wire.SessionAnnounce, "announced", "A device announced a new session."),
    wire.ConfigResponse: _device(wire.ConfigResponse, "config_answered", "A device answered a configuration."),
    wire.ZoneAck: _device(wire.ZoneAck, "zone_acked", "A device answered a zone assignment."),
    wire.SubzoneAck: _device(wire.SubzoneAck, "subzone_acked", "A device answered a subzone assignment."),
    wire.SystemCommandResponse: _device(
        wire.SystemCommandResponse, "command_answered", "A device answered a system command."
    ),
    wire.SystemError: _device(wire.SystemError, "error_reported", "A device reported a fault."),
    wire.IntentOutcome: _device(wire.IntentOutcome, "intent_outcome", "A device told what became of an intent."),
    wire.IntentStage: _device(wire.IntentStage, "intent_stage", "A device told how far an intent is."),
    wire.SensorResponse: _device(wire.SensorResponse, "sensor_answered", "A device answered a measuring on demand."),
    wire.OnewireScanResult: _device(wire.OnewireScanResult, "onewire_scanned", "A device scanned a OneWire bus."),
    wire.ActuatorStatus: _actuator(wire.ActuatorStatus, "status", "A device told the state of an actuator."),
    wire.ActuatorResponse: _actuator(wire.ActuatorResponse, "response", "A device answered an actuator command."),
    wire.ActuatorAlert: _actuator(wire.ActuatorAlert, "alert", "A device raised an alert."),
    wire.EmergencyAck: _actuator(wire.EmergencyAck, "emergency_acked", "A device took an emergency stop."),
    wire.EmergencyReply: _actuator(wire.EmergencyReply, "emergency_answered", "A device answered about an emergency."),
    wire.RecoveryConfirm: _actuator(wire.RecoveryConfirm, "recovery_confirmed", "A device left an emergency stop."),
}
"""What the bridge makes of each message; readings are gathered in batches instead."""

CATALOGUE: Final[tuple[EventType, ...]] = (
    EventType(
        name=RawReadings.TYPE,
        summary="Readings as the devices sent them.",
        body=RawReadings,
        subject="telemetry.raw.{kaiser}.{partition}",
        stream="TELEMETRY_RAW",
        writer="bridge",
    ),
    EventType(
        name=Readings.TYPE,
        summary="Readings converted, graded and dated.",
        body=Readings,
        subject="telemetry.reading.{kaiser}.{partition}",
        stream="TELEMETRY",
        writer="ingest",
    ),
    EventType(
        name=DeviceDiscovered.TYPE,
        summary="The bridge heard a device for the first time.",
        body=DeviceDiscovered,
        subject="device.{kaiser}.{esp}.discovered",
        stream="DEVICES",
        writer="bridge",
    ),
    EventType(
        name=DeviceReturned.TYPE,
        summary="A device that was lost said something.",
        body=DeviceReturned,
        subject="device.{kaiser}.{esp}.returned",
        stream="DEVICES",
        writer="bridge",
    ),
    EventType(
        name=DeviceSilent.TYPE,
        summary="A device has missed five heartbeats.",
        body=DeviceSilent,
        subject="device.{kaiser}.{esp}.silent",
        stream="DEVICES",
        writer="ingest",
    ),
    EventType(
        name=DeviceRestarted.TYPE,
        summary="A device was started anew.",
        body=DeviceRestarted,
        subject="device.{kaiser}.{esp}.restarted",
        stream="DEVICES",
        writer="ingest",
    ),
    EventType(
        name=DeviceRegistered.TYPE,
        summary="A device was put into the registry, pending approval.",
        body=DeviceRegistered,
        subject="device.{kaiser}.{esp}.registry.registered",
        stream="DEVICES",
        writer="ingest",
    ),
    *(_decided(event, "registry") for event in REGISTRY_EVENTS),
    *(_decided(event, "calibration") for event in CALIBRATION_EVENTS),
    *SAID.values(),
    *(_acted(event, "command") for event in COMMAND_EVENTS),
    *(_acted(event, "shadow") for event in SHADOW_EVENTS),
    EventType(
        name=LeaseLost.TYPE,
        summary="The bridge heard nothing of safety for too long, and switches an actuator off by itself.",
        body=LeaseLost,
        subject="actuator.{kaiser}.{esp}.{gpio}.lease_lost",
        stream="ACTUATORS",
        writer="bridge",
    ),
    _safeguard(LimitsSet, "safety.limits.{esp}.{gpio}"),
    _safeguard(InterlockSet, "safety.interlock.{interlock}"),
    _safeguard(InterlockRemoved, "safety.interlock.{interlock}"),
    *(_safeguard(event, "safety.decision.{esp}.{gpio}") for event in DECISION_EVENTS),
    *(_safeguard(event, "safety.stop.{esp}.{gpio}") for event in STOP_EVENTS),
    _safeguard(EmergencyRequested, "safety.emergency.requested", writer="gateway"),
    _safeguard(EmergencyReleased, "safety.emergency.released"),
    *(_safeguard(event, "safety.alert.{esp}.{gpio}") for event in ALERT_EVENTS),
    *(_logic(event, f"logic.rule.{{rule}}.{event.EVENT}") for event in RULE_EVENTS),
    *(_logic(event, "logic.run.{rule}") for event in RUN_EVENTS),
    _logic(StepRefused, "logic.refused.{rule}"),
    *(_logic(event, "logic.order") for event in ORDER_EVENTS),
    EventType(
        name=DownlinkRequested.TYPE,
        summary="A message is to be sent to a device.",
        body=DownlinkRequested,
        subject="downlink.{kaiser}.{esp}.{kind}",
        stream="DOWNLINK",
        writer="ingest",
    ),
    EventType(
        name=DownlinkReported.TYPE,
        summary="What became of a message to a device.",
        body=DownlinkReported,
        subject="device.{kaiser}.{esp}.downlink_{outcome}",
        stream="DEVICES",
        writer="bridge",
    ),
    *(_identity(event, f"identity.user.{{user}}.{event.EVENT}") for event in USER_EVENTS),
    *(_identity(event, f"identity.session.{{session}}.{event.EVENT}") for event in SESSION_EVENTS),
    *(_identity(event, f"identity.key.{{key}}.{event.EVENT}") for event in KEY_EVENTS),
    _identity(Audited, "identity.audit.{user}"),
    EventType(
        name=DeadLetters.TYPE,
        summary="Messages that a service could not use.",
        body=DeadLetters,
        subject="deadletter.{service}",
        stream="DEADLETTER",
        writer="every service",
    ),
    *(_settled(event) for event in SETTLEMENT_EVENTS),
)
