"""What an event came of: where its causes stand in the log, by what the event says of itself. Pure.

A cause is named by its sequence where the event has it (a decision, a reading that a rule saw), and else by an id that
both share; each kind of event says in one function which those are. What names no cause is a root: what a device said,
what somebody asked for, or what Kaiser decided by itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from kaiser.contracts import subjects
from kaiser.contracts.streams import ACTUATORS, DEADLETTER, DEVICES, IDENTITY, LOGIC, SAFETY, TELEMETRY, TELEMETRY_RAW
from kaiser.gateway.browsing import body
from kaiser.gateway.lookingup import Message

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
LONGEST_COMMAND_US: Final = DAY + 3600 * SECOND
"""How long before its end a command can have been asked for: held for a day, and then carried out."""
LONGEST_DURATION_US: Final = 31 * DAY
CLOCKS_DIFFER_US: Final = 5 * SECOND
ANSWERED_US: Final = 120 * SECOND
"""The audit notes what somebody asked for when it is answered, which is so long after it was decided at most."""

Said = Mapping[str, Any]  # a body as JSON has it
RootKind = Literal["device", "user", "kaiser"]


class At(msgspec.Struct, frozen=True, kw_only=True):
    """The event of a sequence."""

    relation: str
    stream: str
    seq: int


class Last(msgspec.Struct, frozen=True, kw_only=True):
    """The last event on some subjects before a time, whichever stream it is in; there need be none."""

    relation: str
    of: tuple[tuple[str, str], ...]
    before: int


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """The first event in a span of time that has something in common with this one.

    Attributes:
        start: Unix microseconds.
        end: Unix microseconds; exclusive.
        kind: What its type begins with.
        any_of: Fields and values, one of which it has.
        event_id: Its id instead; empty for any.
        needed: Whether something is missing where none is found.
    """

    relation: str
    stream: str
    subjects: tuple[str, ...]
    start: int
    end: int
    kind: str = ""
    any_of: tuple[tuple[str, Any], ...] = ()
    event_id: str = ""
    needed: bool = True

    def takes(self, message: Message) -> bool:
        """Whether an event is one of them."""
        if not message.event.type.startswith(self.kind) or (self.event_id and message.event.id != self.event_id):
            return False
        if not self.any_of:
            return True
        said = body(message)
        return any(said.get(name) == value for name, value in self.any_of)


Reference = At | Last | Search


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
    if kind.startswith("io.kaiser.actuator.") or "message" in said or not said.get("by"):
        return ()
    return _asked_for(message, said)


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


def _pin(said: Said) -> str:
    return f"{subjects.token(str(said.get('esp_id', '')))}.{said.get('gpio', 0)}"


def _commands(message: Message, said: Said, relation: str, event: str, command_id: str, *, within: int) -> Search:
    return Search(
        relation=relation,
        stream=ACTUATORS.name,
        subjects=(f"actuator.*.{_pin(said)}.command.{event}",),
        start=message.stored_at - within,
        end=message.stored_at + CLOCKS_DIFFER_US,
        any_of=(("command_id", command_id),),
    )


def _command(message: Message, said: Said) -> Iterator[Reference]:
    """What became of a command: its request, the decision on it, its sending, and the status that ended it."""
    command_id = str(said.get("command_id", ""))
    yield _commands(message, said, "requested by", "requested", command_id, within=LONGEST_COMMAND_US)
    if said.get("decision_seq"):
        yield At(relation="decided by", stream=SAFETY.name, seq=int(said["decision_seq"]))
    if message.event.type.startswith("io.kaiser.command.ended") and said.get("outcome") in ("succeeded", "failed"):
        sent = _commands(message, said, "sent by", "dispatched", command_id, within=LONGEST_COMMAND_US)
        yield msgspec.structs.replace(sent, needed=False)
        told = tuple((ACTUATORS.name, f"actuator.*.{_pin(said)}.{word}") for word in ("status", "response"))
        yield Last(relation="reported by", of=told, before=message.stored_at)


def _requested(message: Message, said: Said) -> Iterator[Reference]:
    cause = str(said.get("causation_id", ""))
    match said.get("source"):
        case "user":
            yield from _asked_for(message, said)
        case "rule" | "schedule":
            rule_id = cause.rpartition(".")[0].rpartition(".")[0]
            yield Search(
                relation="asked for by",
                stream=LOGIC.name,
                subjects=(subjects.run(rule_id),),
                start=message.stored_at - DAY,
                end=message.stored_at + CLOCKS_DIFFER_US,
                kind="io.kaiser.run.",
                any_of=(("run_id", cause),),
            )
        case "safety":
            stop = ((SAFETY.name, f"safety.stop.{_pin(said)}"),)
            yield Last(relation="after the stop", of=stop, before=message.stored_at)
        case _ if cause:
            yield _commands(message, said, "follows from", "requested", cause, within=LONGEST_DURATION_US)
            if said.get("source") == "drift":
                drifted = ((ACTUATORS.name, f"actuator.*.{_pin(said)}.shadow.drifted"),)
                yield Last(relation="after the drift", of=drifted, before=message.stored_at)


def _status(message: Message, said: Said) -> Iterator[Reference]:
    """What an actuator was told last before it said how it is; nothing, where it never was told anything."""
    gpio = message.event.subject.split(".")[3]
    pin = f"{subjects.token(str(said.get('esp_id', '')))}.{gpio}"
    told = (
        (ACTUATORS.name, f"actuator.*.{pin}.command.dispatched"),
        (ACTUATORS.name, f"actuator.*.{pin}.lease_lost"),
        (SAFETY.name, f"safety.stop.{pin}"),
    )
    yield Last(relation="told by", of=told, before=message.stored_at)


def _decision(_: Message, said: Said) -> Iterator[Reference]:
    if said.get("request_seq"):
        yield At(relation="on the request", stream=ACTUATORS.name, seq=int(said["request_seq"]))


def _stop(message: Message, said: Said) -> Iterator[Reference]:
    if cause := said.get("correlation_id"):
        yield Search(
            relation="because of",
            stream=SAFETY.name,
            subjects=(f"safety.alert.{_pin(said)}", "safety.emergency.requested"),
            start=message.stored_at - LONGEST_DURATION_US,
            end=message.stored_at + CLOCKS_DIFFER_US,
            any_of=(("alert_id", cause), ("emergency_id", cause), ("correlation_id", cause)),
            needed=False,
        )


def _confirmed(message: Message, said: Said) -> Iterator[Reference]:
    yield Search(
        relation="confirms",
        stream=SAFETY.name,
        subjects=(f"safety.stop.{_pin(said)}",),
        start=message.stored_at - DAY,
        end=message.stored_at,
        kind="io.kaiser.safety.actuator_stopped",
        any_of=(("stop_id", said.get("stop_id")),),
        needed=False,
    )


def _alert(message: Message, said: Said) -> Iterator[Reference]:
    told = ((ACTUATORS.name, f"actuator.*.{_pin(said)}.alert"),)
    yield Last(relation="raised after", of=told, before=message.stored_at)


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
        end=message.stored_at + CLOCKS_DIFFER_US,
        kind="io.kaiser.run.started",
        any_of=(("run_id", said.get("run_id")),),
    )


def _letter(message: Message, said: Said) -> Iterator[Reference]:
    letter_id = str(said.get("letter_id", ""))
    yield At(relation="about", stream=DEADLETTER.name, seq=int(letter_id.partition("-")[0]))
    if message.event.type.startswith("io.kaiser.deadletter.replay_ended"):
        yield _settlement(letter_id, message, "ordered by")
    else:
        yield from _asked_for(message, said)


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


IDS: Final = ("command_id", "emergency_id", "alert_id", "rule_id", "key_id", "letter_id", "user_id", "esp_id")
"""As the audit names what an answer was about, the most particular first."""


def _asked_for(message: Message, said: Said) -> Iterator[Reference]:
    """The entry of the audit, for what somebody decided; their answer came after it was decided."""
    if str(said.get("by", "")).startswith(("kaiser", "rule ", "setup")):
        return
    about = next((said[name] for name in IDS if said.get(name)), "")
    yield Search(
        relation="asked for by",
        stream=IDENTITY.name,
        subjects=(subjects.AUDIT,),
        start=message.stored_at - CLOCKS_DIFFER_US,
        end=message.stored_at + ANSWERED_US,
        any_of=(("subject", about), ("seq", message.seq)),
        kind="io.kaiser.identity.audited",
    )


def _nothing(_: Message, __: Said) -> Iterator[Reference]:
    yield from ()


_OF: Final[dict[str, Callable[[Message, Said], Iterator[Reference]]]] = {
    "io.kaiser.telemetry.reading.": _reading,
    "io.kaiser.telemetry.raw.": _raw,
    "io.kaiser.command.requested.": _requested,
    "io.kaiser.command.": _command,
    "io.kaiser.actuator.status.": _status,
    "io.kaiser.safety.command_": _decision,
    "io.kaiser.safety.actuator_stopped.": _stop,
    "io.kaiser.safety.stop_confirmed.": _confirmed,
    "io.kaiser.safety.alert_raised.": _alert,
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
