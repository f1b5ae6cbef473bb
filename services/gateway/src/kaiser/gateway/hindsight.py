"""What something was at a past time: its events up to then, folded by the functions that fold them today.

What the gateway decides about itself is folded here, and devices, whose fold is a library. What an actuator, a command,
a rule or whatever safety keeps was, its owner says, who has the fold.
"""

from typing import Any, Final, Literal, NamedTuple, get_args

import msgspec
from nats.js.errors import NotFoundError

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.past import OWNERS, READ_S, STREAMS, StateAt, StateAtQuery
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import DEADLETTER, DEVICES, IDENTITY
from kaiser.eventlog import Delivery, EventLog, TooManyEvents, up_to
from kaiser.gateway import deadletters
from kaiser.gateway.asking import ask
from kaiser.gateway.browsing import one, without_secrets
from kaiser.gateway.identity import keys, sessions, users
from kaiser.gateway.identity.storing import decode
from kaiser.gateway.lookingup import in_time
from kaiser.roster import member_at

OwnKind = Literal["device", "user", "session", "key", "dead-letter"]
Kind = Literal[
    "device",
    "registry",
    "calibration",
    "user",
    "session",
    "key",
    "dead-letter",
    "command",
    "interlock",
    "emergency",
    "alert",
    "stop",
    "rule",
    "run",
]
PinKind = Literal["actuator", "limits"]
OWN: Final[tuple[str, ...]] = get_args(OwnKind)
KINDS: Final[tuple[str, ...]] = get_args(Kind)
PIN_KINDS: Final[tuple[str, ...]] = get_args(PinKind)
MOST_EVENTS: Final = 50_000


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


async def as_of(event_log: EventLog, kind: str, name: str, at: int, *, seq: int = 0) -> Was:
    """What something was.

    Args:
        event_log: The log.
        kind: Of what kind it is: one of ``KINDS`` or ``PIN_KINDS``.
        name: Its id; device and pin, with a slash, for what hangs on a pin.
        at: Unix microseconds; what was stored then counts.
        seq: Of its own stream nothing behind this sequence counts; 0 for none.

    Raises:
        Refusal: EVENT_NOT_FOUND: nothing had happened to it yet. EVENTS_GONE, TOO_MANY_EVENTS: it cannot be said.
        ProblemError: The same of its owner; or the log is away, or the owner.
    """
    if kind not in OWN:
        query = StateAtQuery(kind=kind, name=name, at=at, seq=seq)
        found = await ask(event_log, OWNERS[kind], "state_at", query, StateAt, wait_s=READ_S)
        return Was(found.stream, found.seq, found.events, without_secrets(found.state))
    async with in_time():
        try:
            was = await _folded(event_log, kind, name, at, seq)
        except NotFoundError:  # no stream either
            was = None
        except TooManyEvents as error:
            raise Refusal(Code.TOO_MANY_EVENTS, f"{error}; ask for an earlier moment", "at") from error
    if was is None:
        raise never(kind, name)
    return was


async def moment_of(event_log: EventLog, kind: str, seq: int) -> int:
    """When the event of a sequence in the stream of a kind was stored, unix microseconds.

    Raises:
        Refusal: EVENT_NOT_FOUND: there is none.
        ProblemError: The log is away.
    """
    stream = STREAMS[OWNERS[kind]] if kind in OWNERS else _place(kind, "")[0]
    return (await one(event_log, stream, seq)).stored_at


def never(kind: str, name: str) -> Refusal:
    """That nothing had happened to something."""
    return Refusal(Code.EVENT_NOT_FOUND, f"nothing had happened to the {kind} {name} by then", "aggregate_id")


async def _folded(event_log: EventLog, kind: str, name: str, at: int, seq: int) -> Was | None:
    if kind == "device":
        return await _device(event_log, name, at, seq)
    stream, subject = _place(kind, name)
    state: Any = {"user": users.NONE, "dead-letter": deadletters.LETTER.initial}.get(kind)
    count = last = 0
    async for delivery in up_to(event_log, stream, (subject,), at, seq=seq, most=MOST_EVENTS):
        state = _next(kind, state, delivery)
        count, last = count + 1, delivery.seq
    if not count:
        return None
    found = state.get(name) if kind == "user" else state
    if found is None:
        words = f"the oldest event of the {kind} {name} in {stream} is not its first"
        raise Refusal(Code.EVENTS_GONE, words, "at")
    return Was(stream, last, count, without_secrets(msgspec.to_builtins(found)))


def _place(kind: str, name: str) -> tuple[str, str]:
    match kind:
        case "device":
            return DEVICES.name, f"device.*.{subjects.token(name)}.>"
        case "user":
            return IDENTITY.name, f"identity.user.{subjects.token(name)}.>"
        case "session":
            return IDENTITY.name, subjects.session_of(name)
        case "key":
            return IDENTITY.name, subjects.key_of(name)
        case _:
            return DEADLETTER.name, subjects.settled(name)


def _next(kind: str, state: Any, delivery: Delivery) -> Any:  # of the type that the kind has
    match kind:
        case "user":
            return users.evolve(state, decode(delivery))
        case "session":
            return sessions.evolve(state, decode(delivery))
        case "key":
            return keys.evolve(state, decode(delivery))
        case _:
            return deadletters.evolve(state, deadletters.decode(delivery))


async def _device(event_log: EventLog, esp_id: str, at: int, seq: int) -> Was | None:
    """A device by all that was decided about it and by its last heartbeat, as every service knows it."""
    member, last, count = await member_at(event_log, esp_id, at, seq=seq)
    if not count:
        return None
    shown: dict[str, Any] = msgspec.to_builtins(member, str_keys=True)
    return Was(DEVICES.name, last, count, shown | {"online": member.online, "zone_id": member.zone_id})
