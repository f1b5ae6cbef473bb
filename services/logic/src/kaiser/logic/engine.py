"""The engine: takes what happens, one message after the other, and decides. No I/O, no clock of its own, no chance.

**Order.** Messages have a moment, ``at``: when their stream stored them. The engine takes them in ascending order of
that, and every moment is one message's. One that comes after the clock has passed it is taken a microsecond later than
the clock, and that is said (:class:`TakenLate`), so that whoever takes the same messages again, each at the moment at
which it was taken, gets the same decisions, byte for byte. What is due at a moment comes before a message of that
moment.

**Restarts.** :meth:`snapshot` is all that the engine knows. While the service was away things happened that must not be
acted on late: between :meth:`hold` and :meth:`resume` the engine takes in everything, and does nothing; then it acts on
what is true by now, goes on with the runs, and makes up for missed triggers as far as those allow.

**Measured and stored.** See :mod:`kaiser.logic.series` for readings that are late, early or twice.
"""

import heapq
from collections.abc import Callable, Mapping
from typing import Any

from kaiser.contracts.events.actuation import CommandEnded, CommandRequested
from kaiser.contracts.events.device import DeviceDiscovered, DeviceRestarted, DeviceReturned, DeviceSaid, DeviceSilent
from kaiser.contracts.events.logic import (
    RULE_EVENTS,
    Decision,
    EngineResumed,
    RuleBacktested,
    RuleDefined,
    RuleDisabled,
    RuleEnabled,
    RuleRemoved,
    StepRefused,
    TakenLate,
)
from kaiser.contracts.events.safeguards import AlertRaised, EmergencyReleased, EmergencyRequested
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.logic import Explanation
from kaiser.contracts.wire import ActuatorStatus, Heartbeat, LastWill
from kaiser.logic import snapshots
from kaiser.logic.conditions import Evaluator
from kaiser.logic.core import MOMENT, THREAD, Core, Glimpse, Happening
from kaiser.logic.doing import Outcome
from kaiser.logic.explaining import Standing, explain, standing
from kaiser.logic.index import Channel, Index
from kaiser.logic.live import LiveRule
from kaiser.logic.recalling import Recalling
from kaiser.logic.rulebook import Rulebook
from kaiser.logic.series import RANKS
from kaiser.logic.settling import Settling
from kaiser.logic.state import Run
from kaiser.logic.times import NEVER
from kaiser.logic.world import occurrence_of


