"""Takes events into the state: each stream by a function of its own, in its order.

What is read twice changes nothing: an event whose sequence is not beyond the last one of its stream is left out.
Every function gives the actuators that changed, for :mod:`kaiser.safety.watching` to look at them and their concerns.
"""

from collections.abc import Collection
from typing import Any, Final

from kaiser.contracts.events.actuation import (
    CommandAcknowledged,
    CommandAnsweredLate,
    CommandDispatched,
    CommandEnded,
    CommandRequested,
)
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.safeguards import (
    ActuatorRef,
    ActuatorStopped,
    CommandApproved,
    EmergencyReleased,
    EmergencyRequested,
    InterlockRemoved,
    InterlockSet,
    LimitsSet,
    StopConfirmed,
)
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.streams import ACTUATORS, SAFETY, TELEMETRY
from kaiser.contracts.wire import ActuatorStatus
from kaiser.roster import Member
from kaiser.safety.guards import guarded
from kaiser.safety.indexing import index_interlocks, index_member
from kaiser.safety.latching import in_scope
from kaiser.safety.outputs import commanded, reported
from kaiser.safety.state import Latch, Reading, SensorKey, State
from kaiser.safety.views import refresh

Refs = Collection[ActuatorRef]

NOBODY: Final[Refs] = ()

USABLE: Final = frozenset({"excellent", "good", "fair", "poor", "unknown"})
"""Grades of readings that count for a sensor band; ``unknown`` is what a sensor without a grade of its own has."""


def fold_actuators(state: State, seq: int, event: Any) -> Refs:
    """Take in an event of ACTUATORS: commands and statuses; what is neither changes nothing.

    Args:
        state: Changed in place.
        seq: Its sequence in the stream.
        event: As it was decoded.
    """
    if not _news(state, ACTUATORS.name, seq):
        return NOBODY
    match event:
        case DeviceSaid(message=ActuatorStatus() as status):
            ref = ActuatorRef(event.esp_id, status.gpio)
            state.outputs[ref] = reported(state.output(ref), status, event.received_at)
        case CommandRequested() | CommandDispatched() | CommandAcknowledged() | CommandEnded() | CommandAnsweredLate():
            ref = ActuatorRef(event.esp_id, event.gpio)
            state.outputs[ref] = commanded(state.output(ref), event, seq)
        case _:
            return NOBODY
    refresh(state, ref)
    return (ref,)


def fold_safety(state: State, seq: int, event: Any) -> Refs:
    """Take in an event of SAFETY, whoever wrote it; see :func:`fold_actuators`."""
    if not _news(state, SAFETY.name, seq):
        return NOBODY
    match event:
        case LimitsSet() | CommandApproved() | ActuatorStopped() | StopConfirmed():
            ref = ActuatorRef(event.esp_id, event.gpio)
            state.guards[ref] = guarded(state.guard(ref), event, seq)
            refresh(state, ref)
            return (ref,)
        case InterlockSet():
            state.interlocks[event.interlock_id] = event.rule
            return index_interlocks(state)
        case InterlockRemoved():
            state.interlocks.pop(event.interlock_id, None)
            return index_interlocks(state)
        case EmergencyRequested():
            state.latches.setdefault(event.emergency_id, Latch(request=event, seq=seq))
            return tuple(in_scope(state, event.scope))
        case EmergencyReleased():
            state.latches.pop(event.emergency_id, None)
    return NOBODY


def fold_readings(state: State, seq: int, batch: Readings) -> Refs:
    """Take in a batch of finished readings; the actuators that a changed sensor concerns come back.

    A reading counts from when it was measured, which a wrong clock may not put into the future; an older one that comes
    late takes nobody's place. What has no value, or a bad grade, or comes from a device that nobody approved, is none.
    """
    if not _news(state, TELEMETRY.name, seq):
        return NOBODY
    concerned: set[ActuatorRef] = set()
    readings, watchers = state.readings, state.watchers
    for i, value in enumerate(batch.value):
        if value is None or batch.quality[i] not in USABLE or batch.pending[i]:
            continue
        reading = Reading(value, min(batch.measured_at[i], batch.received_at[i]))
        whole = (batch.esp_id[i], batch.gpio[i], batch.sensor_type[i], batch.address[i])
        for key in {whole, (*whole[:3], "")}:
            if _replaces(readings, key, reading):
                readings[key] = reading
                if key in watchers:
                    concerned |= watchers[key]
    return concerned


def fold_member(state: State, member: Member) -> Refs:
    """Take in what is known of a device now, as the roster says it."""
    before = state.member(member.esp_id)
    state.members[member.esp_id] = member
    refs = index_member(state, before, member)
    for ref in refs:
        refresh(state, ref)
    return refs


def _news(state: State, stream: str, seq: int) -> bool:
    if seq <= state.seqs.get(stream, 0):
        return False
    state.seqs[stream] = seq
    return True


def _replaces(readings: dict[SensorKey, Reading], key: SensorKey, reading: Reading) -> bool:
    before = readings.get(key)
    return before is None or reading.at >= before.at
