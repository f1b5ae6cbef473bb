"""What something was at a past time."""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import get
from litestar.params import Parameter

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import Scope
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import EventLog, now_us
from kaiser.gateway import places
from kaiser.gateway.api.documented import refusals
from kaiser.gateway.api.events import LARGEST, must_see
from kaiser.gateway.api.registry import By
from kaiser.gateway.api.sensors import instant_of
from kaiser.gateway.api.views import instant
from kaiser.gateway.hindsight import KINDS, PIN_KINDS, Kind, PinKind, as_of, moment_of, never

Then = Annotated[str | None, Parameter(description="ISO 8601 with offset, or unix seconds; now by default")]
Last = Annotated[
    int | None,
    Parameter(
        ge=1,
        le=LARGEST,
        description="instead: sequence of an event in its stream, which is the last that counts, with all that was so"
        " when it was stored",
    ),
]
ABOUT_USERS: Final = frozenset({"user", "session", "key"})
ON_DEVICES: Final = frozenset({"device", "registry", "calibration"})
"""Kinds whose id is that of a device."""
OF_DEVICES: Final = frozenset({"command", "alert", "stop"})
"""Kinds whose state says which device it is about."""


class AggregateView(msgspec.Struct, frozen=True, kw_only=True):
    """Something at a time.

    Attributes:
        aggregate_id: Its id; device and pin for what hangs on a pin, ``ESP_9F03D4/25``.
        at: When.
        stream: Where its events are.
        seq: Sequence of the last one that counts; 0 for limits that nobody had set.
        events: How many count.
        state: What they made of it; secrets are left out.
    """

    kind: Kind | PinKind
    aggregate_id: str
    at: datetime
    stream: str
    seq: int
    events: int
    state: dict[str, Any]


@get(
    "/aggregates/{kind:str}/{aggregate_id:str}",
    tags=["log"],
    summary="Show something as it was",
    responses=refusals(Code.EVENT_NOT_FOUND, Code.VALUE_OUT_OF_RANGE, Code.EVENTS_GONE, Code.TOO_MANY_EVENTS),
)
async def aggregate(
    event_log: EventLog, request: By, kind: str, aggregate_id: str, at: Then = None, seq: Last = None
) -> AggregateView:
    """What events had made of something by then, folded by its owner.

    A ``device`` as every service knows it, its ``registry`` and the ``calibration`` of its sensors, a ``command``,
    ``interlock``, ``emergency`` stop, ``alert``, ``stop`` of safety, ``rule``, ``run``, ``user``, ``session``, ``key``
    or ``dead-letter``; states have the names of their other answers. Users, sessions and keys are for admins. What a
    device said of itself is not known from before its oldest heartbeat that is kept. Whoever is confined to zones sees
    devices in them, and commands, alerts and stops of these.
    """
    if kind not in KINDS:
        raise Refusal(Code.VALUE_OUT_OF_RANGE, f"{kind!r} is none of {', '.join(KINDS)}", "kind")
    if kind in ABOUT_USERS:
        must_see(request, "IDENTITY")
    _must_be_decidable(kind, aggregate_id)
    found = await _found(event_log, kind, aggregate_id, at, seq)
    if not _is_theirs(kind, found.state):
        raise never(kind, aggregate_id)
    return found


@get(
    "/aggregates/{kind:str}/{esp_id:str}/{gpio:int}",
    tags=["log"],
    summary="Show what hangs on a pin as it was",
    responses=refusals(Code.EVENT_NOT_FOUND, Code.VALUE_OUT_OF_RANGE, Code.EVENTS_GONE, Code.TOO_MANY_EVENTS),
)
async def aggregate_on_pin(
    event_log: EventLog, kind: str, esp_id: str, gpio: int, at: Then = None, seq: Last = None
) -> AggregateView:
    """What an ``actuator``, or the ``limits`` of one, were by then, as its owner folds its events.

    An actuator has its desired and its reported state, drift, policy and the commands without an end.
    """
    if kind not in PIN_KINDS:
        raise Refusal(Code.VALUE_OUT_OF_RANGE, f"{kind!r} is none of {', '.join(PIN_KINDS)}", "kind")
    if gpio < 0:
        raise never(kind, f"{esp_id}/{gpio}")
    return await _found(event_log, kind, f"{esp_id}/{gpio}", at, seq)


async def _found(event_log: EventLog, kind: str, name: str, at: str | None, seq: int | None) -> AggregateView:
    if at is not None and seq is not None:
        raise Refusal(Code.VALUE_OUT_OF_RANGE, "say when, or which event is the last, and not both", "seq")
    if seq is not None:
        then = await moment_of(event_log, kind, seq)
    else:
        then = instant_of(at, "at") if at else now_us()
    was = await as_of(event_log, kind, name, then, seq=seq or 0)
    return AggregateView(
        kind=msgspec.convert(kind, Kind | PinKind),
        aggregate_id=name,
        at=instant(then),
        stream=was.stream,
        seq=was.seq,
        events=was.events,
        state=was.state,
    )


def _must_be_decidable(kind: str, name: str) -> None:
    """Refuse to who is confined what cannot be said to be in their zones.

    Raises:
        Refusal: OUTSIDE_ZONES, or ESP_DEVICE_NOT_FOUND.
    """
    if places.ASKING.get() is None or kind in OF_DEVICES or kind == "emergency":
        return
    if kind in ON_DEVICES:
        places.must_reach(name)
        return
    words = f"a {kind} is of the whole site, and you are confined to zones"
    raise Refusal(Code.OUTSIDE_ZONES, words, "kind")


def _is_theirs(kind: str, state: dict[str, Any]) -> bool:
    """Whether somebody who is confined may see it."""
    confined = places.ASKING.get()
    if confined is None or kind in ON_DEVICES:
        return True
    if kind == "emergency":
        scope = msgspec.convert(state["scope"], Scope)
        return scope.kind in ("site", "kaiser") or confined.covers(scope)
    return confined.reaches(str(state.get("esp_id", "")))
