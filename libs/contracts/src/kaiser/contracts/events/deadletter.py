"""Dead letters: what a service could not use, kept with its reason and its bytes; and what people decided about them.

A letter is named by the sequence of its event in DEADLETTER and its place in there, counted from 0: ``4711-0``.
"""

from typing import ClassVar, Literal

import msgspec


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One message that was refused.

    Attributes:
        code: Stable code of :mod:`kaiser.contracts.codes`.
        detail: What was wrong, in words.
        where: Path of the field or part, empty for the whole.
        payload: The bytes as they came; base64 in JSON.
        received_at: When it was taken, unix microseconds.
        topic: MQTT topic, empty for what came from the log.
        subject: NATS subject, empty for what came from the broker.
        stream: Stream of ``subject``.
        stream_seq: Sequence in that stream.
        attempts: How often it was tried.
    """

    code: str
    detail: str
    where: str = ""
    payload: bytes = b""
    received_at: int
    topic: str = ""
    subject: str = ""
    stream: str = ""
    stream_seq: int = 0
    attempts: int = 1


class DeadLetters(msgspec.Struct, frozen=True, kw_only=True):
    """Letters that were refused together. Subject ``deadletter.{service}``.

    A batch, because a device that sends garbage at full speed must not cost the others their bridge.

    Attributes:
        service: Who refused.
        letters: In the order in which they came.
    """

    TYPE: ClassVar[str] = "io.kaiser.deadletter.v1"

    service: str
    letters: list[DeadLetter]


class LetterEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What every decision about a dead letter says. Subject ``deadletter.settled.{letter}``, written by the gateway.

    Attributes:
        letter_id: Which letter.
        at: When, unix microseconds.
        by: User name of who decided.
    """

    letter_id: str
    at: int
    by: str


class ReplayOrdered(LetterEvent, frozen=True, kw_only=True):
    """Somebody wants a dead letter to be taken once more.

    Attributes:
        replay_id: This try; what comes of it is in the log under ids made of this one, so that it is there once.
        payload: The bytes that are to be taken; base64 in JSON.
        edited: Whether they are others than those of the letter.
        reason: Why.
    """

    TYPE: ClassVar[str] = "io.kaiser.deadletter.replay_ordered.v1"

    replay_id: str
    payload: bytes
    edited: bool
    reason: str


class ReplayEnded(LetterEvent, frozen=True, kw_only=True):
    """What came of a replay.

    Attributes:
        replay_id: Which try.
        outcome: ``stored``: it is in the log now. ``refused``: as before, and it may be tried again.
        code: Why it was refused.
        detail: The same in words.
        event_ids: Of the events that it became.
    """

    TYPE: ClassVar[str] = "io.kaiser.deadletter.replay_ended.v1"

    replay_id: str
    outcome: Literal["stored", "refused"]
    code: str = ""
    detail: str = ""
    event_ids: tuple[str, ...] = ()


class LetterDiscarded(LetterEvent, frozen=True, kw_only=True):
    """Somebody has looked at a dead letter, and nothing is to come of it. Its bytes stay as long as any.

    Attributes:
        reason: Why.
    """

    TYPE: ClassVar[str] = "io.kaiser.deadletter.discarded.v1"

    reason: str


Settlement = ReplayOrdered | ReplayEnded | LetterDiscarded
SETTLEMENT_EVENTS: tuple[type[Settlement], ...] = (ReplayOrdered, ReplayEnded, LetterDiscarded)
