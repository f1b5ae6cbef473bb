"""What people decide about dead letters: an aggregate a letter, events in DEADLETTER. Pure.

A letter is open until something came of it, or until somebody discards it. While a replay is under way, the same order
goes on with it, and any other one is refused: so whoever asks twice gets one outcome.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.events.codec import EventDecoder, encode
from kaiser.contracts.events.deadletter import (
    SETTLEMENT_EVENTS,
    LetterDiscarded,
    ReplayEnded,
    ReplayOrdered,
    Settlement,
)
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import Aggregate, Delivery, Event

LetterState = Literal["open", "replaying", "replayed", "discarded"]
SOURCE: Final = "kaiser/gateway"

_decoder: Final = EventDecoder({event.TYPE: event for event in SETTLEMENT_EVENTS})


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided about one dead letter.

    Attributes:
        tries: How often its replay was ordered.
        order: The replay that is under way, or that something came of.
        ended: How the last replay ended.
        discarded: That nothing is to come of it.
    """

    tries: int = 0
    order: ReplayOrdered | None = None
    ended: ReplayEnded | None = None
    discarded: LetterDiscarded | None = None

    @property
    def state(self) -> LetterState:
        """In a word."""
        if self.discarded is not None:
            return "discarded"
        if self.order is None:
            return "open"
        return "replaying" if self.ended is None else "replayed"


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """Take it once more, with these bytes."""

    letter_id: str
    payload: bytes
    edited: bool
    reason: str
    by: str
    at: int


class End(msgspec.Struct, frozen=True, kw_only=True):
    """Its replay has come to this end."""

    event: ReplayEnded


class Discard(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is to come of it."""

    letter_id: str
    reason: str
    by: str
    at: int


Wish = Replay | End | Discard


def decide(letter: Letter, wish: Wish) -> Sequence[Settlement]:
    """What follows from a wish; nothing where it is so already. Pure.

    Raises:
        Refusal: DEADLETTER_SETTLED: something else was decided.
    """
    if isinstance(wish, End):
        order = letter.order
        under_way = order is not None and letter.state == "replaying" and order.replay_id == wish.event.replay_id
        return (wish.event,) if under_way else ()
    if isinstance(wish, Discard):
        return _discarded(letter, wish)
    return _ordered(letter, wish)


def _ordered(letter: Letter, wish: Replay) -> Sequence[Settlement]:
    if letter.discarded is not None:
        raise Refusal(Code.DEADLETTER_SETTLED, f"{letter.discarded.by} discarded it: {letter.discarded.reason}")
    if letter.order is not None:
        if letter.order.payload == wish.payload:
            return ()
        words = f"{letter.order.by} ordered a replay with another payload, which is {letter.state}"
        raise Refusal(Code.DEADLETTER_SETTLED, words, "payload")
    return (
        ReplayOrdered(
            letter_id=wish.letter_id,
            at=wish.at,
            by=wish.by,
            replay_id=f"{wish.letter_id}.{letter.tries + 1}",
            payload=wish.payload,
            edited=wish.edited,
            reason=wish.reason,
        ),
    )


def _discarded(letter: Letter, wish: Discard) -> Sequence[Settlement]:
    if letter.discarded is not None:
        return ()
    if letter.order is not None:
        raise Refusal(Code.DEADLETTER_SETTLED, f"{letter.order.by} ordered its replay, which is {letter.state}")
    return (LetterDiscarded(letter_id=wish.letter_id, at=wish.at, by=wish.by, reason=wish.reason),)


def evolve(letter: Letter, event: Settlement) -> Letter:
    """A letter after an event. Pure."""
    if isinstance(event, ReplayOrdered):
        return msgspec.structs.replace(letter, tries=letter.tries + 1, order=event, ended=None)
    if isinstance(event, ReplayEnded):
        order = letter.order if event.outcome == "stored" else None
        return msgspec.structs.replace(letter, order=order, ended=event)
    return msgspec.structs.replace(letter, discarded=event)


def decode(delivery: Delivery) -> Settlement:
    """The event in a message of the log."""
    event: Settlement = _decoder.decode(delivery.type, delivery.data)
    return event


def _event(event: Settlement) -> Event:
    subject = subjects.settled(event.letter_id)
    return Event(subject=subject, type=event.TYPE, data=encode(event), source=SOURCE, time=event.at)


LETTER: Final[Aggregate[Letter, Wish, Settlement]] = Aggregate(
    initial=Letter(), decide=decide, evolve=evolve, encode=_event, decode=decode
)
