"""What was done, by whom, from where, and what came of it; for admins, and for machines that keep it elsewhere."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.params import Parameter
from litestar.response import Stream

from kaiser.contracts.codes import Code
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.identity import Audited
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import EventLog
from kaiser.gateway.api.devices import Limit
from kaiser.gateway.api.documented import refusals
from kaiser.gateway.api.sensors import From, To, span
from kaiser.gateway.api.views import PageView, instant
from kaiser.gateway.audit import reading
from kaiser.gateway.audit.reading import Wanted
from kaiser.gateway.lookingup import in_time

JSON_LINES: Final = "application/x-ndjson"
Whose = Annotated[str | None, Parameter(max_length=128, description="user id; `key:` and its id for a machine")]
PathStart = Annotated[str, Parameter(max_length=512, description="what the path begins with")]
Refused = Annotated[bool, Parameter(description="only what was refused or failed")]


class AuditView(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asked for, and what came of it.

    Attributes:
        number: Counts the entries without a gap.
        username: Who; what was typed for a login that failed.
        via: Session or key.
        subject: What the answer was about: a command, a stop, a user.
        seq: Sequence of the event that came of it, where the answer said one.
        previous: Hash of the entry before.
    """

    number: int
    at: datetime
    username: str
    user_id: str
    via: str
    address: str
    method: str
    path: str
    route: str
    status: int
    code: str
    subject: str
    seq: int
    previous: str
    hash: str


@get("/audit", tags=["audit"], summary="List what was done", responses=refusals(Code.VALUE_OUT_OF_RANGE))
async def audit(
    event_log: EventLog,
    from_: From = None,
    to: To = None,
    user_id: Whose = None,
    path: PathStart = "",
    refused: Refused = False,
    limit: Limit = 100,
    cursor: str | None = None,
) -> PageView[AuditView]:
    """Entries, oldest first; the last day by default. A page may be short: go on while there is a ``next_cursor``."""
    start, end = span(from_, to)
    wanted = Wanted(user_id=user_id, start=start, end=end, path=path, refused=refused)
    found, next_cursor = await reading.page(event_log, wanted, limit=limit, cursor=cursor)
    return PageView([_view(entry) for entry in found], next_cursor)


@get("/audit/{number:int}", tags=["audit"], summary="Show an entry", responses=refusals(Code.EVENT_NOT_FOUND))
async def audited(event_log: EventLog, number: int) -> AuditView:
    """What somebody asked for, and what came of it, by its number."""
    found = await reading.numbered(event_log, number)
    if found is None:
        raise Refusal(Code.EVENT_NOT_FOUND, f"the audit has no entry {number}", "number")
    return _view(found)


@get("/audit/export.jsonl", tags=["audit"], summary="Export what was done", media_type=JSON_LINES)
async def export(event_log: EventLog, from_: From = None, to: To = None) -> Stream:
    """Every entry of a span, one a line, as ``python -m kaiser.gateway audit --file`` verifies them.

    When the log goes away in the middle, the connection is cut: a file that ended well is whole.
    """
    start, end = span(from_, to)
    lines = _lines(event_log, Wanted(start=start, end=end))
    async with in_time():
        first = await anext(lines, b"")  # so that a log that is away is a problem, not a file
    return Stream(_whole(first, lines), media_type=JSON_LINES)


async def _lines(event_log: EventLog, wanted: Wanted) -> AsyncIterator[bytes]:
    async for _, entry in reading.entries(event_log, wanted):
        if wanted.takes(entry):
            yield encode(entry) + b"\n"


async def _whole(first: bytes, following: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for line in following:
        yield line


def _view(entry: Audited) -> AuditView:
    return AuditView(**{**msgspec.structs.asdict(entry), "at": instant(entry.at)})
