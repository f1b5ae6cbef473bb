"""Dead letters: what a service could not use, kept with its reason and its bytes."""

from typing import ClassVar

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
