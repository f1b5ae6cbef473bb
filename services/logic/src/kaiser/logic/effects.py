"""What follows from decisions outside of logic: commands are asked for, rules are switched. A handler of deliveries.

The log of decisions is the outbox. A command goes to the actuator service under the key ``{run}/{step}``, so that
asking again is the same command; what was refused is written down once, and not asked for again.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
import nats.errors
import structlog
from structlog.contextvars import bound_contextvars

from kaiser.contracts import subjects
from kaiser.contracts.actuation import Command, SendCommand
from kaiser.contracts.codes import Code
from kaiser.contracts.events.codec import EventDecoder, encode
from kaiser.contracts.events.logic import (
    CommandAsked,
    Decision,
    RuleDisabled,
    RuleEnabled,
    RuleFact,
    RuleSwitched,
    StepRefused,
)
from kaiser.contracts.logic import DisableRule, EnableRule
from kaiser.contracts.queries import Problem, Reply
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import LOGIC
from kaiser.eventlog import (
    ConcurrencyConflict,
    ConsumerSpec,
    Delivery,
    Event,
    EventLog,
    Retry,
    now_us,
    replay,
    tracecontext,
)
from kaiser.logic import definitions
from kaiser.logic.definitions import Life
from kaiser.logic.metrics import LogicMetrics
from kaiser.logic.rules import Rules
from kaiser.logic.times import SECOND
from kaiser.logic.traces import Traces
from kaiser.service import tracing

_log = structlog.get_logger(__name__)

EFFECTS: Final = ConsumerSpec(stream=LOGIC.name, durable="logic-effects", subjects=("logic.run.>",))
SEND: Final = subjects.command("actuator", "send")
SOURCE: Final = "kaiser/logic"
ANSWER_S: Final = 5.0
AT_ONCE: Final = 24
"""Commands that are asked for at the same time: the actuator service works on a few more, and lets others wait."""
AGAIN_S: Final = 0.1
LONGEST_AGAIN_S: Final = 1.0
REMEMBERED: Final = 10_000
AWAY: Final = frozenset({Code.SERVICE_ERROR, Code.OPERATION_TIMEOUT, Code.DATABASE_ERROR})
"""Answers that say nothing about the command."""

_decoder = EventDecoder({CommandAsked.TYPE: CommandAsked, RuleSwitched.TYPE: RuleSwitched})
_reply = msgspec.json.Decoder(Reply[Command])


class _Answer(msgspec.Struct):
    """What a refusal and a decision about a rule say of the run that they follow from."""

    run_id: str = ""
    step: int = 0
    correlation_id: str = ""


_answer = msgspec.json.Decoder(_Answer).decode


Effect = CommandAsked | RuleSwitched
Name = tuple[str, int]
"""Run and step."""


class Effects:
    """Does what is decided, as soon as it is written; and whatever somebody else has decided and left, too.

    Args:
        log: The connection.
        rules: Where rules are switched.
        metrics: Where to count.
        ttl_s: How long it is kept what was refused, seconds.
        traces: What runs are a part of.
    """

    def __init__(
        self, log: EventLog, rules: Rules, metrics: LogicMetrics, *, ttl_s: int, traces: Traces | None = None
    ) -> None:
        self._traces = Traces() if traces is None else traces
        self._log = log
        self._ttl_s = ttl_s
        self._rules = rules
        self._metrics = metrics
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._under_way: dict[Name, asyncio.Task[None]] = {}
        self._last: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._done: dict[Name, None] = {}

    @property
    def under_way(self) -> tuple[asyncio.Task[None], ...]:
        """What is being done."""
        return tuple(self._under_way.values())

    def begin(self, decisions: Iterable[Decision]) -> None:
        """These are written now: do what they ask for. They come as deliveries, too, which saves doing it over."""
        for decision in decisions:
            # A delivery may be quicker than the word that all of a write is stored, and what it began be done by now
            if isinstance(decision, CommandAsked | RuleSwitched) and not self._is_known(_name(decision)):
                _ = self._start(decision)

    async def term(self) -> None:
        """Until cancelled, what was begun may go on; whoever leads next gets what is left as deliveries."""
        try:
            await asyncio.Event().wait()
        finally:
            for task in self._under_way.values():
                task.cancel()
            self._under_way.clear()
            self._last.clear()

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Return when everything is done that these decisions ask for.

        Raises:
            Retry: The log is away.
        """
        found = [(delivery, _decoder.decode(delivery.type, delivery.data)) for delivery in _effects(deliveries)]
        tasks = {_name(effect): self._under_way.get(_name(effect)) for _, effect in found}
        for delivery, effect in found:
            task = tasks[_name(effect)]
            if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
                tasks[_name(effect)] = self._start(effect, delivery)
        try:
            await asyncio.gather(*(task for task in tasks.values() if task is not None))
        except (nats.errors.Error, TimeoutError, ConcurrencyConflict) as error:
            raise Retry(repr(error)) from error
        for name in tasks:
            self._under_way.pop(name, None)
            self._done[name] = None
        while len(self._done) > REMEMBERED:
            del self._done[next(iter(self._done))]

    def _is_known(self, name: Name) -> bool:
        return name in self._under_way or name in self._done

    def _start(self, effect: Effect, left: Delivery | None = None) -> asyncio.Task[None]:
        """Begin, behind what was begun for the same actuator, or rule.

        Args:
            effect: What is to be done.
            left: Its delivery, where somebody else may have begun it, and come to an answer.
        """
        lane = (effect.esp_id, effect.gpio) if isinstance(effect, CommandAsked) else (effect.target, -1)
        before = self._last.get(lane)
        task = asyncio.create_task(self._do(effect, before, left), name=f"effect {effect.run_id}/{effect.step}")
        task.add_done_callback(lambda done: self._ended(lane, done))
        self._under_way[_name(effect)] = self._last[lane] = task
        return task

    def _ended(self, lane: tuple[str, int], task: asyncio.Task[None]) -> None:
        if self._last.get(lane) is task:
            del self._last[lane]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("an effect waits for its turn to come again", effect=task.get_name(), reason=repr(error))

    async def _do(self, effect: Effect, before: asyncio.Task[None] | None, left: Delivery | None) -> None:
        if before is not None and not before.done():
            await asyncio.wait((before,))
        if left is not None and await self._was_answered(left, effect):
            return
        cause = left.traceparent if left is not None else self._traces.of(effect.run_id)
        with (
            tracing.span("logic do", cause, {"run_id": effect.run_id}),
            bound_contextvars(correlation_id=effect.run_id),
        ):
            if isinstance(effect, RuleSwitched):
                await self._switch(effect)
            else:
                await self._command(effect)

    async def _command(self, asked: CommandAsked) -> None:
        """Ask for a command until somebody has answered, or what would be switched on is not wanted any more."""
        until = asked.at + (asked.timeout_s + asked.hold_s) * SECOND
        delay_s, problem = AGAIN_S, Problem(code=Code.SERVICE_ERROR, detail="the actuator service does not answer")
        while True:
            if now_us() >= until and not _switches_off(asked):
                await self._refuse(asked, problem)
                return
            try:
                async with self._turns:
                    order = encode(order_of(asked, now_us()))
                    headers = tracecontext.headers()
                    answer = await self._log.nc.request(SEND, order, timeout=ANSWER_S, headers=headers)
                reply = _reply.decode(answer.data)
            except (nats.errors.Error, TimeoutError, msgspec.DecodeError) as error:
                problem = Problem(code=Code.SERVICE_ERROR, detail=f"the actuator service does not answer: {error!r}")
            else:
                if reply.problem is None:
                    self._metrics.effected("asked", asked.at)
                    return
                problem = reply.problem
                if problem.code not in AWAY:
                    await self._refuse(asked, problem)
                    return
            _log.warning("a command waits", run=asked.run_id, step=asked.step, reason=problem.detail)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, LONGEST_AGAIN_S)

    async def _refuse(self, asked: CommandAsked, problem: Problem) -> None:
        self._metrics.effected("refused", asked.at)
        _log.info("a command is refused", run=asked.run_id, step=asked.step, code=problem.code, detail=problem.detail)
        refused = StepRefused(
            rule_id=asked.rule_id,
            run_id=asked.run_id,
            step=asked.step,
            at=now_us(),
            code=problem.code,
            detail=problem.detail,
        )
        await self._log.publish(
            Event(
                id=f"refused-{asked.run_id}/{asked.step}",
                subject=subjects.refused(asked.rule_id),
                type=refused.TYPE,
                data=encode(refused),
                source=SOURCE,
                time=refused.at,
                headers={"Nats-TTL": f"{self._ttl_s}s"},
            )
        )

    async def _was_answered(self, delivery: Delivery, effect: Effect) -> bool:
        """Whether an earlier try came to its end: a refusal, by which the run goes already, or a switched rule.

        What the actuator service has taken it knows by its key; a rule may have been switched back since by people.
        """
        if isinstance(effect, RuleSwitched):
            wanted = subjects.rule(effect.target, RuleEnabled.EVENT if effect.enabled else RuleDisabled.EVENT)
        else:
            wanted = subjects.refused(effect.rule_id)
        async for message in replay(self._log, LOGIC.name, subjects=(wanted,), from_seq=delivery.seq):
            found = _answer(message.data)
            if (found.run_id, found.step) == _name(effect) or found.correlation_id == effect.run_id:
                return True
        return False

    async def _switch(self, switched: RuleSwitched) -> None:
        """Enable or disable a rule, as its own events say from then on."""
        now, by, run = now_us(), f"rule {switched.rule_id}", switched.run_id

        def decide(life: Life) -> Sequence[RuleFact]:
            if switched.enabled:
                order = EnableRule(rule_id=switched.target, by=by, correlation_id=run)
                return definitions.enable(life, order, now=now, gated=False)
            rest = DisableRule(rule_id=switched.target, by=by, correlation_id=run)
            return definitions.disable(life, rest, now=now)

        try:
            await self._rules.execute(switched.target, decide)
        except Refusal as refusal:
            _log.warning("a rule cannot be switched", rule=switched.target, run=run, reason=refusal.detail)
        self._metrics.effected("switched", switched.at)


