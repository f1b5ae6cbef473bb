"""What something was at a past time: over NATS on ``query.{service}.state_at``, answered by the owner of its fold.

The reply is a :class:`kaiser.contracts.queries.Reply`. Times are unix microseconds.

Refused with EVENT_NOT_FOUND where nothing had happened to it by then, EVENTS_GONE where its first events are no longer
in the stream, TOO_MANY_EVENTS where more would have to be read than a question may, and VALUE_OUT_OF_RANGE for what the
service has no such kind of.
"""

from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta

IngestKind = Literal["registry", "calibration"]
ActuatorKind = Literal["actuator", "command"]
SafetyKind = Literal["limits", "interlock", "emergency", "alert", "stop"]
LogicKind = Literal["rule", "run"]

OWNERS: Final[dict[str, str]] = {
    **dict.fromkeys(get_args(IngestKind), "ingest"),
    **dict.fromkeys(get_args(ActuatorKind), "actuator"),
    **dict.fromkeys(get_args(SafetyKind), "safety"),
    **dict.fromkeys(get_args(LogicKind), "logic"),
}
"""Kind of a thing to the service that says what it was."""

STREAMS: Final[dict[str, str]] = {"ingest": "DEVICES", "actuator": "ACTUATORS", "safety": "SAFETY", "logic": "LOGIC"}
"""Service to the stream that the events of its things are in."""

READ_S: Final = 6.0
"""What the owner may read for, beside what any request may take."""


class StateAtQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What something was. ``query.{service}.state_at`` answers ``StateAt``.

    Attributes:
        kind: Of what kind it is, one of :data:`OWNERS`.
        name: Its id; device and pin for what hangs on a pin, such as ``ESP_9F03D4/25``.
        at: What was stored then, or earlier, counts.
        seq: Of its own stream nothing behind this sequence counts; 0 for none.
        wait_s: How long it may be read for.
    """

    kind: str
    name: str
    at: int
    seq: Annotated[int, Meta(ge=0)] = 0
    wait_s: Annotated[float, Meta(ge=0, le=60)] = READ_S


class StateAt(msgspec.Struct, frozen=True, kw_only=True):
    """What something was.

    Attributes:
        stream: Where its events are.
        seq: Sequence of the last of them that counts.
        events: How many of them were looked at.
        state: What they made of it, as JSON values with the names of the owner's other answers.
    """

    stream: str
    seq: int
    events: int
    state: dict[str, Any]  # of many kinds
