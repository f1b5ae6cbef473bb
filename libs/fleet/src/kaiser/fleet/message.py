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
    """The JSON object of a payload; None if it is none.

    ``NaN`` is no JSON to the firmware. Half a surrogate pair is none to the simulator, which could not send it on.
    """
    try:
        found = json.loads(payload, parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def texts_of(body: dict[str, Any], *names: str) -> list[str]:  # of any JSON values
    """Fields as the firmware reads texts: whatever is missing or no text is empty."""
    return [value if isinstance(value := body.get(name), str) else "" for name in names]


def pins_of(body: dict[str, Any]) -> list[int]:  # of any JSON values
    """Pins of a subzone; none where there is no list, and without what is no number in it."""
    pins = body.get("assigned_gpios")
    return [pin for pin in pins if type(pin) is int] if isinstance(pins, list) else []


def _no_number(word: str) -> None:
    raise ValueError(word)
