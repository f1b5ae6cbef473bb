"""Why something is as it is: the whole chain of causes of an event in one answer."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
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
from kaiser.gateway.api.views import instant
from kaiser.gateway.as_sent import Place, Sent, sent
from kaiser.gateway.causes import RootKind, root
from kaiser.gateway.chaining import chain, named

FOR_ADMINS: Final = frozenset({"address", "via", "user_id", "previous", "hash"})


class SentView(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a device as the broker handed it over.

    Attributes:
        payload_base64: Its bytes.
        text: The same as text, where it is UTF-8.
        received_at: When the bridge took it from the broker.
        qos: 0 or 1; null where it is not known, for it was taken once more out of the dead letters.
        dup: Whether the broker had sent it before; null likewise.
        redacted: Whether `***` stands in it for what is a secret by its name.
    """

    topic: str
    payload_base64: str
    text: str | None
    received_at: datetime
    qos: int | None
    dup: bool | None
    redacted: bool


class CauseView(msgspec.Struct, frozen=True, kw_only=True):
    """A cause of an event, or of another cause of it.

    Attributes:
        of: Stream and sequence of the event that it is a cause of, such as ``ACTUATORS/1207``.
        relation: In which way it is.
        root: Set where it came of nothing else: something that a ``device`` said, that a ``user`` asked for, or that
            ``kaiser`` decided by itself.
        body_base64: Of what a device said: the body of its event.
        sent: What the device sent; of a batch of readings, those that the chain is about. Empty where the event is no
            message of a device, or was stored by a release that did not keep them.
    """

    of: str
    relation: str
    root: RootKind | None
    event: EventView
    body_base64: str | None
    sent: list[SentView]


class CausesView(msgspec.Struct, frozen=True, kw_only=True):
    """An event and all that it came of, the nearest causes first.

    Attributes:
        sent: What the device sent, if the event itself is a message of a device.
        complete: Whether every cause that is named was found.
        missing: Causes that are named and not there, each as what names it and how.
        cut: Whether there may be more.
        cut_because: Why: it does not fit into one answer (ask for the causes of the last ones), a cause was not found
            among so many events that not all of them were looked at, or its stream has let it go.
        withheld: Causes that are not shown to who is confined to zones, with what they came of themselves: what is
            about no device in these zones, and what is about users or about several devices, as readings are.
    """

    event: EventView
    root: RootKind | None
    causes: list[CauseView]
    complete: bool
    missing: list[str]
    cut: bool
    cut_because: list[str]
    withheld: int
    sent: list[SentView]


@get(f"{EVENT}/causes", tags=["log"], summary="Say why", responses=refusals(Code.EVENT_NOT_FOUND))
async def causes(event_log: EventLog, request: By, stream: str, seq: int) -> CausesView:
    """The chain of causes of an event, down to what devices said or what somebody asked for.

    From where somebody asked is for admins. Who is confined to zones sees those about devices that are in them.
    """
    first = await found(event_log, request, stream, seq)
    whole = await chain(event_log, first)
    all_of_it = whole.only(first, is_theirs)
    links = all_of_it.links
    withheld = len(whole.links) - len(links)
    roots = {(message.stream, message.seq): root(message) for message in whole.roots(first)}
    as_sent = sent(first, ((link.of, link.cause) for link in links))
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
                of=named(link.of),
                relation=link.relation,
                root=(kind := roots.get((link.cause.stream, link.cause.seq))),
                event=shown(link.cause),
                body_base64=base64.b64encode(link.cause.event.data).decode() if kind == "device" else None,
                sent=_sent(as_sent, link.cause),
            )
            for link in links
        ],
        complete=not all_of_it.missing and not all_of_it.cut and not withheld,
        missing=[f"{named(gap.of)}: {gap.relation}" for gap in all_of_it.missing],
        cut=all_of_it.cut,
        cut_because=all_of_it.cut_because,
        withheld=withheld,
        sent=_sent(as_sent, first),
    )


def _sent(as_sent: Mapping[Place, Sequence[Sent]], message: Message) -> list[SentView]:
    return [
        SentView(
            topic=each.topic,
            payload_base64=base64.b64encode(each.payload).decode(),
            text=_text(each.payload),
            received_at=instant(each.received_at),
            qos=each.qos,
            dup=each.dup,
            redacted=each.redacted,
        )
        for each in as_sent.get((message.stream, message.seq), ())
    ]


def _text(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None
