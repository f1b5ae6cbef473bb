"""Reads the log as it is, a page at a time."""

import contextlib
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from nats.js.errors import NotFoundError

from kaiser.contracts import cursors, subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import (
    ACTUATORS,
    DEADLETTER,
    DEVICES,
    HEARTBEATS,
    IDENTITY,
    LOGIC,
    SAFETY,
    TELEMETRY,
    TELEMETRY_RAW,
)
from kaiser.eventlog import EventLog, Message, message_at, message_of, replay_batches
from kaiser.gateway.lookingup import in_time

STREAMS: Final = {
    spec.name: spec
    for spec in (TELEMETRY_RAW, TELEMETRY, DEVICES, HEARTBEATS, ACTUATORS, SAFETY, LOGIC, IDENTITY, DEADLETTER)
}
"""Those that can be read: DOWNLINK is a queue, from which reading takes."""
LOOKED_AT: Final = 20_000
LOOKED_AT_BYTES: Final = 32 * 1024 * 1024
"""Messages, and bytes of them, that one page looks at; what is rarer comes on a later page."""
PAGE_BYTES: Final = 4 * 1024 * 1024
"""Bytes of events in one page, after which it ends."""
SECRET: Final = frozenset({"password_hash", "digest"})
"""Fields of events about users, keys and devices that are nobody's business."""
WITH_SECRETS: Final = ("io.kaiser.identity.", "io.kaiser.device.")
PLACED: Final = 3
"""Tokens behind ``safety`` of an event about one actuator: kind, device and pin."""

