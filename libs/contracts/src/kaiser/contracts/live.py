"""The live stream of the gateway: every message in both directions over the WebSocket, and why a socket is closed.

Clients send text messages of :data:`SAID`, tagged by ``action``, and get those of :data:`HEARD`, tagged by ``type``.
"""

from enum import IntEnum
from typing import Any, Final, Literal

import msgspec

Delivery = Literal["frames", "immediate", "latest-only"]
"""``frames`` puts together what came since the last frame, a few times a second; ``immediate`` sends each event at
once; ``latest-only`` is ``frames`` with only the newest value of each sensor, actuator and device in it."""

PATH: Final = "/ws"


class Close(IntEnum):
    """Codes that the gateway closes a socket with, beside those of RFC 6455."""

    NOT_AUTHENTICATED = 4001
    """No token, or one that is not valid: log in."""
    EXPIRED = 4002
    """The token has expired: get another one and come back with the last cursor."""
    REVOKED = 4003
    """The user was logged out, or may not do this any more: log in."""
    TOO_MANY = 4008
    """There are too many clients: come back later, or elsewhere."""
    RESTARTING = 1012
    """The gateway stops: come back at once, elsewhere if there is an elsewhere."""
    NOT_READY = 1013
    """The gateway has not caught up with the log: come back in a moment, or elsewhere."""


class Filters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client wants; an empty or absent list is everything.

    Attributes:
        types: Event types, such as ``sensor_data``.
        esp_ids: Devices; what is about no single one, such as an emergency stop, comes all the same.
        zones: Zones, of events about a device; the zone of a reading is the one at its time.
        sensor_types: Sensor types, of events that have one.
        rule_ids: Rules, of events that are about one. Whoever names devices or zones has to name these, or the type.
        pending: With the readings of devices that nobody has approved; for those who may approve them.
    """

    types: frozenset[str] = frozenset()
    esp_ids: frozenset[str] = frozenset()
    zones: frozenset[str] = frozenset()
    sensor_types: frozenset[str] = frozenset()
    rule_ids: frozenset[str] = frozenset()
    pending: bool = False


class Authenticate(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="action", tag="authenticate"):
    """Says who the client is, by a token or a ticket; the first message, unless the request said it.

    With a new token of the same user, the socket lives on when the first one expires.
    """

    token: str = ""
    ticket: str = ""


class Subscribe(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="action", tag="subscribe"):
    """Says what the client wants; replaces what it wanted before.

    Attributes:
        filters: Which events.
        delivery: How they come.
        cursor: Where to go on: the ``cursor`` of the last message that was dealt with; from now on without one.
        snapshot: Whether to tell first how things stand.
    """

    filters: Filters = Filters()
    delivery: Delivery = "frames"
    cursor: str = ""
    snapshot: bool = False


class Unsubscribe(msgspec.Struct, frozen=True, tag_field="action", tag="unsubscribe"):
    """Says that the client wants nothing."""


class Ping(msgspec.Struct, frozen=True, tag_field="action", tag="ping"):
    """Asks for a sign of life."""


class Authenticated(msgspec.Struct, frozen=True, tag_field="type", tag="authenticated"):
    """Who the client is, until when (unix seconds)."""

    user: str
    expires_at: int


class Subscribed(msgspec.Struct, frozen=True, tag_field="type", tag="subscribed"):
    """What the client gets from now on, and from where."""

    filters: Filters
    delivery: Delivery
    cursor: str


class Unsubscribed(msgspec.Struct, frozen=True, tag_field="type", tag="unsubscribed"):
    """The client gets nothing from now on."""


class Pong(msgspec.Struct, frozen=True, tag_field="type", tag="pong"):
    """A sign of life that was asked for, unix microseconds."""

    time: int


class Heartbeat(msgspec.Struct, frozen=True, tag_field="type", tag="heartbeat"):
    """A sign of life while there is nothing else to say, unix microseconds.

    Without any message for three times ``every_s``, the connection is dead.
    """

    time: int
    every_s: float
    cursor: str


class LiveEvent(msgspec.Struct, frozen=True):
    """An event.

    Attributes:
        type: Name of the event.
        seq: Sequence in its stream; readings that arrived together share one.
        time: Unix microseconds.
        data: Depends on the type.
    """

    type: str
    seq: int
    time: int
    data: dict[str, Any]  # its fields differ by the type


class SensorData(msgspec.Struct, frozen=True):
    """A finished reading.

    Attributes:
        timestamp: Unix seconds of the time that counts, as the monolith had it.
        measured_at: The same in unix microseconds; ``time_source`` says whose clock it is.
        received_at: When the bridge took it from the broker, unix microseconds.
        sensor_id: 63 bits, as text because JavaScript's numbers have 53.
        reading_id: The same.
    """

    esp_id: str
    gpio: int
    sensor_type: str
    address: str
    value: float | None
    unit: str
    quality: str
    raw: float
    timestamp: int
    measured_at: int
    time_source: str
    received_at: int
    zone_id: str
    subzone_id: str
    pending: bool
    sensor_id: str
    reading_id: str


class Frame(msgspec.Struct, frozen=True, tag_field="type", tag="frame"):
    """Events, in the order of each stream. Whoever has dealt with all of them goes on from ``cursor``."""

    events: list[LiveEvent]
    cursor: str


class Missed(msgspec.Struct, frozen=True, tag_field="type", tag="missed"):
    """What a client will not get; a frame follows, whose cursor is behind it.

    Attributes:
        stream: Stream of the sequences.
        from_seq: First sequence in question.
        to_seq: Last one.
        reason: ``slow``: the client did not take it in time. ``gone``: the log has let it go. ``far``: it is more than
            a client gets this way. ``reset``: the log was replaced, and the client's cursor is of another one.
        count: Events of the filter; null where nobody has counted. Of those in the range, urgent ones may have come.
    """

    stream: str
    from_seq: int
    to_seq: int
    reason: Literal["slow", "gone", "far", "reset"] = "slow"
    count: int | None = None


class SnapshotPart(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="snapshot"):
    """How things stood as the client subscribed; events that came since follow, and some that are in here already.

    Attributes:
        of: What the items are: as the REST API has them.
        items: Some of them; there may be more parts.
        problem: Why there are none: who answers for them is away.
    """

    of: Literal["devices", "sensors", "actuators", "alerts", "emergency-stops"]
    items: list[Any]  # views of the REST API
    problem: str = ""


class SnapshotEnd(msgspec.Struct, frozen=True, tag_field="type", tag="snapshot_end"):
    """The snapshot is complete."""

    cursor: str


class Goodbye(msgspec.Struct, frozen=True, tag_field="type", tag="goodbye"):
    """The gateway stops, and closes the socket next. Come back after ``reconnect_after_s``, elsewhere if you can."""

    reconnect_after_s: float


class Problem(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """A message of the client was not understood, or asked for what it may not have; nothing else has changed."""

    code: str
    detail: str


SAID: Final = (Authenticate, Subscribe, Unsubscribe, Ping)
"""What clients send."""

HEARD: Final = (
    Authenticated,
    Subscribed,
    Unsubscribed,
    Pong,
    Heartbeat,
    Frame,
    Missed,
    SnapshotPart,
    SnapshotEnd,
    Goodbye,
    Problem,
)
"""What clients get."""

Heard = (
    Authenticated
    | Subscribed
    | Unsubscribed
    | Pong
    | Heartbeat
    | Frame
    | Missed
    | SnapshotPart
    | SnapshotEnd
    | Goodbye
    | Problem
)
