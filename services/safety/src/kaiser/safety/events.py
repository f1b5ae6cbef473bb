"""Events of safety, to the log and back. Pure."""

from collections.abc import Callable
from typing import Any, Final

from kaiser.contracts import subjects
from kaiser.contracts.events.codec import EventDecoder, encode
from kaiser.contracts.events.safeguards import (
    SAFETY_EVENTS,
    ActuatorStopped,
    AlertCleared,
    AlertFolded,
    AlertRaised,
    CommandApproved,
    CommandRejected,
    EmergencyReleased,
    EmergencyRequested,
    InterlockRemoved,
    InterlockSet,
    LimitsSet,
    StopConfirmed,
)
from kaiser.eventlog import Delivery, Event, new_id

Fact = (
    LimitsSet
    | InterlockSet
    | InterlockRemoved
    | CommandApproved
    | CommandRejected
    | ActuatorStopped
    | StopConfirmed
    | EmergencyRequested
    | EmergencyReleased
    | AlertRaised
    | AlertFolded
    | AlertCleared
)

SOURCE: Final = "kaiser/safety"
KAISER: Final = "kaiser"
"""Who decides what follows from something else."""

decoder: Final = EventDecoder({event.TYPE: event for event in SAFETY_EVENTS})  # type: ignore[attr-defined]
"""Events of safety by type."""

_KINDS: Final[dict[type[Any], str]] = {
    LimitsSet: "limits",
    CommandApproved: "decision",
    CommandRejected: "decision",
    ActuatorStopped: "stop",
    StopConfirmed: "stop",
    AlertRaised: "alert",
    AlertFolded: "alert",
    AlertCleared: "alert",
}

_IDS: Final[dict[type[Any], Callable[[Any], str]]] = {
    CommandApproved: lambda fact: f"decision.{fact.command_id}",
    CommandRejected: lambda fact: f"decision.{fact.command_id}",
    ActuatorStopped: lambda fact: f"stop.{fact.stop_id}",
    StopConfirmed: lambda fact: f"stopped.{fact.stop_id}",
    EmergencyRequested: lambda fact: f"emergency.{fact.emergency_id}",
    EmergencyReleased: lambda fact: f"released.{fact.emergency_id}",
    AlertRaised: lambda fact: f"alert.{fact.alert_id}",
    AlertFolded: lambda fact: f"alert.{fact.alert_id}.{fact.count}",
    AlertCleared: lambda fact: f"cleared.{fact.alert_id}",
}
"""The same decision is the same event, so that writing it again changes nothing."""


def subject(fact: Fact) -> str:
    """Subject of an event."""
    if isinstance(fact, InterlockSet | InterlockRemoved):
        return subjects.interlock(fact.interlock_id)
    if isinstance(fact, EmergencyRequested | EmergencyReleased):
        return subjects.emergency("requested" if isinstance(fact, EmergencyRequested) else "released")
    return subjects.safety(_KINDS[type(fact)], fact.esp_id, fact.gpio)


def event_of(fact: Fact, traceparent: str = "") -> Event:
    """An event of safety as an event of the log, with the trace that it is a part of."""
    name = _IDS.get(type(fact))
    return Event(
        id=new_id() if name is None else name(fact),
        subject=subject(fact),
        type=fact.TYPE,
        data=encode(fact),
        source=SOURCE,
        time=fact.at,
        traceparent=traceparent,
    )


def fact_of(delivery: Delivery) -> Fact:
    """An event of the log as an event of safety.

    Raises:
        ValueError: It is none, or its body is not of its type.
    """
    fact: Fact = decoder.decode(delivery.type, delivery.data)
    return fact
