"""What commands, statuses of actuators and safety's doings came of. Pure."""

from collections.abc import Iterator

import msgspec

from kaiser.contracts import subjects
from kaiser.contracts.streams import ACTUATORS, LOGIC, SAFETY
from kaiser.eventlog import Message
from kaiser.gateway.cause_references import (
    CLOCKS_DIFFER_US,
    DAY,
    LONGEST_COMMAND_US,
    LONGEST_DURATION_US,
    At,
    Last,
    Output,
    Reference,
    Said,
    Search,
    asked_for,
)


def _pin(said: Said) -> str:
    return f"{subjects.token(str(said.get('esp_id', '')))}.{said.get('gpio', 0)}"


def _commands(message: Message, said: Said, relation: str, event: str, command_id: str, *, within: int) -> Search:
    return Search(
        relation=relation,
        stream=ACTUATORS.name,
        subjects=(f"actuator.*.{_pin(said)}.command.{event}",),
        start=message.stored_at - within,
        end=message.stored_at + 1,
        any_of=(("command_id", command_id),),
        backwards=event == "requested",
    )


def command(message: Message, said: Said) -> Iterator[Reference]:
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


def requested(message: Message, said: Said) -> Iterator[Reference]:
    """Who or what wanted it: somebody, a rule, a command whose time is over, a state that is asserted again."""
    cause = str(said.get("causation_id", ""))
    match said.get("source"):
        case "user":
            yield from asked_for(message, said)
        case "rule" | "schedule":
            rule_id = cause.rpartition(".")[0].rpartition(".")[0]
            yield Search(
                relation="asked for by",
                stream=LOGIC.name,
                subjects=(subjects.run(rule_id),),
                start=message.stored_at - LONGEST_DURATION_US,
                end=message.stored_at + CLOCKS_DIFFER_US,
                kind="io.kaiser.run.started",
                any_of=(("run_id", cause),),
                backwards=True,
            )
        case "safety":
            stop = ((SAFETY.name, f"safety.stop.{_pin(said)}"),)
            yield Last(relation="after the stop", of=stop, before=message.stored_at)
        case _ if cause:
            yield _commands(message, said, "follows from", "requested", cause, within=LONGEST_DURATION_US)
            if said.get("source") == "drift":
                drifted = ((ACTUATORS.name, f"actuator.*.{_pin(said)}.shadow.drifted"),)
                yield Last(relation="after the drift", of=drifted, before=message.stored_at)


def status(message: Message, said: Said) -> Iterator[Reference]:
    """What an actuator was told last before it said how it is; nothing, where it never was told anything.

    An emergency stop is told by the bridge at once, and is an event of its own.
    """
    gpio = message.event.subject.split(".")[3]
    pin = f"{subjects.token(str(said.get('esp_id', '')))}.{gpio}"
    told = (
        (ACTUATORS.name, f"actuator.*.{pin}.command.dispatched"),
        (ACTUATORS.name, f"actuator.*.{pin}.lease_lost"),
        (SAFETY.name, f"safety.stop.{pin}"),
    )
    stopped = None
    state = said.get("message") or {}
    if not state.get("state"):
        zones = (str(state["zone_id"]),) if state.get("zone_id") else ()
        who = {"kaiser_id": str(said.get("kaiser_id", "")), "esp_id": str(said.get("esp_id", ""))}
        stopped = Output(**who, zones=zones, gpio=int(gpio))
    yield Last(relation="told by", of=told, before=message.stored_at, stopped=stopped)


def decision(_: Message, said: Said) -> Iterator[Reference]:
    """The request that safety decided on."""
    if said.get("request_seq"):
        yield At(relation="on the request", stream=ACTUATORS.name, seq=int(said["request_seq"]))


def stop(message: Message, said: Said) -> Iterator[Reference]:
    """The alert or the emergency stop that it is part of; none, where a limit or an interlock was broken."""
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


def confirmed(message: Message, said: Said) -> Iterator[Reference]:
    """The stop that it confirms."""
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


def alert(message: Message, said: Said) -> Iterator[Reference]:
    """What the device said of itself last, where it did."""
    told = ((ACTUATORS.name, f"actuator.*.{_pin(said)}.alert"),)
    yield Last(relation="raised after", of=told, before=message.stored_at)
