"""What safety knows, followed in the log: each stream by a reader of its own, in order, and nothing is forgotten.

Every instance follows, so that one that begins to lead knows everything already.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec
import nats.errors
import structlog
from nats.js.errors import Error as JetStreamError

from kaiser.contracts.events.actuation import COMMAND_EVENTS, CommandEnded, CommandRequested
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.safeguards import (
    ActuatorRef,
    CommandApproved,
    CommandRejected,
    EmergencyRequested,
    InterlockRemoved,
    InterlockSet,
)
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.lateness import is_late
from kaiser.contracts.streams import ACTUATORS, COMMANDS, SAFETY
from kaiser.contracts.wire import ActuatorStatus
from kaiser.eventlog import Delivery, EventLog, OrderedReader, replay
from kaiser.roster import Member, Roster
from kaiser.safety import checkpoints, folding
from kaiser.safety.alerts import Alerts
from kaiser.safety.checkpoints import Checkpoint
from kaiser.safety.emergencies import Known, Latches
from kaiser.safety.events import Fact, fact_of
from kaiser.safety.positions import Position
from kaiser.safety.readings import ReadingsFollowed
from kaiser.safety.settled import Settled
from kaiser.safety.state import State
from kaiser.safety.stops import Stops
from kaiser.safety.views import refresh
from kaiser.safety.words import Words
from kaiser.safety.writing import Numbered
from kaiser.service.tracing import Contexts

_log = structlog.get_logger(__name__)

SUBJECTS: Final = (COMMANDS, "actuator.*.*.*.status")

AGAIN_S: Final = 0.1

_decoder = EventDecoder(
    {SAID[ActuatorStatus].name: DeviceSaid[ActuatorStatus]} | {event.TYPE: event for event in COMMAND_EVENTS}
)


class Followed:
    """The state, and what only the shell needs beside it.

    Args:
        log: The connection.

    Attributes:
        state: What decisions are made of.
        alerts: Open alerts.
        latches: Emergency stops, in force and released lately.
        stops: Stops that are not confirmed.
        settled: Settings with who made them, and which commands were decided.
        undecided: Requests without a decision by the ids of their commands, with their sequences, in their order.
        on_change: Called after anything was taken in.
        on_return: Called with a device that is there again.
        traces: What requests came with, by the ids of their commands.
    """

    def __init__(self, log: EventLog) -> None:
        self.state = State()
        self.alerts = Alerts()
        self.latches = Latches()
        self.stops = Stops()
        self.settled = Settled()
        self.undecided: dict[str, tuple[int, CommandRequested]] = {}
        self.on_change: list[Callable[[], None]] = []
        self.on_return: list[Callable[[str], None]] = []
        self.traces = Contexts()
        self._log = log
        self._roster = Roster()
        self._roster.on_change.append(self._member_changed)
        self._readings = ReadingsFollowed(log, self._take_readings)
        self._touched: set[ActuatorRef] = set()
        self._words = Words()
        self._live = False
        self._actuators = Position()
        self._safety = Position()
        self._known = {name: asyncio.Event() for name in (ACTUATORS.name, SAFETY.name)}
        self._readers: dict[str, OrderedReader] = {}

    @property
    def safety_seq(self) -> int:
        """Sequence of the last event of SAFETY that is known."""
        return self._safety.seq

    @property
    def missing(self) -> str:
        """What was not read to its end yet, in words; empty when all was."""
        names = [name for name, known in self._known.items() if not known.is_set()]
        if not self._roster.caught_up:
            names.append("DEVICES and HEARTBEATS")
        return f"reading {', '.join(names)}" if names else ""

    @property
    def silent_s(self) -> float:
        """Seconds since the server last said anything to the reader that it said least to; infinite before a word."""
        readers = self._readers.values()
        return max((reader.silent_s for reader in readers), default=float("inf"))

    async def wait_caught_up(self) -> None:
        """Return when everything that the log held at the start is known."""
        for known in self._known.values():
            await known.wait()
        await self._roster.wait_caught_up()

    async def catch_up(self) -> None:
        """Return when everything that SAFETY holds now is known."""
        while True:
            await self._log.wait_connected()
            try:
                info = await self._log.js.stream_info(SAFETY.name)
            except (nats.errors.Error, JetStreamError, TimeoutError) as error:
                _log.warning("the log does not say how far it is, asking again", reason=repr(error))
                await asyncio.sleep(AGAIN_S)
            else:
                await self._safety.reach(int(info.state.last_seq))
                return

    def wrote(self, facts: Sequence[Numbered]) -> None:
        """Take in what was written, unless it was read already."""
        for seq, fact in facts:
            self._fold_safety(seq, fact)
        self._changed()

    def trace_of(self, fact: Fact) -> str:
        """``traceparent`` that an event of safety follows from, where that is a request; empty for none."""
        return self.traces.of(fact.command_id) if isinstance(fact, CommandApproved | CommandRejected) else ""

    def touched(self) -> frozenset[ActuatorRef]:
        """Actuators that something changed for since this was asked last."""
        touched, self._touched = frozenset(self._touched), set()
        return touched

    def actuators(self) -> Collection[Known]:
        """Every actuator of which anything is known."""
        return [self.actuator(ref) for ref in self.state.actuators()]

    def actuator(self, ref: ActuatorRef) -> Known:
        """One actuator."""
        output, member, word = self.state.output(ref), self.state.member(ref.esp_id), self._words.of(ref)
        return Known(
            esp_id=ref.esp_id,
            gpio=ref.gpio,
            kaiser_id=member.kaiser_id,
            generation=member.generation,
            zones=member.zones,
            level=output.level,
            said_at=output.reported_at,
            possible=self.state.view(ref).possible,
            emergency=word.emergency,
            calm_at=word.calm_at,
        )

    def checkpoint(self) -> Checkpoint:
        """What is known now, to go on from."""
        parts = (self.alerts.facts(), (stop.stopped for stop in self.stops.open()))
        facts = [
            *self.settled.facts(),
            *((latch.seq, latch.requested) for latch in self.latches.in_force()),
            *((0, fact) for part in parts for fact in part),
        ]
        return Checkpoint(
            actuators_seq=self._actuators.seq,
            safety_seq=self._safety.seq,
            outputs=list(self.state.outputs.items()),
            guards=list(self.state.guards.items()),
            emergency=self._words.kept(),
            facts=checkpoints.packed(facts),
            released=list(self.latches.released()),
            covered=[(emergency_id, dict(devices)) for emergency_id, devices in self.latches.covered()],
            undecided=list(self.undecided.values()),
            decided=list(self.settled.lately()),
            decided_to=self.settled.decided_to,
        )

    def go_on_from(self, checkpoint: Checkpoint) -> None:
        """Know what a checkpoint holds; before anything was read."""
        for seq, fact in checkpoints.unpacked(checkpoint.facts):
            folding.fold_safety(self.state, seq or self.state.seqs.get(SAFETY.name, 0) + 1, fact)
            self._fold_beside(seq, fact)
        self.latches.remember(checkpoint.released, checkpoint.covered)
        self.settled.remember(checkpoint.decided, checkpoint.decided_to)
        self.undecided = {request.command_id: (seq, request) for seq, request in checkpoint.undecided}
        self._words.remember(checkpoint.emergency)
        self.state.outputs.update(checkpoint.outputs)
        self.state.guards.clear()
        self.state.guards.update(checkpoint.guards)
        for ref in self.state.outputs.keys() | self.state.guards.keys():
            refresh(self.state, ref)
        self.state.seqs.update({ACTUATORS.name: checkpoint.actuators_seq, SAFETY.name: checkpoint.safety_seq})
        self._actuators.advance(checkpoint.actuators_seq)
        self._safety.advance(checkpoint.safety_seq)

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._roster.follow(self._log))
            tasks.create_task(self._readings.run())
            tasks.create_task(self._begin_to_note())
            tasks.create_task(self._follow(SAFETY.name, (), self._safety.seq, self._take_safety))
            # First what was decided, or years of requests would be held to be open meanwhile
            await self._known[SAFETY.name].wait()
            tasks.create_task(self._follow(ACTUATORS.name, SUBJECTS, self._actuators.seq, self._take_actuators))

    async def _begin_to_note(self) -> None:
        """Remember from now on whom stops cover: where devices were years ago has nothing to do with those in force."""
        await self.wait_caught_up()
        self._live = True
        self.latches.note(self.actuators())

    async def read_to(self, actuators_seq: int, safety_seq: int) -> None:
        """Know what the streams hold up to these sequences, and no more; for checkpoints of a moment that is past."""
        async for delivery in replay(self._log, SAFETY.name, until_seq=safety_seq):
            self._take_safety(delivery)
        async for delivery in replay(self._log, ACTUATORS.name, subjects=SUBJECTS, until_seq=actuators_seq):
            self._take_actuators(delivery)

    async def _follow(
        self, stream: str, subjects: tuple[str, ...], known_to: int, take: Callable[[Delivery], None]
    ) -> None:
        start_seq = known_to + 1 if known_to else 0
        async with OrderedReader(self._log, stream, subjects=subjects, start="all", start_seq=start_seq) as reader:
            self._readers[stream] = reader
            try:
                while True:
                    if not reader.pending:
                        self._known[stream].set()
                    for delivery in await reader.take():
                        take(delivery)
                    self._changed()
            finally:
                with contextlib.suppress(KeyError):
                    del self._readers[stream]

    def _take_actuators(self, delivery: Delivery) -> None:
        event = _readable(delivery, _decoder.decode)
        if event is not None:
            self._touched.update(folding.fold_actuators(self.state, delivery.seq, event))
            if type(event) is CommandRequested and self._known[ACTUATORS.name].is_set():
                self.traces.note(event.command_id, delivery.traceparent)
            self._note(delivery.seq, event)
        self._actuators.advance(delivery.seq)

    def _note(self, seq: int, event: Any) -> None:  # one of the events that are followed
        match event:
            case DeviceSaid(message=ActuatorStatus() as status):
                ref = ActuatorRef(event.esp_id, status.gpio)
                if not is_late(status.ts, self.state.output(ref).said_ts):
                    self._words.take(ref, status.emergency, event.received_at)
            case CommandRequested():
                # Those that may wait for their device are decided out of turn
                waits = event.held_until and not self.settled.decided(event.command_id)
                if seq > self.settled.decided_to or waits:
                    self.undecided[event.command_id] = (seq, event)
            case CommandEnded():
                found = self.undecided.get(event.command_id)
                if found is not None and found[0] <= self.settled.decided_to:
                    del self.undecided[event.command_id]

    def _take_safety(self, delivery: Delivery) -> None:
        fact = _readable(delivery, lambda _, __: fact_of(delivery))
        if fact is None:
            self._safety.advance(delivery.seq)
        else:
            self._fold_safety(delivery.seq, fact)

    def _fold_safety(self, seq: int, fact: Fact) -> None:
        if seq <= self._safety.seq:
            return
        self._touched.update(folding.fold_safety(self.state, seq, fact))
        self._fold_beside(seq, fact)
        if isinstance(fact, CommandApproved | CommandRejected):
            self.undecided.pop(fact.command_id, None)
        self._safety.advance(seq)

    def _fold_beside(self, seq: int, fact: Fact) -> None:
        self.alerts.fold(fact)
        self.latches.fold(fact, seq)
        self.stops.fold(fact)
        self.settled.fold(fact, seq)
        if self._live and isinstance(fact, EmergencyRequested):
            self.latches.note(self.actuators())
        if isinstance(fact, InterlockSet | InterlockRemoved):
            self._readings.watch(self.state.interlocks.values())

    def _take_readings(self, seq: int, batch: Readings) -> None:
        self._touched.update(folding.fold_readings(self.state, seq, batch))
        self._changed()

    def _member_changed(self, before: Member, after: Member) -> None:
        self._touched.update(folding.fold_member(self.state, after))
        if self._live and (before.zones, before.kaiser_id) != (after.zones, after.kaiser_id):
            pins = self.state.pins.get(after.esp_id, ())
            self.latches.note([self.actuator(ActuatorRef(after.esp_id, gpio)) for gpio in pins])
        if after.online and not before.online:
            for tell in self.on_return:
                tell(after.esp_id)
        self._changed()

    def _changed(self) -> None:
        for tell in self.on_change:
            tell()


def _readable(delivery: Delivery, decode: Callable[[str, bytes], Any]) -> Any:  # the struct follows from the type
    try:
        return decode(delivery.type, delivery.data)
    except (msgspec.DecodeError, ValueError) as error:
        # Whoever writes tables of it puts it into the dead letters; here it only teaches nothing
        _log.warning("an event teaches nothing", subject=delivery.subject, seq=delivery.seq, reason=str(error))
        return None
