"""What an event came of: where its causes stand in the log, by what the event says of itself. Pure.

A cause is named by its sequence where the event has it (a decision, a reading that a rule saw), and else by an id that
both share; each kind of event says in one function which those are. What names no cause is a root: what a device said,
what somebody asked for, or what Kaiser decided by itself.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal

from kaiser.contracts import subjects
from kaiser.contracts.events.telemetry import RAW_SEQUENCE
from kaiser.contracts.streams import ACTUATORS, DEADLETTER, DEVICES, LOGIC, TELEMETRY, TELEMETRY_RAW
from kaiser.eventlog import Message
from kaiser.gateway import causes_of_commands as actuation
from kaiser.gateway.browsing import body
from kaiser.gateway.cause_references import (
    CLOCKS_DIFFER_US,
    DAY,
    LONGEST_DURATION_US,
    At,
    Last,
    Reference,
    Said,
    Search,
    asked_for,
)

RootKind = Literal["device", "user", "kaiser"]


def references(message: Message) -> tuple[Reference, ...]:
    """Where the causes of an event stand; nowhere, for what is not as its type has it. Pure."""
    try:
        return tuple(_references(message))
    except (ValueError, IndexError, TypeError, AttributeError):
        return ()


def _references(message: Message) -> Iterable[Reference]:
    kind, said = message.event.type, body(message)
    for prefix, causes_of in _OF.items():
        if kind.startswith(prefix):
            return causes_of(message, said)
    if kind.startswith("io.kaiser.actuator.") or "message" in said or not (said.get("by") or said.get("created_by")):
        return ()
    return asked_for(message, said)


def root(message: Message) -> RootKind:
    """What an event is that came of no other one. Pure."""
    if message.event.type == "io.kaiser.identity.audited.v1":
        return "user"
    return "device" if message.event.source == "kaiser/bridge" else "kaiser"


def _reading(message: Message, said: Said) -> Iterator[Reference]:
    part, raw_id = message.event.subject.rpartition(".")[2], message.event.id.rpartition(".f")[0]
    if not raw_id:  # not of ingest's making
        return
    received = [at for at in said.get("received_at", ()) if isinstance(at, int)]
    yield Search(
        relation="converted from",
        stream=TELEMETRY_RAW.name,
        subjects=(subjects.telemetry_raw(str(said.get("kaiser_id", "")), int(part)),),
        start=min([*received, message.stored_at]) - CLOCKS_DIFFER_US,
        end=message.stored_at + CLOCKS_DIFFER_US,
        event_id=raw_id,
        seq=int((message.event.headers or {}).get(RAW_SEQUENCE, 0)),
    )


def _raw(message: Message, _: Said) -> Iterator[Reference]:
    """What the bridge took is a root, but for what it took once more."""
    if message.event.id.startswith("replay."):
        letter_id = message.event.id.split(".")[1]
        yield At(relation="replay of", stream=DEADLETTER.name, seq=int(letter_id.partition("-")[0]))
        yield _settlement(letter_id, message, "ordered by")


def _settlement(letter_id: str, message: Message, relation: str) -> Search:
    return Search(
        relation=relation,
        stream=DEADLETTER.name,
        subjects=(subjects.settled(letter_id),),
        start=message.stored_at - DAY,
        end=message.stored_at + CLOCKS_DIFFER_US,
        kind="io.kaiser.deadletter.replay_ordered",
    )


MEASURED: Final = frozenset({"compare", "hysteresis", "quality", "rate", "silent", "window", "reading"})
"""Conditions whose sequences are those of readings."""


def _seen(seen: Said) -> Iterator[Reference]:
    seq, kind = seen.get("seq", 0), seen.get("kind")
    if seq and kind in MEASURED:
        yield At(relation="saw", stream=TELEMETRY.name, seq=seq)
    elif seq and kind == "actuator":
        yield At(relation="saw", stream=ACTUATORS.name, seq=seq)
    for part in seen.get("parts", ()):
        yield from _seen(part)


def _run_started(message: Message, said: Said) -> Iterator[Reference]:
    cause = said.get("cause") or {}
    if cause.get("stream") and cause.get("seq"):
        yield At(relation="triggered by", stream=cause["stream"], seq=cause["seq"])
    yield from _seen(said.get("seen") or {})
    yield Search(
        relation="by the rule",
        stream=LOGIC.name,
        subjects=(subjects.rule(str(said.get("rule_id", "")), "defined"),),
        start=0,
        end=message.stored_at,
        any_of=(("version", said.get("version")),),
        needed=False,
    )


def _run(message: Message, said: Said) -> Iterator[Reference]:
    yield Search(
        relation="in the run",
        stream=LOGIC.name,
        subjects=(subjects.run(str(said.get("rule_id", ""))),),
        start=message.stored_at - LONGEST_DURATION_US,
        end=message.stored_at + 1,
        kind="io.kaiser.run.started",
        any_of=(("run_id", said.get("run_id")),),
        backwards=True,
    )


def _letter(message: Message, said: Said) -> Iterator[Reference]:
    letter_id = str(said.get("letter_id", ""))
    yield At(relation="about", stream=DEADLETTER.name, seq=int(letter_id.partition("-")[0]))
    if message.event.type.startswith("io.kaiser.deadletter.replay_ended"):
        yield _settlement(letter_id, message, "ordered by")
    else:
        yield from asked_for(message, said)


def _registered(message: Message, said: Said) -> Iterator[Reference]:
    heard = ((DEVICES.name, f"device.*.{subjects.token(str(said.get('esp_id', '')))}.discovered"),)
    yield Last(relation="heard first by", of=heard, before=message.stored_at)


def _settled(message: Message, said: Said) -> Iterator[Reference]:
    """What came of an order to a device: the order, which has the same correlation id."""
    yield Search(
        relation="ordered by",
        stream=DEVICES.name,
        subjects=(subjects.registry_of(str(said.get("esp_id", ""))),),
        start=message.stored_at - LONGEST_DURATION_US,
        end=message.stored_at,
        any_of=(("correlation_id", said.get("correlation_id")),),
        needed=False,
    )


def _nothing(_: Message, __: Said) -> Iterator[Reference]:
    yield from ()


_OF: Final[dict[str, Callable[[Message, Said], Iterator[Reference]]]] = {
    "io.kaiser.telemetry.reading.": _reading,
    "io.kaiser.telemetry.raw.": _raw,
    "io.kaiser.command.requested.": actuation.requested,
    "io.kaiser.command.": actuation.command,
    "io.kaiser.actuator.status.": actuation.status,
    "io.kaiser.safety.command_": actuation.decision,
    "io.kaiser.safety.actuator_stopped.": actuation.stop,
    "io.kaiser.safety.stop_confirmed.": actuation.confirmed,
    "io.kaiser.safety.alert_raised.": actuation.alert,
    "io.kaiser.run.started.": _run_started,
    "io.kaiser.run.skipped.": _run_started,
    "io.kaiser.run.damped.": _nothing,
    "io.kaiser.run.": _run,
    "io.kaiser.deadletter.replay": _letter,
    "io.kaiser.deadletter.discarded.": _letter,
    "io.kaiser.deadletter.v1": _nothing,
    "io.kaiser.device.registered.": _registered,
    "io.kaiser.device.zone_settled.": _settled,
    "io.kaiser.device.subzone_settled.": _settled,
    "io.kaiser.device.config_settled.": _settled,
    "io.kaiser.device.config_lapsed.": _settled,
    "io.kaiser.identity.audited.": _nothing,
}
"""By what a type begins with, the more particular first."""
