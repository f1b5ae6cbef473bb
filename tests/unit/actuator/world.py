"""One actuator without any I/O: its aggregate, its timers, and two clocks that the test moves.

Whatever happens is checked at once: the promises that hold after each event are in :meth:`World.check`.
"""

from collections.abc import Sequence

import msgspec

from kaiser.actuator.commands import (
    US,
    Approve,
    Around,
    Arrive,
    Ask,
    Cancel,
    HearDownlink,
    HearOutcome,
    HearResponse,
    HearStatus,
    Intent,
    Pass,
    Patience,
    Reject,
    SetPolicy,
    Stop,
)
from kaiser.actuator.lifecycle import EVENTS, NEW, decide, evolve
from kaiser.actuator.state import ActuatorState, Fact
from kaiser.actuator.timers import Seen, Timers, dues
from kaiser.contracts.events.actuation import (
    CommandAcknowledged,
    CommandAnsweredLate,
    CommandDispatched,
    CommandEnded,
    CommandRequested,
)
from kaiser.contracts.events.codec import EventDecoder, encode
from kaiser.contracts.refusals import Refusal

ESP, GPIO = "ESP_0A1B2C", 25
PATIENCE = Patience()
DECODER = EventDecoder({kind.TYPE: kind for kind in EVENTS})

Written = tuple[str, bytes]


def bits(state: ActuatorState) -> bytes:
    """A state, to be compared bit by bit."""
    return msgspec.json.encode(state)


