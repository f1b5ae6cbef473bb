"""Why something is as it is: the whole chain of causes of an event in one answer."""

import base64
from typing import Any, Final

import msgspec
from litestar import get

from kaiser.contracts.codes import Code
from kaiser.contracts.streams import IDENTITY
from kaiser.eventlog import EventLog, Message
from kaiser.gateway.api.authorisation import may
from kaiser.gateway.api.documented import refusals
from kaiser.gateway.api.events import EVENT, EventView, found, is_theirs, view
from kaiser.gateway.api.registry import By
from kaiser.gateway.causes import RootKind, root
from kaiser.gateway.chaining import chain

FOR_ADMINS: Final = frozenset({"address", "via", "user_id", "previous", "hash"})


class CauseView(msgspec.Struct, frozen=True, kw_only=True):
    """A cause of an event, or of another cause of it.

    Attributes:
        of: Stream and sequence of the event that it is a cause of, such as ``ACTUATORS/1207``.
        relation: In which way it is.
        root: Set where it came of nothing else: something that a ``device`` said, that a ``user`` asked for, or that
            ``kaiser`` decided by itself.
        body_base64: Of what a device said: the bytes as the log has them.
    """

    of: str
    relation: str
    root: RootKind | None
    event: EventView
    body_base64: str | None


class CausesView(msgspec.Struct, frozen=True, kw_only=True):
    """An event and all that it came of, the nearest causes first.

    Attributes:
        complete: Whether every cause that is named was found.
        missing: Causes that are named and not there, each as what names it and how.
        cut: Whether there may be more than fits into one answer (ask for the causes of the last ones), or a cause among
            so many events that not all of them were looked at.
        withheld: Causes that are not shown to who is confined to zones, with what they came of themselves: what is
            about no device in these zones, and what is about users or about several devices, as readings are.
    """

    event: EventView
    root: RootKind | None
    causes: list[CauseView]
    complete: bool
    missing: list[str]
    cut: bool
    withheld: int


@get(f"{EVENT}/causes", tags=["log"], summary="Say why", responses=refusals(Code.EVENT_NOT_FOUND))
async def causes(event_log: EventLog, request: By, stream: str, seq: int) -> CausesView:
    """The chain of causes of an event, down to what devices said or what somebody asked for.

    From where somebody asked is for admins. Who is confined to zones sees those about devices that are in them.
    """
    first = await found(event_log, request, stream, seq)
    whole = await chain(event_log, first)
    all_of_it = whole.only(first, is_theirs)
    withheld = len(whole.links) - len(all_of_it.links)
    roots = {(message.stream, message.seq): root(message) for message in whole.roots(first)}
    admin = may(request.scope["user"], "admin")

    def shown(message: Message) -> EventView:
        event = view(message)
        if message.stream != IDENTITY.name or admin:
            return event
        data: dict[str, Any] = {name: value for name, value in event.data.items() if name not in FOR_ADMINS}
        return msgspec.structs.replace(event, data=data)

    return CausesView(
        event=shown(first),
        root=roots.get((first.stream, first.seq)),
        causes=[
            CauseView(
                of=_named(link.of),
                relation=link.relation,
                root=(kind := roots.get((link.cause.stream, link.cause.seq))),
                event=shown(link.cause),
                body_base64=base64.b64encode(link.cause.event.data).decode() if kind == "device" else None,
            )
            for link in all_of_it.links
        ],
        complete=not all_of_it.missing and not all_of_it.cut and not withheld,
        missing=[f"{_named(gap.of)}: {gap.relation}" for gap in all_of_it.missing],
        cut=all_of_it.cut,
        withheld=withheld,
    )


def _named(message: Message) -> str:
    return f"{message.stream}/{message.seq}"