_SUBJECT: Final = re.compile(r"[^\s.*>]+(\.([^\s.*>]+|\*))*(\.>)?")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which events of a stream.

    Attributes:
        stream: Which.
        subject: NATS filter; empty for all.
        kind: What the type begins with; empty for all.
        start: Stored then or later, unix microseconds; 0 for from the beginning.
        end: Stored before; 0 for to the end.
    """

    stream: str
    subject: str = ""
    kind: str = ""
    start: int = 0
    end: int = 0


class Aggregate(NamedTuple):
    """Where the events of something are, and the device that they are all about; empty for none."""

    stream: str
    subject: str
    esp_id: str = ""


def _of_pin(pattern: str, name: str) -> str:
    esp_id, _, gpio = name.partition("/")
    if not gpio.isascii() or not gpio.isdigit():
        raise Refusal(Code.VALUE_OUT_OF_RANGE, f"{name!r} is no device and pin, such as ESP_9F03D4/25", "aggregate")
    return pattern.format(subjects.token(esp_id), int(gpio))


def aggregate(text: str) -> Aggregate:
    """Where the events of something are, such as ``actuator/ESP_9F03D4/25``. Pure.

    Raises:
        Refusal: VALUE_OUT_OF_RANGE: there are no such things.
    """
    kind, _, name = text.partition("/")
    if not name:
        raise Refusal(Code.VALUE_OUT_OF_RANGE, f"{text!r} is no kind and id, such as rule/water-north", "aggregate")
    token = subjects.token
    match kind:
        case "device":
            return Aggregate(DEVICES.name, f"device.*.{token(name)}.>", name)
        case "registry":
            return Aggregate(DEVICES.name, subjects.registry_of(name), name)
        case "calibration":
            return Aggregate(DEVICES.name, subjects.calibration_of(name), name)
        case "heartbeat":
            return Aggregate(HEARTBEATS.name, f"heartbeat.*.{token(name)}", name)
        case "actuator":
            return Aggregate(ACTUATORS.name, _of_pin("actuator.*.{}.{}.>", name), name.partition("/")[0])
        case "safety":
            return Aggregate(SAFETY.name, _of_pin("safety.*.{}.{}", name), name.partition("/")[0])
        case "interlock":
            return Aggregate(SAFETY.name, subjects.interlock(name))
        case "rule":
            return Aggregate(LOGIC.name, subjects.rule_of(name))
        case "run":
            return Aggregate(LOGIC.name, subjects.run(name))
        case "user":
            return Aggregate(IDENTITY.name, f"identity.user.{token(name)}.>")
        case "session":
            return Aggregate(IDENTITY.name, subjects.session_of(name))
        case "key":
            return Aggregate(IDENTITY.name, subjects.key_of(name))
        case _:
            kinds = (
                "device, registry, calibration, heartbeat, actuator, safety, interlock, rule, run, user, session, key"
            )
            raise Refusal(Code.VALUE_OUT_OF_RANGE, f"{kind!r} is none of {kinds}", "aggregate")


def must_be_of(stream: str, subject: str) -> None:
    """Hold a filter to what a stream can have. Pure.

    Raises:
        Refusal: VALUE_OUT_OF_RANGE: the filter is none, or is of another stream.
    """
    if not subject:
        return
    heads = {each.partition(".")[0] for each in STREAMS[stream].subjects}
    plain = subject.isascii() and subject.isprintable()
    if not plain or not _SUBJECT.fullmatch(subject) or subject.partition(".")[0] not in heads:
        words = f"{subject!r} is no filter of {stream}, whose subjects begin with {' or '.join(sorted(heads))}"
        raise Refusal(Code.VALUE_OUT_OF_RANGE, words, "subject")


async def page(
    event_log: EventLog, wanted: Wanted, *, limit: int, cursor: str | None
) -> tuple[list[Message], str | None]:
    """Events, oldest first, and where the next page begins; None on the last.

    Raises:
        Refusal: VALUE_OUT_OF_RANGE: the cursor is none.
        ProblemError: The log is away.
    """
    position = cursors.read(cursor, (int,))
    try:
        async with in_time():
            return await _page(event_log, wanted, limit=limit, after=position[0] if position else 0)
    except NotFoundError:  # its writer has never run
        return [], None


async def _page(event_log: EventLog, wanted: Wanted, *, limit: int, after: int) -> tuple[list[Message], str | None]:
    found: list[Message] = []
    looked_at = looked_at_bytes = size = 0
    batches = replay_batches(
        event_log,
        wanted.stream,
        subjects=(wanted.subject,) if wanted.subject else (),
        from_seq=after + 1,
        from_time_us=0 if after else max(0, wanted.start),
        max_messages=max(1, min(256, limit)) if not wanted.kind else 256,
    )
    async with contextlib.aclosing(batches) as following:
        async for batch in following:
            for delivery in batch:
                if wanted.end and delivery.stored_at >= wanted.end:
                    return found, None
                looked_at += 1
                looked_at_bytes += delivery.size
                if delivery.type.startswith(wanted.kind):
                    found.append(message_of(delivery))
                    size += delivery.size
                full = len(found) == limit or size >= PAGE_BYTES
                if full or looked_at == LOOKED_AT or looked_at_bytes >= LOOKED_AT_BYTES:
                    return found, cursors.write(delivery.seq)
    return found, None


async def one(event_log: EventLog, stream: str, seq: int) -> Message:
    """One event.

    Raises:
        Refusal: EVENT_NOT_FOUND.
        ProblemError: The log is away.
    """
    try:
        async with in_time():
            return await message_at(event_log, stream, seq)
    except NotFoundError:
        raise no_event(stream, seq) from None


def no_event(stream: str, seq: int) -> Refusal:
    """That there is no such event."""
    return Refusal(Code.EVENT_NOT_FOUND, f"{stream} has no event {seq}, or no longer", "seq")


def device_of(subject: str) -> str:
    """The device that an event is about, by its subject; empty for none, or for several. Pure."""
    head, *rest = subject.split(".")
    of_device = head in ("device", "heartbeat", "health", "actuator") or (head == "safety" and len(rest) == PLACED)
    if not of_device or len(rest) < 2:
        return ""
    try:
        return subjects.untoken(rest[1])
    except subjects.SubjectError:
        return ""


def body(message: Message) -> dict[str, Any]:  # as JSON has it
    """What an event says, without what is nobody's business. Pure."""
    try:
        said = msgspec.json.decode(message.event.data)
    except msgspec.DecodeError:
        return {}
    if not isinstance(said, dict):
        return {}
    return without_secrets(said) if message.event.type.startswith(WITH_SECRETS) else said


def without_secrets(said: Mapping[str, Any]) -> dict[str, Any]:  # as above
    """A body without what is nobody's business. Pure."""
    return {
        name: without_secrets(value) if isinstance(value, dict) else value
        for name, value in said.items()
        if name not in SECRET
    }
