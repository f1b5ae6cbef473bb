"""The live stream for the AsyncAPI document: the messages in both directions, and the events by their names."""

from typing import Any, Final, get_args

import msgspec

from kaiser.contracts import live
from kaiser.contracts.events.catalogue import CATALOGUE
from kaiser.contracts.live import SensorData

Document = dict[str, Any]  # AsyncAPI, whose values are of any JSON type

SENSOR_DATA: Final = "sensor_data"

SHOWN_AS: Final[dict[str, tuple[str, ...]]] = {
    SENSOR_DATA: ("io.kaiser.telemetry.reading.v1",),
    "actuator_alert": ("io.kaiser.actuator.alert.v1",),
    "actuator_drifted": ("io.kaiser.shadow.drifted.v1",),
    "actuator_lease_lost": ("io.kaiser.actuator.lease_lost.v1",),
    "actuator_response": ("io.kaiser.actuator.response.v1",),
    "actuator_settled": ("io.kaiser.shadow.settled.v1",),
    "actuator_status": ("io.kaiser.actuator.status.v1",),
    "actuator_stop_confirmed": ("io.kaiser.safety.stop_confirmed.v1",),
    "actuator_stopped": ("io.kaiser.safety.actuator_stopped.v1",),
    "alert": (
        "io.kaiser.safety.alert_cleared.v1",
        "io.kaiser.safety.alert_folded.v1",
        "io.kaiser.safety.alert_raised.v1",
    ),
    "command": (
        "io.kaiser.command.acknowledged.v1",
        "io.kaiser.command.dispatched.v1",
        "io.kaiser.command.ended.v1",
        "io.kaiser.command.requested.v1",
        "io.kaiser.safety.command_approved.v1",
        "io.kaiser.safety.command_rejected.v1",
    ),
    "command_answered_late": ("io.kaiser.command.answered_late.v1",),
    "config_changed": ("io.kaiser.device.config_settled.v1",),
    "config_response": ("io.kaiser.device.config_answered.v1",),
    "device_approved": ("io.kaiser.device.approved.v1",),
    "device_deaf": ("io.kaiser.device.deafened.v1",),
    "device_discovered": ("io.kaiser.device.discovered.v1",),
    "device_hears": ("io.kaiser.device.hearing.v1",),
    "device_registered": ("io.kaiser.device.registered.v1",),
    "device_rejected": ("io.kaiser.device.rejected.v1",),
    "device_renamed": ("io.kaiser.device.renamed.v1",),
    "device_restarted": ("io.kaiser.device.restarted.v1",),
    "device_retired": ("io.kaiser.device.retired.v1",),
    "emergency_acked": ("io.kaiser.actuator.emergency_acked.v1",),
    "emergency_answered": ("io.kaiser.actuator.emergency_answered.v1",),
    "emergency_stop": (
        "io.kaiser.safety.emergency_released.v1",
        "io.kaiser.safety.emergency_requested.v1",
    ),
    "error_event": ("io.kaiser.device.error_reported.v1",),
    "esp_diagnostics": ("io.kaiser.health.diagnostics.v1",),
    "esp_health": (
        "io.kaiser.device.lost.v1",
        "io.kaiser.device.returned.v1",
        "io.kaiser.device.silent.v1",
        "io.kaiser.heartbeat.v1",
    ),
    "intent_outcome": ("io.kaiser.device.intent_outcome.v1",),
    "intent_outcome_lifecycle": ("io.kaiser.device.intent_stage.v1",),
    "interlock_changed": (
        "io.kaiser.safety.interlock_removed.v1",
        "io.kaiser.safety.interlock_set.v1",
    ),
    "limits_changed": ("io.kaiser.safety.limits_set.v1",),
    "logic_execution": (
        "io.kaiser.run.ended.v1",
        "io.kaiser.run.skipped.v1",
        "io.kaiser.run.started.v1",
    ),
    "logic_step": (
        "io.kaiser.run.command_asked.v1",
        "io.kaiser.run.step_ended.v1",
        "io.kaiser.run.step_refused.v1",
        "io.kaiser.run.step_waiting.v1",
    ),
    "notification": ("io.kaiser.run.notification_asked.v1",),
    "readings_recomputed": ("io.kaiser.sensor.recompute_finished.v1",),
    "recovery_confirmed": ("io.kaiser.actuator.recovery_confirmed.v1",),
    "rule_alarm": (
        "io.kaiser.run.alarm_cleared.v1",
        "io.kaiser.run.alarm_raised.v1",
    ),
    "rule_changed": (
        "io.kaiser.rule.defined.v1",
        "io.kaiser.rule.disabled.v1",
        "io.kaiser.rule.enabled.v1",
        "io.kaiser.rule.removed.v1",
    ),
    "rule_damped": ("io.kaiser.run.damped.v1",),
    "sensor_calibrated": ("io.kaiser.sensor.calibration_finished.v1",),
    "sensor_parameters_set": ("io.kaiser.sensor.parameters_set.v1",),
    "subzone_assignment": ("io.kaiser.device.subzone_acked.v1",),
    "subzone_changed": ("io.kaiser.device.subzone_settled.v1",),
    "zone_assignment": ("io.kaiser.device.zone_acked.v1",),
    "zone_changed": ("io.kaiser.device.zone_settled.v1",),
}
"""Name of a live event to the events of the log that are shown under it; one that clients see has to be in here."""