class Engine:
    """Evaluates rules.

    Args:
        plugins: Conditions of others, by name.
        n: Number of the last decision that was ever made, where there is no snapshot to go on from.

    Attributes:
        core: What it knows; for those who explain and show it, not for changing.
        recalling: Takes over what the log tells of runs, where there is no snapshot.
    """

    def __init__(self, plugins: Mapping[str, Evaluator] | None = None, *, n: int = 0) -> None:
        self.core = Core(plugins or {})
        self.core.n = n
        self._settling = Settling(self.core)
        self._running = self._settling.running
        self._rulebook = Rulebook(self.core, self._settling)
        self.recalling = Recalling(self.core, self._rulebook, self._running)
        self._index = Index()
        self._late: list[TakenLate] = []
        self._since = 0
        self._takes: dict[type[Any], Callable[[Any, str, int], None]] = {  # by type of event, or of what a device said
            Readings: self._readings,
            Heartbeat: self._beat,
            ActuatorStatus: self._reported,
            LastWill: self._lost,
            DeviceDiscovered: self._heard,
            DeviceReturned: self._heard,
            DeviceSilent: self._lost,
            DeviceRestarted: self._happened,
            AlertRaised: self._happened,
            EmergencyRequested: self._latched,
            EmergencyReleased: self._released,
            CommandRequested: self._requested,
            CommandEnded: self._ended,
            StepRefused: self._refused,
            RuleDefined: self._ruled,
            RuleEnabled: self._ruled,
            RuleDisabled: self._ruled,
            RuleRemoved: self._ruled,
            RuleBacktested: self._ruled,
        }

    @property
    def clock(self) -> int:
        """Up to when it has decided."""
        return self.core.clock

    @property
    def next_due(self) -> int:
        """When :meth:`tick` has something to do next, though nothing comes."""
        return self.core.timers[0].due if self.core.timers else NEVER

    def take(self, stream: str, seq: int, at: int, event: object) -> list[Decision]:
        """Take in a message, after what was due before it. One that rules have nothing to do with leaves no trace.

        Args:
            stream: Its stream.
            seq: Its sequence there.
            at: When its stream stored it, or it was taken according to :class:`TakenLate`.
            event: Its body.

        Returns:
            What was decided, :class:`TakenLate` first where it applies.
        """
        core = self.core
        take = self._takes.get(type(event.message) if isinstance(event, DeviceSaid) else type(event))
        if take is None:
            return []
        if at <= core.clock:
            at = core.clock + 1
            self._late.append(TakenLate(stream=stream, seq=seq, at=at))
        if core.timers and core.timers[0].due <= at:
            self._fire(at)
        core.clock = core.moment = at
        if core.stale_index and not isinstance(event, RULE_EVENTS):  # many rules may come in a row
            self._reindex()
        take(event, stream, seq)
        if core.happenings or core.switches or core.leaving:
            self._drain()
        return self._decided()

    def tick(self, now: int) -> list[Decision]:
        """Do what is due by now."""
        if self.core.timers and self.core.timers[0].due <= now:
            self._fire(now)
        return self._decided()

    def hold(self) -> None:
        """From here on only take in: what comes happened while the service was away."""
        self.core.held = True
        self._since = max(self.core.clock, self.core.decided_to)

    def resume(self, now: int) -> list[Decision]:
        """Act again, on what is true by now.

        Returns:
            What was decided, :class:`EngineResumed` first.
        """
        core = self.core
        now = max(now, core.clock + 1)
        self._fire(now)
        core.clock = core.moment = now
        core.held = False
        if core.stale_index:
            self._reindex()
        core.glimpse = Glimpse("resumed", "the service is back", at=now)
        self.recalling.give_up()
        for rule in core.order:
            self._settling.make_up(rule)
            core.glimpse = Glimpse("resumed", "the service is back", at=now)
            self._settling.evaluate(rule)
        ready, core.ready = core.ready, []
        for run_id, number in ready:
            self._go_on(run_id, number)
        for rule in core.order:
            self._settling.after_hold(rule)
        self._drain()
        return [EngineResumed(since=self._since, at=now), *self._decided()]

    def explain(self, rule_id: str) -> Explanation:
        """Why a rule does what it does now."""
        return explain(self.core, self._settling, rule_id)

    def standing(self, rule_id: str) -> Standing | None:
        """How a rule is now; None where it is not live."""
        rule = self.core.rules.get(rule_id)
        return None if rule is None else standing(self.core, self._settling, rule)

    def snapshot(self) -> bytes:
        """All that it knows, as JSON; the same knowledge is the same bytes."""
        assert not self.core.decisions
        if self.core.stale_index:
            self._reindex()
        return snapshots.write(self.core)

    @classmethod
    def restore(cls, snapshot: bytes, plugins: Mapping[str, Evaluator] | None = None) -> "Engine":
        """An engine that knows what a snapshot says.

        Raises:
            msgspec.ValidationError: It is none of this release.
        """
        engine = cls(plugins)
        snapshots.read(snapshot, engine.core)
        engine._rulebook.sort()
        engine._reindex()
        return engine

    def _decided(self) -> list[Decision]:
        decisions = self.core.decisions
        if not decisions and not self._late:
            return []
        late, self._late, self.core.decisions = self._late, [], []
        return [*late, *decisions]

    def _reindex(self) -> None:
        self.core.stale_index = False
        self._index = Index(self.core.order, self.core.world)

    def _fire(self, now: int) -> None:
        """Do what is due, one after the other, each at its own moment."""
        core = self.core
        while core.timers and core.timers[0].due <= now:
            timer = heapq.heappop(core.timers)
            rule = core.rules.get(timer.rule_id)
            if rule is None:
                continue
            core.clock = core.moment = max(core.clock, timer.due)
            core.glimpse = None
            if timer.kind == THREAD:
                run = _run(rule, timer.run_id)
                if run is not None and run.threads[timer.number].until == timer.due:
                    run.threads[timer.number].until = 0
                    self._running.due(rule, run, timer.number)
            elif timer.kind == MOMENT:
                if rule.state.due.get(timer.number) == timer.due:
                    self._settling.clock_moment(rule, timer.number)
            elif rule.state.wake == timer.due:
                self._settling.evaluate(rule)
            self._drain()

    def _readings(self, batch: Readings, stream: str, seq: int) -> None:
        sensors = self._index.sensors
        i = -1
        for key in zip(batch.esp_id, batch.gpio, batch.sensor_type, strict=True):
            i += 1
            channels = sensors.get(key)
            if channels is not None and not batch.pending[i]:
                for channel in channels:
                    if not channel.address or channel.address == batch.address[i]:
                        self._reading(batch, i, channel, stream, seq)

    def _reading(self, batch: Readings, i: int, channel: Channel, stream: str, seq: int) -> None:
        core = self.core
        now = core.clock
        measured, value = min(batch.measured_at[i], now), batch.value[i]
        rank = 0 if value is None else RANKS.get(batch.quality[i], 0)
        news = late = False
        for series in channel.series:
            taken = series.take(measured, batch.reading_id[i], value, rank, seq, now)
            news = news or taken == "news"
            late = late or taken == "late"
        if not (news or late):
            return
        core.moment = measured if news else now
        core.glimpse = Glimpse("reading", channel.series[0].key.words(), stream, seq, measured, value)
        for rule in channel.rules:
            self._settling.evaluate(rule)
        if core.happenings or core.switches:
            self._drain()
        core.moment = now

    def _beat(self, said: DeviceSaid[Heartbeat], stream: str, seq: int) -> None:
        self._alive(said.esp_id, said.received_at, stream, seq)

    def _reported(self, said: DeviceSaid[ActuatorStatus], stream: str, seq: int) -> None:
        if self.core.world.reported(said, seq):
            words = f"{said.esp_id}/{said.message.gpio}"
            self.core.glimpse = Glimpse("status", words, stream, seq, said.received_at)
            self._evaluate(self._index.actuators.get((said.esp_id, said.message.gpio), ()))

    def _heard(self, event: Any, stream: str, seq: int) -> None:
        self._alive(event.esp_id, event.received_at, stream, seq)
        self._happened(event, stream, seq)

    def _alive(self, esp_id: str, at: int, stream: str, seq: int) -> None:
        if self.core.world.heard(esp_id, at, seq):
            self.core.glimpse = Glimpse("device", f"{esp_id} online", stream, seq, at)
            self._evaluate(self._index.devices.get(esp_id, ()))

    def _lost(self, event: Any, stream: str, seq: int) -> None:
        if self.core.world.lost(event.esp_id, event.received_at, seq):
            self.core.glimpse = Glimpse("device", f"{event.esp_id} offline", stream, seq, event.received_at)
            self._evaluate(self._index.devices.get(event.esp_id, ()))
        self._happened(event, stream, seq)

    def _latched(self, event: EmergencyRequested, stream: str, seq: int) -> None:
        self.core.world.latches[event.emergency_id] = event.scope
        self._happened(event, stream, seq)
        self._evaluate(self._index.emergencies)

    def _released(self, event: EmergencyReleased, stream: str, seq: int) -> None:
        self.core.world.latches.pop(event.emergency_id, None)
        self._happened(event, stream, seq)
        self._evaluate(self._index.emergencies)

    def _happened(self, event: object, stream: str, seq: int) -> None:
        occurrence = occurrence_of(event)
        if occurrence is not None:
            core = self.core
            core.glimpse = Glimpse("event", occurrence.words(), stream, seq, core.clock)
            core.happenings.append(Happening(occurrence, core.glimpse))

    def _requested(self, event: CommandRequested, _: str, __: int) -> None:
        run_id, slash, step = event.idempotency_key.rpartition("/")
        if event.source == "rule" and slash and step.isdecimal():
            found = self._run_of(run_id)
            if found is not None:
                self.core.commands[event.command_id] = (run_id, int(step))

    def _ended(self, event: CommandEnded, stream: str, seq: int) -> None:
        found = self.core.commands.pop(event.command_id, None)
        if found is not None:
            refusal = None if event.outcome == "succeeded" else _refusal(event.outcome, event.code, event.detail)
            self._answered(*found, refusal, Glimpse("event", "command ended", stream, seq), event.command_id)

    def _refused(self, event: StepRefused, stream: str, seq: int) -> None:
        refusal = _refusal("refused", event.code, event.detail)
        self._answered(event.run_id, event.step, refusal, Glimpse("event", "command refused", stream, seq))

    def _answered(
        self, run_id: str, step: int, refusal: Outcome | None, glimpse: Glimpse, command_id: str = ""
    ) -> None:
        found = self._run_of(run_id)
        if found is not None:
            self.core.glimpse = glimpse
            self._running.answered(*found, step, refusal, command_id)

    def _ruled(self, event: Any, stream: str, seq: int) -> None:
        self.core.glimpse = Glimpse("rule", f"{event.rule_id} {event.EVENT}", stream, seq, self.core.clock)
        self._rulebook.take(event)

    def _evaluate(self, rules: "tuple[LiveRule, ...] | list[LiveRule]") -> None:
        for rule in rules:
            self._settling.evaluate(rule)

    def _drain(self) -> None:
        """Let follow what follows, until nothing does."""
        core = self.core
        while core.happenings or core.switches or any(not rule.runs for rule in core.leaving):
            while core.switches:
                rule_id, enabled = core.switches.pop(0)
                if self._rulebook.enable(rule_id) if enabled else self._rulebook.disable(rule_id):
                    self._reindex()
            if core.happenings:
                self._tell(core.happenings.popleft())
                continue
            gone = [rule for rule in core.leaving if not rule.runs]
            core.leaving = [rule for rule in core.leaving if rule.runs]
            for rule in gone:
                self._rulebook.dismiss(rule)

    def _tell(self, happening: Happening) -> None:
        core, glimpse, occurrence = self.core, happening.glimpse, happening.occurrence
        if core.stale_index:
            self._reindex()
        for rule in tuple(self._index.listeners):
            core.glimpse = glimpse
            self._settling.notice(rule, occurrence, core.clock, glimpse.seq)

    def _go_on(self, run_id: str, number: int) -> None:
        found = self._run_of(run_id)
        if found is not None:
            rule, run = found
            if run.threads[number].state == "awaiting":
                self._running.due(rule, run, number)
            else:
                self._running.advance(rule, run, number)

    def _run_of(self, run_id: str) -> tuple[LiveRule, Run] | None:
        rule = self.core.rules.get(run_id.rsplit(".", 2)[0])
        run = None if rule is None else _run(rule, run_id)
        return None if rule is None or run is None else (rule, run)


def _run(rule: LiveRule, run_id: str) -> Run | None:
    return next((run for run in rule.runs if run.run_id == run_id), None)


def _refusal(outcome: str, code: str, detail: str) -> Outcome:
    return Outcome("failed", code or outcome.upper(), detail or f"the command was {outcome}")
