"""What each event of ACTUATORS changes in what is known of one actuator. Pure.

A run begins when the first ON is on its way, and it is over when a status says off after the end of that command; so
whatever the device does in between is inside of it. An ON that was overtaken, by an OFF or a stop, and that nothing was
heard of may still arrive: until it cannot any more, a status that says off may be older than it. So is one whose device
said something else since, by its own clock: what it could not send at once comes in whatever order.
"""

from typing import Final

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import (
    CommandAcknowledged,
    CommandDispatched,
    CommandEnded,
    CommandFact,
    CommandRequested,
)
from kaiser.contracts.lateness import is_late, latest
from kaiser.contracts.wire import ActuatorStatus
from kaiser.safety.objecting import SECOND
from kaiser.safety.state import Output, Run

REMEMBERED_US: Final = 7 * 86_400 * SECOND
"""Longest window of a duty cycle."""

MOST_RUNS: Final = 2000
"""Beyond that, the oldest two become one with the pause between them: what is forgotten counts as on."""

PWM_FULL: Final = 255
VALVE_OPEN: Final = 254
"""Of a valve, ``pwm`` is its position times 127 (wire contract, section 4.5)."""

IN_FLIGHT_US: Final = 10 * SECOND
"""A message that was not handled so long after it was sent is lost. It may wait 4 s for the broker, and then for a
``dec`` device that is stuck in one call for 5 s, and that sends a status after it before it looks at what came (wire
contract, section 5.1)."""

NEVER_ON: Final = frozenset({Code.COMMAND_REFUSED, Code.PUBLISH_FAILED, Code.DOWNLINK_FORBIDDEN, Code.DOWNLINK_EXPIRED})
"""Ends of a command that never switched anything on."""


def level_of(status: ActuatorStatus) -> float | None:
    """The level that a status tells, 0.0 to 1.0; None where the device does not know."""
    if status.state is None:
        return None
    if status.pwm is None or status.actuator_type in {"pump", "relay"}:
        return 1.0 if status.state else 0.0
    if status.actuator_type == "valve":
        # Thirds of the way; while it travels, the state may say on at position 0, and is believed
        return max(min(1.0, status.pwm / VALVE_OPEN), 0.5 if status.state and not status.pwm else 0.0)
    return max(status.pwm / PWM_FULL, 1 / PWM_FULL if status.state else 0.0)


def commanded(output: Output, event: CommandFact, seq: int) -> Output:
    """The actuator after an event of one of its commands."""
    match event:
        case CommandRequested():
            return msgspec.structs.replace(
                output,
                command_id=event.command_id,
                command_seq=seq,
                command_level=event.level,
                dispatched=False,
                ended=False,
            )
        case CommandDispatched() if event.command_id == output.command_id and not output.ended:
            return _dispatched(output, event)
        case CommandDispatched() if event.command_id == output.sent_id and output.sent_open:
            return _sent_again(output, event.at)
        case CommandAcknowledged() if event.command_id == output.sent_id:
            return msgspec.structs.replace(output, arrived=True)
        case CommandEnded():
            return _ended(output, event)
    return output


def _dispatched(output: Output, event: CommandDispatched) -> Output:
    if output.command_level <= 0:
        return msgspec.structs.replace(output, dispatched=True)
    level = max(output.sent_level if output.on_since else 0.0, output.command_level)
    sent = msgspec.structs.replace(
        output, dispatched=True, sent_id=event.command_id, sent_open=True, sent_level=level, refused=False
    )
    return _sent_again(sent, event.at)


def _sent_again(output: Output, at: int) -> Output:
    return msgspec.structs.replace(output, sent_at=at, arrived=False, on_since=output.on_since or at)


def _ended(output: Output, event: CommandEnded) -> Output:
    if event.command_id == output.sent_id:
        output = msgspec.structs.replace(output, sent_open=False)
    if event.command_id != output.command_id:
        return output
    refused = (
        output.command_level > 0
        and output.dispatched
        and event.code in NEVER_ON
        and not output.level
        and output.on_since == output.sent_at
    )
    return msgspec.structs.replace(output, ended=True, refused=refused or output.refused)


def reported(output: Output, status: ActuatorStatus, at: int) -> Output:
    """The actuator after a status.

    Args:
        output: Before it.
        status: What the device said.
        at: When it came, unix microseconds.
    """
    level = level_of(status)
    if level == 0 and _is_older(output, status.ts):
        return output
    late = is_late(status.ts, output.said_ts)  # an on: it may be true, for clocks are set back, and nothing rests on it
    output = msgspec.structs.replace(
        output, level=level, reported_at=max(at, output.reported_at), said_ts=latest(status.ts, output.said_ts)
    )
    open_on = output.sent_open
    in_flight = at < output.sent_at + IN_FLIGHT_US
    if level is None:
        return msgspec.structs.replace(output, reported_on_since=0)
    if level > 0:
        return msgspec.structs.replace(
            output,
            reported_on_since=output.reported_on_since or (0 if late else at),
            on_since=output.on_since or at,
            refused=False,
            arrived=True,
            sent_level=output.sent_level if open_on or in_flight else 0.0,
        )
    output = msgspec.structs.replace(output, reported_on_since=0, off_since=output.off_since or at)
    may_come = open_on or (in_flight and not output.arrived and not output.refused)
    return output if may_come or not output.on_since else _over(output, at)


def _is_older(output: Output, ts: int) -> bool:
    """Whether an off was said before it was switched on, and came later: no proof of anything.

    Clocks of devices show seconds. Within one, off after on is believed of what was told to go off.
    """
    at_once = 0 < ts == output.said_ts and output.reported_on_since > 0 and output.command_level > 0
    return at_once or is_late(ts, output.said_ts)


def _over(output: Output, at: int) -> Output:
    if output.refused:
        return msgspec.structs.replace(output, on_since=0, refused=False)
    kept = tuple(run for run in output.runs if run.until > at - REMEMBERED_US)
    runs = (*kept, Run(output.on_since, max(at, output.on_since)))
    if len(runs) > MOST_RUNS:
        runs = (Run(runs[0].since, runs[1].until), *runs[2:])
    return msgspec.structs.replace(output, on_since=0, off_since=at, runs=runs)
