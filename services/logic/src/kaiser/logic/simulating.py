"""Actuators in a backtest: they do what they are told unless safety says no, and tell it a moment later."""

import heapq

from kaiser.contracts.events.actuation import CommandEnded, CommandRequested
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.logic import CommandAsked, StepRefused
from kaiser.contracts.events.safeguards import ActuatorRef
from kaiser.contracts.logic import OnTime, Vetoed
from kaiser.contracts.wire import ActuatorStatus
from kaiser.logic.ordering import Message
from kaiser.logic.state import ActuatorKey
from kaiser.logic.times import NEVER, SECOND
from kaiser.logic.vetting import judge, longest
from kaiser.logic.world import ON
from kaiser.logic.yard import Yard

ANSWER = SECOND // 5
"""A device answers a command after about so long."""


class Meter:
    """How long an actuator is on. Times are unix microseconds."""

    def __init__(self) -> None:
        self.level = 0.0
        self.on = 0
        self.weighed = 0.0
        self.starts = 0
        self.off_at = 0
        self._since = 0

    def turn(self, level: float, at: int) -> None:
        """It is at another level from now on."""
        if self.level > ON:
            self.on += at - self._since
            self.weighed += (at - self._since) * self.level
        elif level > ON:
            self.starts += 1
        self.level, self._since = level, at


class Simulated:
    """The actuators that rules command.

    Args:
        keys: Which.

    Attributes:
        yard: What safety would go by.
        vetoed: What it said no to.
    """

    def __init__(self, keys: frozenset[ActuatorKey]) -> None:
        self.keys = keys
        self.yard = Yard()
        for key in keys:
            self.yard.output(key).level = 0.0  # they are simulated, and so known
        self.vetoed: list[Vetoed] = []
        self._meters: dict[ActuatorKey, Meter] = {}
        self._queue: list[tuple[int, int, object]] = []
        self._seq = 0

    @property
    def next_at(self) -> int:
        """When the next of them says something."""
        return self._queue[0][0] if self._queue else NEVER

    def pop(self) -> Message:
        """What it says."""
        at, seq, event = heapq.heappop(self._queue)
        if isinstance(event, DeviceSaid):
            self._turned((event.esp_id, event.message.gpio), at)
        return Message(at, "SIMULATED", seq, event)

    def ask(self, asked: CommandAsked) -> None:
        """A rule asks for something."""
        key = (asked.esp_id, asked.gpio)
        meter = self._meters.setdefault(key, Meter())
        level = _level(asked, meter.level)
        veto = judge(self.yard, asked, level, asked.at)
        if veto is not None:
            self.vetoed.append(
                Vetoed(
                    at=asked.at,
                    run_id=asked.run_id,
                    step=asked.step,
                    actuator=ActuatorRef(*key),
                    code=veto.code,
                    detail=veto.detail,
                )
            )
            refused = StepRefused(
                rule_id=asked.rule_id,
                run_id=asked.run_id,
                step=asked.step,
                at=asked.at,
                code=veto.code,
                detail=veto.detail,
            )
            self._say(asked.at + ANSWER, refused)
            return
        self._say(asked.at + 1, _requested(asked, level))
        self._move(key, meter, level, asked)
        self._say(asked.at + ANSWER, _status(key, level, asked.at + ANSWER))
        self._say(asked.at + ANSWER + 1, _ended(asked))

    def finish(self, end: int) -> list[OnTime]:
        """How long each was on by the end."""
        for meter in self._meters.values():
            meter.turn(meter.level, min(end, meter.off_at or end))
        return [
            OnTime(
                actuator=ActuatorRef(*key),
                on_s=meter.on / SECOND,
                level_s=round(meter.weighed / SECOND, 3),
                starts=meter.starts,
            )
            for key, meter in sorted(self._meters.items())
        ]

    def _move(self, key: ActuatorKey, meter: Meter, level: float, asked: CommandAsked) -> None:
        running = meter.level > ON
        meter.turn(level, asked.at)
        self.yard.output(key).turn(level, asked.at)
        lasts = asked.duration_s * SECOND or longest(self.yard, key, asked.at) or 0
        if level > ON and lasts and not (running and not asked.duration_s):
            meter.off_at = asked.at + lasts
            self._say(meter.off_at, _status(key, 0.0, meter.off_at))
        elif level <= ON:
            meter.off_at = 0

    def _turned(self, key: ActuatorKey, at: int) -> None:
        meter = self._meters.get(key)
        if meter is not None and meter.off_at and at >= meter.off_at:
            meter.turn(0.0, meter.off_at)
            self.yard.output(key).turn(0.0, meter.off_at)
            meter.off_at = 0

    def _say(self, at: int, event: object) -> None:
        self._seq += 1
        heapq.heappush(self._queue, (at, self._seq, event))


def _level(asked: CommandAsked, now: float) -> float:
    match asked.command:
        case "ON":
            return 1.0
        case "OFF":
            return 0.0
        case "PWM":
            return asked.level or 0.0
        case "TOGGLE":
            return 0.0 if now > ON else 1.0


def _requested(asked: CommandAsked, level: float) -> CommandRequested:
    return CommandRequested(
        kaiser_id="",
        esp_id=asked.esp_id,
        gpio=asked.gpio,
        at=asked.at,
        command_id=f"{asked.run_id}/{asked.step}",
        correlation_id=asked.run_id,
        action="PWM" if asked.command == "PWM" else ("ON" if level > ON else "OFF"),
        asked=asked.command,
        level=level,
        duration_s=asked.duration_s,
        source="rule",
        by=asked.rule_id,
        idempotency_key=f"{asked.run_id}/{asked.step}",
        deadline_at=asked.at + asked.timeout_s * SECOND,
    )


def _ended(asked: CommandAsked) -> CommandEnded:
    return CommandEnded(
        kaiser_id="",
        esp_id=asked.esp_id,
        gpio=asked.gpio,
        at=asked.at + ANSWER,
        command_id=f"{asked.run_id}/{asked.step}",
        correlation_id=asked.run_id,
        outcome="succeeded",
    )


def _status(key: ActuatorKey, level: float, at: int) -> DeviceSaid[ActuatorStatus]:
    status = ActuatorStatus(
        esp_id=key[0], ts=0, gpio=key[1], actuator_type="pwm", state=level > ON, pwm=round(level * 255)
    )
    return DeviceSaid(kaiser_id="", esp_id=key[0], generation="head", received_at=at, message=status)