def _effects(deliveries: Iterable[Delivery]) -> Iterator[Delivery]:
    return (each for each in deliveries if each.type in (CommandAsked.TYPE, RuleSwitched.TYPE))


def _switches_off(asked: CommandAsked) -> bool:
    return asked.command == "OFF" or (asked.command == "PWM" and not asked.level)


def _name(effect: Effect) -> Name:
    return effect.run_id, effect.step


def order_of(asked: CommandAsked, now: int) -> SendCommand:
    """A command that a run asks for, as the actuator service takes it; what time has passed is not granted again."""
    passed_s = max(0, now - asked.at) // SECOND
    return SendCommand(
        esp_id=asked.esp_id,
        gpio=asked.gpio,
        by=f"rule {asked.rule_id}",
        correlation_id=asked.run_id,
        command=asked.command,
        level=asked.level,
        duration_s=asked.duration_s,
        hold_s=max(0, asked.hold_s - passed_s) if asked.hold_s else 0,
        timeout_s=min(600, max(1, asked.timeout_s - (passed_s if not asked.hold_s else 0))),
        source="rule",
        reason=f"run {asked.run_id}, {asked.path or 'clean-up'}"[:500],
        idempotency_key=f"{asked.run_id}/{asked.step}",
        causation_id=asked.run_id,
    )
