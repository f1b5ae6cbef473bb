"""Dead letters: what services could not use; look at it, have it taken once more, or say that nothing comes of it.

*Replay of a message of a device*: the bridge takes the bytes, as they are or edited, as though the broker had handed
them over when the letter was written. It takes readings and faults; what says how things are is out of date, and the
device says it again. *An event that a service could not use* is in its stream still, unchanged, and is not
replayed here: facts are not written twice, and what was not made of it is made by a rebuild. One order has one outcome.
"""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import Body, Parameter, QueryParameter

from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Refusal
from kaiser.gateway.api.documented import example, refusals
from kaiser.gateway.api.registry import By, Text, who_asks
from kaiser.gateway.api.sensors import From, Limit, To, instant_of
from kaiser.gateway.api.views import PageView, instant, moment
from kaiser.gateway.deadletters import LetterState
from kaiser.gateway.letters import Found, Letters, Wanted

LETTER = "/dead-letters/{letter_id:str}"
Service = Annotated[str, Parameter(pattern="^[a-z]*$", description="who refused it")]
Reason = Annotated[str, Parameter(max_length=64, description="code of the refusal")]
About = Annotated[
    str, Parameter(max_length=256, description="part of the MQTT topic or NATS subject: a device id, say")
]


class LetterView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a service could not use.

    Attributes:
        letter_id: Sequence of its event in DEADLETTER, and its place in there.
        code: Why it was refused.
        where: Field or part that was wrong.
        received_at: When it was taken.
        topic: MQTT topic; empty for what came from the log.
        subject: NATS subject; empty for what came from the broker.
        stream: Stream of ``subject``, with ``stream_seq``.
        size: Bytes of the payload.
        state: ``open``, ``replaying`` (ordered, and not answered yet), ``replayed`` or ``discarded``.
        seq: Sequence in DEADLETTER of the last event about it.
    """

    letter_id: str
    service: str
    code: str
    detail: str
    where: str
    received_at: datetime
    stored_at: datetime
    topic: str
    subject: str
    stream: str
    stream_seq: int
    attempts: int
    size: int
    state: LetterState
    seq: int


class LetterInFullView(LetterView, frozen=True, kw_only=True):
    """The same with its bytes and what was decided.

    Attributes:
        payload_base64: The bytes as they came.
        payload_text: The same as text, where they are UTF-8.
        settled_at: When the last thing was decided about it.
        settled_by: By whom.
        reason: Why.
        replayed_base64: The bytes that were taken instead, or are to be.
        event_ids: Events that a replay became.
        last_code: Why the last replay was refused; empty for none.
        last_detail: The same in words.
    """

    payload_base64: str
    payload_text: str | None
    settled_at: datetime | None
    settled_by: str
    reason: str
    replayed_base64: str | None
    event_ids: list[str]
    last_code: str
    last_detail: str


class ReplayWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, and with which bytes; with its own where none are given.

    Attributes:
        payload_text: Other bytes, as text.
        payload_base64: Other bytes, whatever they are.
    """

    reason: Text
    payload_text: Annotated[str, msgspec.Meta(max_length=65_536)] | None = None
    payload_base64: Annotated[str, msgspec.Meta(max_length=87_384)] | None = None


class DiscardWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why nothing is to come of it."""

    reason: Text


@get("/dead-letters", tags=["log"], summary="List dead letters", responses=refusals(Code.VALUE_OUT_OF_RANGE))
async def dead_letters(
    letters: Letters,
    service: Service = "",
    code: Reason = "",
    about: About = "",
    letter_state: Annotated[LetterState | None, QueryParameter(name="state", description="what was decided")] = None,
    from_: From = None,
    to: To = None,
    limit: Limit = 100,
    cursor: str | None = None,
) -> PageView[LetterView]:
    """Letters, oldest first; by default all there are. A page may be short: go on while there is a ``next_cursor``."""
    start = instant_of(from_, "from") if from_ else 0
    end = instant_of(to, "to") if to else 0
    wanted = Wanted(service=service, code=code, about=about, state=letter_state, start=start, end=end)
    found, next_cursor = await letters.page(wanted, limit=limit, cursor=cursor)
    return PageView([LetterView(**_fields(each)) for each in found], next_cursor)


@get(LETTER, tags=["log"], summary="Show a dead letter", responses=refusals(Code.DEADLETTER_NOT_FOUND))
async def dead_letter(letters: Letters, letter_id: str) -> LetterInFullView:
    """One letter with its bytes, and what was decided about it."""
    return _in_full(await letters.find(letter_id))


@post(
    f"{LETTER}/replay",
    status_code=200,
    tags=["log"],
    summary="Replay a dead letter",
    responses=refusals(
        Code.INVALID_PAYLOAD_FORMAT,
        Code.DEADLETTER_NOT_FOUND,
        Code.DEADLETTER_SETTLED,
        Code.REPLAY_REFUSED,
        Code.SERVICE_ERROR,
    ),
)
async def replay(
    letters: Letters,
    request: By,
    letter_id: str,
    data: Annotated[
        ReplayWish,
        Body(
            examples=[
                example("as it is", reason="the device is known now"),
                example(
                    "mended",
                    reason="a brace was missing",
                    payload_text='{"ts":1777614000,"esp_id":"ESP_9F03D4","gpio":33,"sensor_type":"ph","raw":2210}',
                ),
            ]
        ),
    ],
) -> LetterInFullView:
    """Have a message of a device taken once more. The same again changes nothing and has the same answer.

    A message that is refused once more stays open, and the answer says why. After a 503 it is not known whether the
    bridge took it; the same request goes on with that. Readings count as received when they were; what says how things
    are, and what came from the log, cannot be replayed.
    """
    payload = _bytes(data)
    return _in_full(await letters.replay(letter_id, payload=payload, reason=data.reason, by=who_asks(request)))


@post(
    f"{LETTER}/discard",
    status_code=200,
    tags=["log"],
    summary="Discard a dead letter",
    responses=refusals(Code.DEADLETTER_NOT_FOUND, Code.DEADLETTER_SETTLED),
)
async def discard(
    letters: Letters,
    request: By,
    letter_id: str,
    data: Annotated[DiscardWish, Body(examples=[example("a test", reason="somebody's test")])],
) -> LetterInFullView:
    """Note that nothing is to come of it. It stays where it is for its thirty days; the same again changes nothing."""
    return _in_full(await letters.discard(letter_id, reason=data.reason, by=who_asks(request)))


def _bytes(wish: ReplayWish) -> bytes | None:
    if wish.payload_text is not None and wish.payload_base64 is not None:
        raise Refusal(Code.INVALID_PAYLOAD_FORMAT, "a payload is text or base64, not both", "payload_base64")
    if wish.payload_text is not None:
        return wish.payload_text.encode()
    if wish.payload_base64 is None:
        return None
    try:
        return base64.b64decode(wish.payload_base64, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(Code.INVALID_PAYLOAD_FORMAT, "this is no base64", "payload_base64") from None


def _text(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def _fields(found: Found) -> dict[str, Any]:  # of whatever types the fields have
    letter = found.letter
    return {
        "letter_id": found.letter_id,
        "service": found.service,
        "code": letter.code,
        "detail": letter.detail,
        "where": letter.where,
        "received_at": instant(letter.received_at),
        "stored_at": instant(found.stored_at),
        "topic": letter.topic,
        "subject": letter.subject,
        "stream": letter.stream,
        "stream_seq": letter.stream_seq,
        "attempts": letter.attempts,
        "size": len(letter.payload),
        "state": found.settled.state,
        "seq": found.state_seq,
    }


def _in_full(found: Found) -> LetterInFullView:
    settled = found.settled
    last = settled.discarded or settled.ended or settled.order
    reason = settled.discarded or settled.order
    ended = settled.ended
    return LetterInFullView(
        **_fields(found),
        payload_base64=base64.b64encode(found.letter.payload).decode(),
        payload_text=_text(found.letter.payload),
        settled_at=moment(last.at) if last else None,
        settled_by=last.by if last else "",
        reason=reason.reason if reason else "",
        replayed_base64=base64.b64encode(settled.order.payload).decode() if settled.order else None,
        event_ids=list(ended.event_ids) if ended else [],
        last_code=ended.code if ended else "",
        last_detail=ended.detail if ended else "",
    )
