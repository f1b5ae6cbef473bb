"""What devices sent, to the byte, for the events of a chain of causes that the bridge made of it. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from kaiser.contracts import topics
from kaiser.contracts.events.device import MqttMessage
from kaiser.contracts.events.packing import unpack
from kaiser.contracts.streams import TELEMETRY, TELEMETRY_RAW
from kaiser.contracts.topics import UplinkKind
from kaiser.eventlog import Message
from kaiser.gateway.browsing import body
from kaiser.gateway.cause_references import Said

MOST_BYTES: Final = 4 * 1024 * 1024
"""Bytes of payloads in one answer."""
REPLAYED: Final = "replay."
"""What the id of an event begins with that was taken once more, of which nobody knows how it came the first time."""

Place = tuple[str, int]
Sensor = tuple[str, int]
"""Name of a sensor, and when it measured, unix microseconds."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a device as the broker handed it over.

    Attributes:
        received_at: Unix microseconds.
        qos: None where it is not known.
        dup: None where it is not known.
        redacted: Whether a secret was taken out of it.
    """

    topic: str
    payload: bytes
    received_at: int
    qos: int | None
    dup: bool | None
    redacted: bool = False


class _SaidEvent(msgspec.Struct, frozen=True):
    """What is read of an event that is one message."""

    received_at: int
    mqtt: MqttMessage | None = None


class _Raw(msgspec.Struct, frozen=True):
    """What is read of a raw batch."""

    kaiser_id: str
    esp_id: list[str]
    gpio: list[int]
    received_at: list[int]
    delivery: list[int]
    redelivered: list[int] = []
    payloads: bytes = b""


class _Finished(msgspec.Struct, frozen=True):
    """What is read of a finished batch."""

    esp_id: list[str]
    gpio: list[int]
    sensor_type: list[str]
    measured_at: list[int]
    received_at: list[int]


def sent(first: Message, links: Iterable[tuple[Message, Message]]) -> dict[Place, list[Sent]]:
    """What devices sent, by the place of the event that was made of it; nothing of releases that did not keep it.

    Of a batch of readings it is those that the chain is about: the ones that a rule saw, or else the finished batch's.

    Args:
        first: The event that was asked about.
        links: Each event of its chain and a cause of it.
    """
    links = list(links)
    messages = [first, *(cause for _, cause in links)]
    seen: dict[int, set[Sensor]] = defaultdict(set)
    for message in messages:
        for seq, sensor in _seen(message):
            seen[seq].add(sensor)
    wanted: dict[Place, set[int]] = defaultdict(set)
    for of, cause in links:
        if (of.stream, cause.stream) == (TELEMETRY.name, TELEMETRY_RAW.name):
            wanted[cause.stream, cause.seq] |= _received(of, seen.get(of.seq, set()))
    found: dict[Place, list[Sent]] = {}
    left = MOST_BYTES
    for message in messages:
        place = message.stream, message.seq
        try:
            of_it = list(_sent(message, wanted.get(place)))
        except (ValueError, IndexError):  # not as its type has it
            continue
        left -= sum(len(each.payload) for each in of_it)
        if left < 0:
            break
        if of_it:
            found[place] = of_it
    return found


def _sent(message: Message, wanted: set[int] | None) -> Iterator[Sent]:
    replayed = message.event.id.startswith(REPLAYED)
    if message.stream == TELEMETRY_RAW.name:
        yield from _readings(message, wanted, replayed=replayed)
    elif message.event.source == "kaiser/bridge" and b'"mqtt":{' in message.event.data:
        event = msgspec.json.decode(message.event.data, type=_SaidEvent)
        if (came := event.mqtt) is not None:
            yield Sent(
                topic=came.topic,
                payload=came.payload,
                received_at=event.received_at,
                qos=None if replayed else came.qos,
                dup=None if replayed else came.dup,
                redacted=came.redacted,
            )


def _readings(message: Message, wanted: set[int] | None, *, replayed: bool) -> Iterator[Sent]:
    batch = msgspec.json.decode(message.event.data, type=_Raw)
    if not batch.payloads:
        return
    for i, payload in enumerate(unpack(batch.payloads, len(batch.esp_id))):
        if wanted is None or batch.received_at[i] in wanted:
            yield Sent(
                topic=topics.uplink(UplinkKind.SENSOR_DATA, batch.kaiser_id, batch.esp_id[i], batch.gpio[i]),
                payload=payload,
                received_at=batch.received_at[i],
                qos=None if replayed else int(batch.delivery[i] != 0),
                dup=None if replayed else i in batch.redelivered,
            )


def _received(of: Message, sensors: set[Sensor]) -> set[int]:
    """When the readings came that a finished batch is in the chain for: those that were seen, or else all of it."""
    try:
        batch = msgspec.json.decode(of.event.data, type=_Finished)
    except msgspec.MsgspecError:
        return set()
    columns = zip(batch.esp_id, batch.gpio, batch.sensor_type, batch.measured_at, batch.received_at, strict=False)
    rows = [(f"{esp_id}/{gpio}/{kind}", measured, came) for esp_id, gpio, kind, measured, came in columns]
    exactly = {came for name, measured, came in rows if _among(sensors, name, measured)}
    return exactly or {came for name, _, came in rows if _among(sensors, name)} or {came for *_, came in rows}


def _among(sensors: set[Sensor], name: str, measured: int | None = None) -> bool:
    """Whether a sensor is one of them; their names may go on with the address."""
    return any((what == name or what.startswith(f"{name}/")) and measured in (None, at) for what, at in sensors)


def _seen(message: Message) -> Iterator[tuple[int, Sensor]]:
    """Readings that a run of a rule saw: sequence in TELEMETRY, sensor and time."""
    if not message.event.type.startswith("io.kaiser.run."):
        return
    said = body(message)
    cause = said.get("cause")
    if isinstance(cause, dict) and cause.get("stream") == TELEMETRY.name:
        yield from _named(cause)
    yield from _parts([said.get("seen")])


def _parts(parts: Sequence[Any]) -> Iterator[tuple[int, Sensor]]:
    for part in parts:
        if isinstance(part, dict):
            yield from _named(part)
            yield from _parts(part.get("parts", ()))


def _named(said: Said) -> Iterator[tuple[int, Sensor]]:
    seq, what, at = said.get("seq"), said.get("what"), said.get("at", 0)
    if isinstance(seq, int) and isinstance(what, str) and isinstance(at, int):
        yield seq, (what, at)
