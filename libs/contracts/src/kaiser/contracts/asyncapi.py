"""The AsyncAPI 3 document: what flows on NATS, on MQTT, and to clients of the gateway."""

from typing import Any

from kaiser.contracts import live_channel
from kaiser.contracts.compatibility import Schema
from kaiser.contracts.events.catalogue import CATALOGUE
from kaiser.contracts.mqtt_channels import MQTT_CHANNELS
from kaiser.contracts.streams import STREAMS

Document = dict[str, Any]  # AsyncAPI, whose values are of any JSON type


def document(schemas: dict[str, Schema], *, version: str) -> Document:
    """AsyncAPI 3.0.0 for the event log, the devices' topics and the live stream.

    Args:
        schemas: Event type to JSON Schema.
        version: Version of the contract.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Kaiser events",
            "version": version,
            "description": "Events are CloudEvents 1.0 in the binary mode of the NATS binding: attributes in headers "
            "`ce-id`, `ce-type`, `ce-source`, `ce-time`, `traceparent`; the body is JSON.",
            "license": {"name": "Apache-2.0"},
        },
        "servers": {
            "log": {"host": "nats.example:4222", "protocol": "nats", "description": "NATS with JetStream"},
            "gateway": {"host": "kaiser.example", "protocol": "wss", "description": "The gateway's WebSocket"},
            "broker": {"host": "mqtt.example:1883", "protocol": "mqtt", "protocolVersion": "5.0"},
        },
        "channels": _event_channels() | _mqtt_channels() | live_channel.channel(),
        "operations": _operations(),
        "components": {
            "messages": {
                event.name: {
                    "name": event.name,
                    "title": event.summary,
                    "contentType": "application/json",
                    "payload": {"schemaFormat": "application/schema+json", "schema": schemas[event.name]},
                }
                for event in CATALOGUE
            }
            | live_channel.messages(),
            "schemas": live_channel.schemas(),
        },
    }


def _event_channels() -> Document:
    stream_of = {stream.name: stream for stream in STREAMS}
    return {
        event.name: {
            "address": event.subject,
            "servers": [{"$ref": "#/servers/log"}],
            "description": f"{event.summary} Stream {stream_of[event.stream].name}, written by {event.writer}.",
            "parameters": {name: {} for name in event.parameters},
            "messages": {"event": {"$ref": f"#/components/messages/{event.name}"}},
        }
        for event in CATALOGUE
    }


def _mqtt_channels() -> Document:
    return {
        f"mqtt.{channel.kind}": {
            "address": channel.address,
            "servers": [{"$ref": "#/servers/broker"}],
            "description": channel.description,
            "parameters": {name: {} for name in channel.parameters},
            "messages": {"message": {"contentType": "application/json", "payload": channel.schema()}},
            "bindings": {"mqtt": {"bindingVersion": "0.2.0"}},
        }
        for channel in MQTT_CHANNELS
    }


def _operations() -> Document:
    events = {
        f"write.{event.name}": {
            "action": "send",
            "channel": {"$ref": f"#/channels/{event.name}"},
            "title": f"{event.writer} writes it",
        }
        for event in CATALOGUE
    }
    wire = {
        f"mqtt.{channel.kind}": {
            "action": "receive" if channel.uplink else "send",
            "channel": {"$ref": f"#/channels/mqtt.{channel.kind}"},
            "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retain, "bindingVersion": "0.2.0"}},
        }
        for channel in MQTT_CHANNELS
    }
    return events | wire | live_channel.operations()
