"""What each event of SAFETY changes in what is known of one actuator. Pure."""

from typing import Final

import msgspec

from kaiser.contracts.events.safeguards import (
    ActuatorStopped,
    CommandApproved,
    LimitsSet,
    StopConfirmed,
)
from kaiser.safety.objecting import SECOND
from kaiser.safety.state import Guard, Stop

HOUR_US: Final = 3600 * SECOND

GuardFact = LimitsSet | CommandApproved | ActuatorStopped | StopConfirmed


def guarded(guard: Guard, event: GuardFact, seq: int) -> Guard:
    """The actuator after an event of safety about it."""
    match event:
        case LimitsSet():
            return msgspec.structs.replace(guard, limits=event.limits)
        case CommandApproved():
            return _approved(guard, event)
        case ActuatorStopped():
            stop = Stop(stop_id=event.stop_id, at=event.at, seq=seq, rule=event.rule)
            return msgspec.structs.replace(guard, stop=stop)
        case StopConfirmed():
            confirmed = guard.stop is not None and guard.stop.stop_id == event.stop_id
            return msgspec.structs.replace(guard, stop=None) if confirmed else guard


def _approved(guard: Guard, event: CommandApproved) -> Guard:
    if event.level <= 0:
        # An OFF supersedes what was asked before it
        newer = event.request_seq >= guard.approved_seq
        return msgspec.structs.replace(guard, approved_seq=0, approved_level=0.0, run_since=0) if newer else guard
    starts = guard.starts
    if event.run_since == event.at:
        starts = (*(start for start in starts if start > event.at - HOUR_US), event.at)
    return msgspec.structs.replace(
        guard,
        approved_id=event.command_id,
        approved_seq=event.request_seq,
        approved_level=event.level,
        run_since=event.run_since,
        starts=starts,
    )