class World:
    """One actuator and all that is around it.

    Args:
        actuator_type: What it is.
        generation: Its device's firmware.
    """

    def __init__(self, actuator_type: str = "pump", generation: str = "dec") -> None:
        self.state = NEW
        self.log: list[Written] = []
        self.facts: list[Fact] = []
        self.requested: dict[str, CommandRequested] = {}
        self.ends: dict[str, CommandEnded] = {}
        self.tries: dict[str, list[CommandDispatched]] = {}
        self.approvals: dict[int, Approve] = {}
        self.keys: dict[str, str] = {}
        self.wall = 1_777_500_000 * US
        self.monotonic = 1_000.0
        self.safety_seq = 0
        self.numbers = 0
        self.timers: Timers[str] = Timers()
        self.around = Around(
            kaiser_id="god",
            esp_id=ESP,
            gpio=GPIO,
            actuator_type=actuator_type,
            generation=generation,
            patience=PATIENCE,
        )
        self.seen_at = 0
        self.newer_than = ""
        self.stored_before_death = 0
        """Of the next decision that has more events, so many are stored."""

    # what happens

    def put(self, intent: Intent) -> Sequence[Fact]:
        """Decide, check, take in; the process may die before all of it is stored."""
        facts = decide(self.state, intent)
        dies = 0 < self.stored_before_death < len(facts)
        if dies:
            facts, self.stored_before_death = facts[: self.stored_before_death], 0
        for fact in facts:
            self.check(fact)
            self.log.append((fact.TYPE, encode(fact)))
            self.facts.append(fact)
            self.state = evolve(self.state, fact)
        if dies:
            self.crash()
        self.plan()
        return facts

    def ask(self, asked: str, **more) -> str:
        """The command that a request became, or repeats; the code of a refusal."""
        self.numbers += 1
        command_id = f"c{self.numbers}"
        request = Ask(
            at=self.wall, around=self.around, command_id=command_id, correlation_id=command_id, asked=asked, **more
        )
        try:
            facts = self.put(request)
        except Refusal as refusal:
            return refusal.code
        if request.key in self.state.keys:
            meant = self.state.keys[request.key].command_id
            assert self.keys.setdefault(request.key, meant) == meant, "the same key became another command"
            assert meant == command_id if facts else meant in self.requested
            return meant
        return command_id

    def approve(self, command_id: str, *, valid_s: float = 10.0) -> Sequence[Fact]:
        self.safety_seq += 1
        valid_until = self.wall + round(valid_s * US)
        approval = Approve(
            at=self.wall, around=self.around, command_id=command_id, valid_until=valid_until, seq=self.safety_seq
        )
        self.approvals[self.safety_seq] = approval
        return self.put(approval)

    def approve_again(self, seq: int) -> Sequence[Fact]:
        """The same decision, delivered once more."""
        return self.put(msgspec.structs.replace(self.approvals[seq], at=self.wall, around=self.around))

    def reject(self, command_id: str, code: str = "INTERLOCKED") -> Sequence[Fact]:
        self.safety_seq += 1
        return self.put(
            Reject(at=self.wall, command_id=command_id, code=code, detail="", rule="interlock x", seq=self.safety_seq)
        )

    def respond(self, word: str, *, success: bool = True, **more) -> Sequence[Fact]:
        return self.put(HearResponse(at=self.wall, around=self.around, word=word, success=success, **more))

    def outcome(self, command_id: str, *, good: bool) -> Sequence[Fact]:
        return self.put(HearOutcome(at=self.wall, around=self.around, command_id=command_id, good=good))

    def status(self, level: float | None) -> Sequence[Fact]:
        changed = level != self.around.level
        self.around = msgspec.structs.replace(self.around, level=level, level_at=self.wall, known=self.around.online)
        self.seen_at = self.wall if changed else self.seen_at
        self.newer_than = self.state.sent.id if self.state.sent is not None else ""
        return self.put(HearStatus(at=self.wall, around=self.around, newer_than=self.newer_than))

    def refuse_downlink(self, command_id: str, code: str = "PUBLISH_FAILED") -> Sequence[Fact]:
        return self.put(HearDownlink(at=self.wall, command_id=command_id, code=code, detail=""))

    def stop(self, code: str = "RUN_TOO_LONG") -> Sequence[Fact]:
        self.safety_seq += 1
        return self.put(
            Stop(
                at=self.wall, kaiser_id="god", esp_id=ESP, gpio=GPIO, seq=self.safety_seq, code=code, detail="in words"
            )
        )

    def latch(self, *, stop: bool = True) -> None:
        """An emergency stop is in force; its stop of this actuator comes later, by another way."""
        self.around = msgspec.structs.replace(self.around, latched="e1")
        if stop:
            self.stop("EMERGENCY_ACTIVE")

    def release(self) -> None:
        self.around = msgspec.structs.replace(self.around, latched="")

    def go(self) -> None:
        self.around = msgspec.structs.replace(self.around, online=False, known=False)
        self.plan()

    def come(self) -> Sequence[Fact]:
        self.around = msgspec.structs.replace(self.around, online=True)
        return self.put(Arrive(at=self.wall, around=self.around))

    def deafen(self, *, deaf: bool = True) -> None:
        self.around = msgspec.structs.replace(self.around, deaf=deaf)

    def cancel(self, command_id: str) -> str:
        try:
            self.put(Cancel(at=self.wall, command_id=command_id, by="ada"))
        except Refusal as refusal:
            return refusal.code
        return ""

    def policy(self, policy: str) -> None:
        self.put(SetPolicy(at=self.wall, around=self.around, policy=policy, by="ada", reason="because"))

    # time

    def plan(self) -> None:
        seen = Seen(
            level=self.around.level,
            changed_at=self.seen_at,
            actuator_type=self.around.actuator_type,
            known=self.around.known,
        )
        wanted = dues(self.state, seen, PATIENCE)
        self.timers.plan("it", wanted, wall=self.wall, monotonic=self.monotonic)

    def wait(self, seconds: float) -> list[Fact]:
        """Let time pass, moment by moment."""
        end, made = self.monotonic + seconds, []
        while (moment := self.timers.next_at()) is not None and moment <= end:
            self._move(max(self.monotonic, moment))
            for _, due in self.timers.take_due(self.monotonic):
                self.numbers += 1
                passed = Pass(
                    at=self.wall,
                    around=self.around,
                    due=due,
                    new_id=f"c{self.numbers}",
                    newer_than=self.newer_than,
                )
                made += self.put(passed)
        self._move(end)
        return made

    def set_clock(self, seconds: float) -> None:
        """Set the wall clock, while everything runs."""
        self.wall += round(seconds * US)

    def crash(self) -> None:
        """Start anew from what is in the log."""
        state = NEW
        for kind, body in self.log:
            state = evolve(state, DECODER.decode(kind, body))
        assert bits(state) == bits(self.state), "a replay makes another state"
        self.state = state
        self.timers = Timers()
        self.plan()

    def _move(self, monotonic: float) -> None:
        self.wall += round((monotonic - self.monotonic) * US)
        self.monotonic = monotonic

    # promises

    def check(self, fact: Fact) -> None:
        match fact:
            case CommandRequested():
                assert fact.command_id not in self.ends
                assert fact.command_id not in self.requested, "requested twice"
                self.requested[fact.command_id] = fact
                assert fact.action == "OFF" or not self.around.latched, "asked for in an emergency"
            case CommandDispatched():
                self._check_try(fact)
            case CommandAcknowledged():
                assert fact.command_id in self.tries, "acknowledged before it was sent"
                assert fact.command_id not in self.ends, "acknowledged after its end"
            case CommandEnded():
                assert fact.command_id in self.requested
                assert fact.command_id not in self.ends, "ended twice"
                self.ends[fact.command_id] = fact
            case CommandAnsweredLate():
                assert fact.command_id in self.ends, "late, and not ended"

    def _check_try(self, fact: CommandDispatched) -> None:
        request = self.requested[fact.command_id]
        assert fact.command_id not in self.ends, "sent after its end"
        assert request.held_until == 0 or self.around.online or fact.attempt > 1, "sent to nobody"
        tries = self.tries.setdefault(fact.command_id, [])
        tries.append(fact)
        assert [one.attempt for one in tries] == list(range(1, len(tries) + 1)), "tries out of order"
        assert len(tries) <= 3, "tried too often"
        if request.action == "OFF":
            assert fact.decision_seq == 0
            return
        approval = self.approvals[fact.decision_seq]
        assert approval.command_id == fact.command_id, "sent by the leave for another one"
        assert approval.valid_until > self.wall, "sent after the leave had lapsed"
        assert fact.attempt > 1 or self.requested[fact.command_id].deadline_at > self.wall, "sent too late"
        assert not self.around.latched, "switched on in an emergency"
        assert self.around.online or fact.attempt > 1, "switched on while its device was away"

    def check_state(self) -> None:
        """What holds between two events."""
        unended = set(self.requested) - set(self.ends)
        assert {command.id for command in self.state.open} == unended
        if self.state.sent is not None:
            assert self.state.sent.id in self.tries
        if self.state.waiting is not None:
            assert self.state.waiting.id not in self.tries
        assert len(self.state.past) <= 16

    def finish(self) -> None:
        """With nobody asking any more, everything comes to its end."""
        self.release()
        self.deafen(deaf=False)
        self.come()
        self.policy("alarm")
        self.status(0.0)
        for _ in range(20):
            self.wait(200)
            self.status(0.0)
        assert set(self.requested) == set(self.ends)
        assert self.state.open == ()
        assert self.state.wanted is None or self.state.wanted.off_at == 0, "a duration was forgotten"
