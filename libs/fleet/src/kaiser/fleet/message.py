"""What a device hands to its MQTT client."""

import json
from typing import Any

import msgspec

from kaiser.fleet.sent import Key


class Outgoing(msgspec.Struct, frozen=True):
    """A message to publish.

    Attributes:
        topic: Where to.
        payload: JSON, mostly.
        qos: 0 or 1.
        retain: Whether the broker keeps it.
        key: What the reading in it is known by; None for what is no reading.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    key: Key | None = None


class Subscribing(msgspec.Struct, frozen=True):
    """A topic to listen to from now on."""

    topic: str
    qos: int


def object_of(payload: bytes) -> dict[str, Any] | None:  # of any JSON values
    """The JSON object of a payload; None if it is none."""
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
