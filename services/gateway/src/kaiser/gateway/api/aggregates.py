"""What something was at a past time."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.params import Parameter

from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import EventLog, now_us
from kaiser.gateway.api.documented import refusals
from kaiser.gateway.api.events import must_see
from kaiser.gateway.api.registry import By
from kaiser.gateway.api.sensors import instant_of
from kaiser.gateway.api.views import instant
from kaiser.gateway.hindsight import KINDS, Kind, as_of

Then = Annotated[str | None, Parameter(description="ISO 8601 with offset, or unix seconds; now by default")]
ABOUT_USERS = frozenset({"user", "session", "key"})


class AggregateView(msgspec.Struct, frozen=True, kw_only=True):
    """Something at a time.

    Attributes:
        at: When.
        stream: Where its events are.
        seq: Sequence of the last one that counts.
        events: How many count.
        state: What they made of it; secrets are left out.
    """

    kind: Kind
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
    responses=refusals(Code.EVENT_NOT_FOUND, Code.VALUE_OUT_OF_RANGE),
)
async def aggregate(event_log: EventLog, request: By, kind: str, aggregate_id: str, at: Then = None) -> AggregateView:
    """A ``device``, ``user``, ``session``, ``key`` or ``dead-letter`` as its events had made it by then.

    Users, sessions and keys are for admins. What a device said of itself is not known from before its oldest heartbeat
    that is kept. What else there is has its events at ``GET /events?aggregate=``.
    """
    if kind not in KINDS:
        raise Refusal(Code.VALUE_OUT_OF_RANGE, f"{kind!r} is none of {', '.join(KINDS)}", "kind")
    if kind in ABOUT_USERS:
        must_see(request, "IDENTITY")
    then = instant_of(at, "at") if at else now_us()
    was = await as_of(event_log, kind, aggregate_id, then)
    return AggregateView(
        kind=kind,
        aggregate_id=aggregate_id,
        at=instant(then),
        stream=was.stream,
        seq=was.seq,
        events=was.events,
        state=was.state,
    )
