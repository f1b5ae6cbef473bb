"""What something was at a past time: its events up to then, folded by the functions that fold them today.

Only what the gateway decides about itself, and devices, whose fold is a library. What actuators, interlocks and rules
were is their owners' to say: their events can be browsed, and are not folded here by guesswork.
"""

from collections.abc import AsyncIterator
from typing import Any, Final, Literal, NamedTuple, get_args

import msgspec
from nats.js.errors import NotFoundError

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import DEADLETTER, DEVICES, HEARTBEATS, IDENTITY
from kaiser.eventlog import Delivery, EventLog, replay_batches
from kaiser.gateway import deadletters
from kaiser.gateway.browsing import without_secrets
from kaiser.gateway.identity import keys, sessions, users
from kaiser.gateway.identity.storing import decode
from kaiser.gateway.lookingup import in_time, last_before
from kaiser.roster import STRANGER, Member, learn, learnt, subjects_of

Kind = Literal["device", "user", "session", "key", "dead-letter"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class Was(NamedTuple):
    """Something at a time.

    Attributes:
        stream: Where its events are.
        seq: Sequence of the last of them.
        events: How many there were.
        state: As JSON values, without secrets.
    """

    stream: str
    seq: int
    events: int
    state: dict[str, Any]


async def as_of(event_log: EventLog, kind: Kind, name: str, at: int) -> Was:
    """What something was.

    Args:
        event_log: The log.
        kind: Of what kind it is.
        name: Its id.
        at: Unix microseconds; what was stored then counts.

    Raises:
        Refusal: EVENT_NOT_FOUND: nothing had happened to it yet.
        ProblemError: The log is away.
    """
    async with in_time():
        try:
            was = await _folded(event_log, kind, name, at)
        except NotFoundError:  # no stream either
            was = None
    if was is None:
        raise Refusal(Code.EVENT_NOT_FOUND, f"nothing had happened to the {kind} {name} by then", "aggregate_id")
    return was


async def _folded(event_log: EventLog, kind: Kind, name: str, at: int) -> Was | None:
    if kind == "device":
        return await _device(event_log, name, at)
    stream, subject = _place(kind, name)
    state: Any = {"user": users.NONE, "dead-letter": deadletters.LETTER.initial}.get(kind)
    count = seq = 0
    async for delivery in _until(event_log, stream, (subject,), at):
        state = _next(kind, state, delivery)
        count, seq = count + 1, delivery.seq
    if not count:
        return None
    found = state.get(name) if kind == "user" else state
    return Was(stream, seq, count, without_secrets(msgspec.to_builtins(found) or {}))


def _place(kind: Kind, name: str) -> tuple[str, str]:
    match kind:
        case "user":
            return IDENTITY.name, f"identity.user.{subjects.token(name)}.>"
        case "session":
            return IDENTITY.name, subjects.session_of(name)
        case "key":
            return IDENTITY.name, subjects.key_of(name)
        case _:
            return DEADLETTER.name, subjects.settled(name)


def _next(kind: Kind, state: Any, delivery: Delivery) -> Any:  # of the type that the kind has
    match kind:
        case "user":
            return users.evolve(state, decode(delivery))
        case "session":
            return sessions.evolve(state, decode(delivery))
        case "key":
            return keys.evolve(state, decode(delivery))
        case _:
            return deadletters.evolve(state, deadletters.decode(delivery))


async def _device(event_log: EventLog, esp_id: str, at: int) -> Was | None:
    """A device by all that was decided about it and by its last heartbeat, as every service knows it."""
    member: Member = STRANGER
    count = seq = 0
    async for delivery in _until(event_log, DEVICES.name, subjects_of(esp_id), at):
        member = _learnt(member, delivery.type, delivery.data)
        count, seq = count + 1, delivery.seq
    beat = await last_before(event_log, HEARTBEATS.name, f"heartbeat.*.{subjects.token(esp_id)}", at + 1)
    if beat is not None:
        member = _learnt(member, beat.event.type, beat.event.data)
    if not count:
        return None
    shown: dict[str, Any] = msgspec.to_builtins(member, str_keys=True)
    return Was(DEVICES.name, seq, count, shown | {"online": member.online, "zone_id": member.zone_id})


def _learnt(member: Member, event_type: str, body: bytes) -> Member:
    try:
        return learn(member, learnt(event_type, body))
    except ValueError:  # as everywhere, it teaches nothing
        return member


async def _until(event_log: EventLog, stream: str, filters: tuple[str, ...], at: int) -> AsyncIterator[Delivery]:
    async for batch in replay_batches(event_log, stream, subjects=filters):
        for delivery in batch:
            if delivery.stored_at > at:
                return
            yield delivery