MONOLITH: Final = frozenset(
    {
        "actuator_alert",
        "actuator_response",
        "actuator_status",
        "config_response",
        "esp_health",
        "logic_execution",
        SENSOR_DATA,
    }
)
"""Names that the monolith had, with its fields."""

_CHANNEL: Final = "#/channels/live"
_REF: Final = "#/components/schemas/{name}"
_OWN: Final = "live.{name}"
"""Messages of the stream, some of which are called like messages of devices."""
_ANYWHERE: Final = {
    "timestamp": {"type": "integer", "description": "Unix seconds of the event, as the monolith had it."},
    "esp_id": {"type": "string", "description": "Device; absent from what is about no single one."},
    "state": {"type": "string", "description": "What happened, of events of several kinds under one name."},
}

_NUMBER: Final = {"anyOf": [{"type": "number"}, {"type": "null"}]}
_TEXT: Final = {"type": "string"}
_TEXT_OR_NULL: Final = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_OF_RULES: Final = {"rule_name": _TEXT}
_SHOWN_ONLY: Final[dict[str, Document]] = {
    "esp_health": {"status": {"enum": ["online", "offline", "flapping"]}, "reason": _TEXT},
    "actuator_status": {"value": _NUMBER, "emergency": _TEXT},
    "actuator_response": {"value": _NUMBER, "message": _TEXT},
    "actuator_alert": {"severity": {"enum": ["critical", "warning"]}, "message": _TEXT, "zone_id": _TEXT},
    "config_response": {"config_type": _TEXT, "error_description": _TEXT_OR_NULL},
    "logic_execution": _OF_RULES
    | {
        "trigger": _TEXT,
        "action": _TEXT_OR_NULL,
        "success": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        "message": _TEXT,
    },
    **dict.fromkeys(("logic_step", "notification", "rule_alarm", "rule_changed", "rule_damped"), _OF_RULES),
}
"""Fields that are not of the log's event, or not as it has them."""


def channel() -> Document:
    """The WebSocket as a channel."""
    return {
        "live": {
            "address": live.PATH,
            "servers": [{"$ref": "#/servers/gateway"}],
            "description": "One WebSocket for all live events, text messages of JSON. The first message authenticates, "
            "unless the request had an Authorization header, or a ticket in its query (POST /api/v1/auth/ws-ticket). "
            + " ".join(f"Close code {code.value}: {code.name.lower()}." for code in live.Close),
            "messages": {
                _name(message): {"$ref": f"#/components/messages/live.{_name(message)}"}
                for message in (*live.SAID, *live.HEARD)
            },
            "bindings": {
                "ws": {
                    "method": "GET",
                    "query": {"type": "object", "properties": {"ticket": {"type": "string"}}},
                    "bindingVersion": "0.1.0",
                }
            },
        }
    }


