"""The log as it is: by stream, subject, type and time; for engineers, and what is about users for admins."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import get
from litestar.exceptions import PermissionDeniedException
from litestar.params import Parameter, QueryParameter

from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import ACTUATORS, DEVICES, HEARTBEATS, IDENTITY, SAFETY
from kaiser.eventlog import EventLog, Message
from kaiser.gateway import browsing, places
from kaiser.gateway.api.authorisation import PREFIX, may
from kaiser.gateway.api.documented import refusals
from kaiser.gateway.api.registry import By
from kaiser.gateway.api.sensors import From, Limit, To, instant_of
from kaiser.gateway.api.views import PageView, instant
from kaiser.gateway.browsing import Wanted

StreamName = Literal[
    "TELEMETRY_RAW", "TELEMETRY", "DEVICES", "HEARTBEATS", "ACTUATORS", "SAFETY", "LOGIC", "IDENTITY", "DEADLETTER"
]
EVENT = "/events/{stream:str}/{seq:int}"
LARGEST: Final = (1 << 63) - 1
OF_DEVICES: Final = frozenset({DEVICES.name, HEARTBEATS.name, ACTUATORS.name, SAFETY.name})
"""Streams whose events say by their subjects which device each is about."""
Which = Annotated[StreamName | None, Parameter(description="stream; needed without `aggregate`")]
Filter = Annotated[str, Parameter(max_length=256, description="NATS filter, such as `device.*.ESP_9F03D4.>`")]
Kind = Annotated[str, QueryParameter(name="type", max_length=128, description="what the type begins with")]
Whole = Annotated[
    str | None,
    Parameter(
        max_length=128,
        description="kind and id, instead of stream and subject: `device/ESP_9F03D4`, `registry/…`, `calibration/…`,"
        " `heartbeat/…`, `actuator/ESP_9F03D4/25`, `safety/ESP_9F03D4/25`, `interlock/…`, `rule/…`, `run/…` (by rule),"
        " `user/…`, `session/…`, `key/…`",
    ),
]


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the log.

    Attributes:
        seq: Sequence in its stream.
        time: When it happened, as it says itself.
        stored_at: When the stream stored it.
        event_id: Its identity.
        source: Who says so.
        esp_id: Device that it is about; empty for none, or for several.
        correlation_id: Shared by all that came of one request; empty where it does not say.
        causation_id: Command or event that it says it follows from; empty where it does not say.
        causes: Where all that it came of is.
        data: What it says; secrets are left out.
    """

    stream: str
    seq: int
    time: datetime
    stored_at: datetime
    subject: str
    event_type: str = msgspec.field(name="type")
    event_id: str
    source: str
    esp_id: str
    correlation_id: str
    causation_id: str
    causes: str
    data: dict[str, Any]


@get("/events", tags=["log"], summary="Browse the log", responses=refusals(Code.VALUE_OUT_OF_RANGE))
async def events(
    event_log: EventLog,
    request: By,
    stream: Which = None,
    subject: Filter = "",
    aggregate: Whole = None,
    kind: Kind = "",
    from_: From = None,
    to: To = None,
    limit: Limit = 100,
    cursor: str | None = None,
) -> PageView[EventView]:
    """Events of a stream, or of one thing, oldest first; by default all there are.

    A page may be short: go on while there is a ``next_cursor``. IDENTITY is for admins. Whoever is confined to zones
    sees what is about devices that are in them now: of DEVICES, HEARTBEATS, ACTUATORS and SAFETY.
    """
    if aggregate is not None:
        of = browsing.aggregate(aggregate)
        if subject or (stream is not None and stream != of.stream):
            words = f"{aggregate} is in {of.stream}; leave stream and subject out"
            raise Refusal(Code.VALUE_OUT_OF_RANGE, words, "aggregate")
    elif stream is None:
        raise Refusal(Code.VALUE_OUT_OF_RANGE, "say which stream, or what the events are about", "stream")
    else:
        browsing.must_be_of(stream, subject)
        of = browsing.Aggregate(stream, subject)
    must_see(request, of.stream)
    if of.esp_id:
        places.must_reach(of.esp_id)
    start, end = (instant_of(from_, "from") if from_ else 0), (instant_of(to, "to") if to else 0)
    wanted = Wanted(stream=of.stream, subject=of.subject, kind=kind, start=start, end=end)
    found, next_cursor = await browsing.page(event_log, wanted, limit=limit, cursor=cursor)
    return PageView([view(message) for message in found], next_cursor)


@get(EVENT, tags=["log"], summary="Show an event", responses=refusals(Code.EVENT_NOT_FOUND))
async def event(event_log: EventLog, request: By, stream: str, seq: int) -> EventView:
    """One event. IDENTITY is for admins. Who is confined to zones sees what is about devices that are in them."""
    return view(await found(event_log, request, stream, seq))


async def found(event_log: EventLog, request: By, stream: str, seq: int) -> Message:
    """An event that somebody may see.

    Raises:
        Refusal: EVENT_NOT_FOUND.
        PermissionDeniedException: It is not for them.
    """
    if stream not in browsing.STREAMS or not 1 <= seq <= LARGEST:
        raise Refusal(Code.EVENT_NOT_FOUND, f"there is no event {seq} of {stream}", "stream")
    must_see(request, stream)
    message = await browsing.one(event_log, stream, seq)
    if not is_theirs(message):
        raise browsing.no_event(stream, seq)
    return message


def is_theirs(message: Message) -> bool:
    """Whether whoever asks may see an event: who is confined, if it is about a device in their zones."""
    confined = places.ASKING.get()
    return confined is None or confined.reaches(browsing.device_of(message.event.subject))


def must_see(request: By, stream: str) -> None:
    """Keep what is about users from whoever does not look after them, and what is of no device from who is confined.

    Raises:
        PermissionDeniedException: It is about users.
        Refusal: OUTSIDE_ZONES: nobody can say whether it is in their zones.
    """
    if places.ASKING.get() is not None and stream not in OF_DEVICES:
        words = f"{stream} is about the whole site, and you are confined to zones"
        raise Refusal(Code.OUTSIDE_ZONES, words, "stream")
    if stream == IDENTITY.name and not may(request.scope["user"], "admin"):
        raise PermissionDeniedException("what is about users needs the role admin")


def view(message: Message) -> EventView:
    """An event as clients see it."""
    said, data = message.event, browsing.body(message)
    return EventView(
        stream=message.stream,
        seq=message.seq,
        time=instant(said.time),
        stored_at=instant(message.stored_at),
        subject=said.subject,
        event_type=said.type,
        event_id=said.id,
        source=said.source,
        esp_id=browsing.device_of(said.subject),
        correlation_id=_text(data.get("correlation_id")),
        causation_id=_text(data.get("causation_id")),
        causes=f"{PREFIX}/events/{message.stream}/{message.seq}/causes",
        data=data,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
