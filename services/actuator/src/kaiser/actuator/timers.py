"""What is due now, and when the next is: from the state of actuators, by the monotonic clock. Pure.

Moments are in events as wall-clock times. While a process runs, the monotonic clock counts them down, so that a wall
clock which is set changes nothing. After a restart the wall clock has to do: what is left is cut to the span that the
wait had at first, so a clock that was set back makes it no longer than that, and one that was set forward ends it
early, which is the safe side.
"""

import heapq
from collections.abc import Hashable, Iterable
from typing import Final, Generic, TypeVar

import msgspec

from kaiser.actuator.commands import US, Due, Patience
from kaiser.actuator.levels import same
from kaiser.actuator.state import HOUR_US, ActuatorState, Sent, Waiting, Wanted, is_said, is_to_settle

K = TypeVar("K", bound=Hashable)

AGAIN_S: Final = 5.0
"""What was due and is still there after so long is due again: deciding it failed, or whoever did it died."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a device reports of an actuator, as far as drift goes.

    Attributes:
        level: As reported.
        changed_at: Since when, unix microseconds.
        actuator_type: Type.
        known: Whether it still counts.
        reset_at: When it was configured or started anew, where it does not do what it says after that; else 0.
    """

    level: float | None = None
    changed_at: int = 0
    actuator_type: str = ""
    known: bool = False
    reset_at: int = 0


NOTHING_SEEN: Final = Seen()


def dues(state: ActuatorState, seen: Seen, patience: Patience) -> tuple[Due, ...]:
    """Everything that an actuator waits for."""
    found: list[Due] = []
    if state.waiting is not None:
        found.extend(_of_waiting(state.waiting, patience))
    if state.sent is not None:
        found.extend(_of_sent(state.sent, seen, patience))
    if state.wanted is not None and not state.open:
        found.extend(_of_wanted(state, state.wanted, seen, patience))
    elif state.wanted is not None and state.wanted.off_at and all(command.request.level > 0 for command in state.open):
        found.append(_off(state, state.wanted, patience))
    if state.done_at < seen.reset_at and all(command.request.level > 0 for command in state.open):
        found.append(_of_reset(state, seen, patience))
    return tuple(found)


def _of_reset(state: ActuatorState, seen: Seen, patience: Patience) -> Due:
    """OFF at once; where that fails, again after a pause that doubles, up to an hour."""
    if state.ended_at <= seen.reset_at:
        return Due("reset", "", 0, seen.reset_at, seen.reset_at)
    pause_us = max(round(patience.insist_s * US), min(state.ended_at - seen.reset_at, HOUR_US))
    return Due("reset", "", 0, state.ended_at, state.ended_at + pause_us)


def _off(state: ActuatorState, wanted: Wanted, patience: Patience) -> Due:
    """The end of a duration. It waits for no answer, and for a request that goes on with the run as long as safety."""
    grace_us = 0 if state.waiting is None else round(patience.decide_s * US)
    return Due("off", wanted.command_id, wanted.version, wanted.off_at - wanted.run_s * US, wanted.off_at + grace_us)


def _of_waiting(waiting: Waiting, patience: Patience) -> Iterable[Due]:
    request = waiting.request
    if waiting.held:
        yield Due("hold", waiting.id, 0, request.at, request.held_until)
    else:
        yield Due("decide", waiting.id, 0, request.at, request.at + round(patience.decide_s * US))


def _of_sent(sent: Sent, seen: Seen, patience: Patience) -> Iterable[Due]:
    deadline = sent.deadline_at
    if sent.acked_at:
        settled_at = sent.acked_at + patience.settle_us(seen.actuator_type)
        yield Due("settle", sent.id, 0, sent.acked_at, settled_at)
        yield Due("deadline", sent.id, 1, sent.acked_at, max(deadline, settled_at))
        return
    again = sent.request.action == "OFF" or sent.approved_until > sent.answer_by
    if again and sent.answer_by < deadline:
        yield Due("answer", sent.id, sent.attempt, sent.tried_at, sent.answer_by)
    yield Due("deadline", sent.id, 0, sent.sent_at, deadline)


def _of_wanted(state: ActuatorState, wanted: Wanted, seen: Seen, patience: Patience) -> Iterable[Due]:
    version = wanted.version
    if wanted.off_at:
        yield _off(state, wanted, patience)
    elif wanted.insist:
        yield Due("insist", wanted.command_id, version, state.ended_at, state.ended_at + round(patience.insist_s * US))
    if not seen.known or seen.level is None or same(wanted.level, seen.level, seen.actuator_type):
        return
    if is_said(state, wanted, seen.level) and not is_to_settle(state):
        return
    since = max(seen.changed_at, wanted.at, state.ended_at)
    yield Due("drift", wanted.command_id, version, since, since + patience.settle_us(seen.actuator_type))


class Timers(Generic[K]):
    """Moments of many actuators, counted down by the monotonic clock."""

    def __init__(self) -> None:
        self._planned: dict[K, dict[Due, float]] = {}
        self._heap: list[tuple[float, int, K, Due]] = []
        self._number = 0

    def __len__(self) -> int:
        """Moments that are waited for."""
        return sum(map(len, self._planned.values()))

    def plan(self, key: K, wanted: Iterable[Due], *, wall: int, monotonic: float) -> bool:
        """Wait for these and no others of a key; those that are counted down already go on as they were.

        Args:
            key: The actuator.
            wanted: What it waits for.
            wall: Unix microseconds now.
            monotonic: Seconds of the monotonic clock now.

        Returns:
            Whether the next moment may have come nearer.
        """
        before = self._planned.get(key, {})
        after: dict[Due, float] = {}
        nearer = False
        for due in wanted:
            moment = before.get(due)
            if moment is None:
                left_us = min(max(0, due.at - wall), max(0, due.at - due.since))
                moment = monotonic + left_us / US
                self._push(moment, key, due)
                nearer = True
            after[due] = moment
        if after:
            self._planned[key] = after
        else:
            self._planned.pop(key, None)
        return nearer

    def take_due(self, monotonic: float) -> list[tuple[K, Due]]:
        """What is due by now; each of it is due again later, unless the plan changes."""
        found: list[tuple[K, Due]] = []
        while self._heap and self._heap[0][0] <= monotonic:
            moment, _, key, due = heapq.heappop(self._heap)
            planned = self._planned.get(key, {})
            if planned.get(due) != moment:
                continue  # not waited for any more
            planned[due] = monotonic + AGAIN_S
            self._push(planned[due], key, due)
            found.append((key, due))
        return found

    def next_at(self) -> float | None:
        """When the next is due, by the monotonic clock; None for nothing to wait for."""
        while self._heap:
            moment, _, key, due = self._heap[0]
            if self._planned.get(key, {}).get(due) == moment:
                return moment
            heapq.heappop(self._heap)
        return None

    def _push(self, moment: float, key: K, due: Due) -> None:
        self._number += 1
        heapq.heappush(self._heap, (moment, self._number, key, due))