def operations() -> Document:
    """What clients send, and what they get."""
    return {
        "live.said": {
            "action": "receive",
            "channel": {"$ref": _CHANNEL},
            "title": "The gateway takes it",
            "messages": [{"$ref": f"{_CHANNEL}/messages/{_name(message)}"} for message in live.SAID],
        },
        "live.heard": {
            "action": "send",
            "channel": {"$ref": _CHANNEL},
            "title": "The gateway sends it",
            "messages": [{"$ref": f"{_CHANNEL}/messages/{_name(message)}"} for message in live.HEARD],
        },
    }


def messages() -> Document:
    """Every message in both directions."""
    return {
        f"live.{_name(message)}": {
            "name": _name(message),
            "title": (message.__doc__ or "").partition("\n")[0],
            "contentType": "application/json",
            "payload": {"$ref": _REF.format(name=_OWN.format(name=message.__name__))},
        }
        for message in (*live.SAID, *live.HEARD)
    }


def schemas() -> Document:
    """Schemas of the messages, and of each event by its name, which is ``live.{name}``."""
    bodies = {event.name: _body(event.body) for event in CATALOGUE}
    shown = {name: [bodies[event] for event in events] for name, events in SHOWN_AS.items() if name != SENSOR_DATA}
    shown[SENSOR_DATA] = [SensorData]
    types = tuple(dict.fromkeys(body for found in shown.values() for body in found))
    references, components = msgspec.json.schema_components(types, ref_template=_REF)
    of = dict(zip(types, references, strict=True))
    events = {f"live.{name}": _event(name, [of[body] for body in found], components) for name, found in shown.items()}
    _, own = msgspec.json.schema_components((*live.SAID, *live.HEARD), ref_template=_REF.format(name=_OWN))
    own["Frame"]["properties"]["events"]["items"] = {
        "oneOf": [{"$ref": _REF.format(name=name)} for name in sorted(events)]
    }
    said = {_OWN.format(name=name): schema for name, schema in own.items()}
    return dict(sorted({**components, **events, **said}.items()))


def _event(name: str, bodies: list[Document], components: Document) -> Document:
    """The envelope of one event: the fields that it has of each event of the log that it is shown for."""
    properties: Document = {}
    for body in bodies:
        for field, schema in components[body["$ref"].rpartition("/")[2]].get("properties", {}).items():
            kinds = properties.setdefault(field, [])
            if schema not in kinds:
                kinds.append(schema)
    fields = {field: kinds[0] if len(kinds) == 1 else {"anyOf": kinds} for field, kinds in properties.items()}
    sources = ", ".join(f"`{event}`" for event in SHOWN_AS[name])
    return {
        "title": name,
        "description": f"Of {sources}. {'Named and shaped as in the monolith.' if name in MONOLITH else ''}".strip(),
        "type": "object",
        "properties": {
            "type": {"const": name},
            "seq": {"type": "integer", "minimum": 1},
            "time": {"type": "integer", "description": "Unix microseconds."},
            "data": {
                "type": "object",
                "properties": _ANYWHERE | fields | _SHOWN_ONLY.get(name, {}),
                "required": ["timestamp"],
            },
        },
        "required": ["type", "seq", "time", "data"],
    }


def _body(body: Any) -> Any:  # a struct type
    """What clients see of an event's body: of what a device said, the message."""
    said = get_args(body)
    return said[0] if said else body


def _name(message: type[msgspec.Struct]) -> str:
    """What a message is tagged with."""
    return str(message.__struct_config__.tag)
