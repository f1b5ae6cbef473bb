"""Rules as the log has them: the life of each, and whoever decides about it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from kaiser.contracts import subjects
from kaiser.contracts.events.codec import EventDecoder, encode
from kaiser.contracts.events.logic import RULE_EVENTS, RuleFact
from kaiser.contracts.rules import Rule
from kaiser.contracts.streams import LOGIC
from kaiser.eventlog import (
    Aggregate,
    ConcurrencyConflict,
    Delivery,
    Event,
    EventLog,
    Executed,
    Expectation,
    OrderedReader,
    Repository,
    new_id,
    publish_atomically,
)
from kaiser.logic import definitions
from kaiser.logic.definitions import UNBORN, Life

_log = structlog.get_logger(__name__)

SOURCE: Final = "kaiser/logic"
ALL: Final = "logic.rule.>"
MOST_CONFLICTS: Final = 10

Decide = Callable[[Life], Sequence[RuleFact]]
"""What follows from the life of a rule. Raises :class:`Refusal` to say no."""

_decoder = EventDecoder({event.TYPE: event for event in RULE_EVENTS})


def event_of(fact: RuleFact, name: str) -> Event:
    """A decision about a rule as an event of the log, under an id."""
    return Event(
        id=name,
        subject=subjects.rule(fact.rule_id, fact.EVENT),
        type=fact.TYPE,
        data=encode(fact),
        source=SOURCE,
        time=fact.at,
    )


def fact_of(delivery: Delivery) -> RuleFact:
    """An event of the log as a decision about a rule.

    Raises:
        ValueError: It is none, or its body is not of its type.
    """
    fact: RuleFact = _decoder.decode(delivery.type, delivery.data)
    return fact


class Rules:
    """All rules, followed in the log; a few thousand events, so every instance reads them from the beginning.

    Args:
        log: The connection.

    Attributes:
        lives: By id, those that are gone, too.
    """

    def __init__(self, log: EventLog) -> None:
        self.lives: dict[str, Life] = {}
        self.seq = 0
        self._log = log
        self._known = asyncio.Event()
        self._news = asyncio.Condition()
        self._repository: Repository[Life, Decide, RuleFact] = Repository(
            log,
            LOGIC.name,
            Aggregate(
                initial=UNBORN,
                decide=lambda life, decide: decide(life),
                evolve=definitions.evolve,
                encode=lambda fact: event_of(fact, new_id()),
                decode=fact_of,
            ),
        )

    @property
    def caught_up(self) -> bool:
        """Whether everything is known that the log held at the start."""
        return self._known.is_set()

    async def run(self) -> None:
        """Follow until cancelled."""
        async with OrderedReader(self._log, LOGIC.name, subjects=(ALL,), start="all") as reader:
            while True:
                if not reader.pending:
                    self._known.set()
                for delivery in await reader.take():
                    self._take(delivery)
                async with self._news:
                    self._news.notify_all()

    async def wait_caught_up(self) -> None:
        """Return when everything is known that the log held at the start."""
        await self._known.wait()

    async def reach(self, seq: int) -> None:
        """Return when a decision about a rule is known."""
        async with self._news:
            await self._news.wait_for(lambda: self.seq >= seq)

    async def find(self, rule_id: str) -> Life | None:
        """What became of a rule; None where there never was one, which is looked up in the log before it is said."""
        if rule_id not in self.lives:
            await self._last()
        return self.lives.get(rule_id)

    def written(self, but: str = "") -> dict[str, Rule]:
        """The live, or else the newest, version of every rule that is not gone, but of one."""
        found = {}
        for rule_id, life in self.lives.items():
            if rule_id != but and not life.removed and (version := life.live or life.newest):
                found[rule_id] = life.versions[version].rule
        return found

    async def execute(self, rule_id: str, decide: Decide) -> Executed[Life, RuleFact]:
        """Decide about a rule, and store that.

        Raises:
            Refusal: Whatever ``decide`` refuses.
            ConcurrencyConflict: Others decide about it all the time.
            LogFull: The stream takes no more.
        """
        return await self._repository.execute(subjects.rule_of(rule_id), decide)

    async def execute_all(self, decide: dict[str, Decide]) -> dict[str, Executed[Life, RuleFact]]:
        """Decide about several rules: all of it is stored, or nothing.

        Raises:
            Refusal: Whatever one of them refuses.
            ConcurrencyConflict: Others decide about rules all the time.
            LogFull: The stream takes no more.
        """
        for attempt in range(MOST_CONFLICTS):
            seq = await self._last()
            facts = {rule_id: list(ask(self.lives.get(rule_id, UNBORN))) for rule_id, ask in decide.items()}
            events = [event_of(fact, new_id()) for found in facts.values() for fact in found]
            try:
                last = (
                    (await publish_atomically(self._log, events, expect=Expectation(seq, ALL))).seq if events else seq
                )
            except ConcurrencyConflict:
                if attempt == MOST_CONFLICTS - 1:
                    raise
                continue
            return {
                rule_id: Executed(_grown(self.lives.get(rule_id, UNBORN), found), last, found)
                for rule_id, found in facts.items()
            }
        raise AssertionError("unreachable")  # the last round returns or raises

    async def _last(self) -> int:
        """Sequence of the last decision about any rule, once it is known here."""
        reader = OrderedReader(self._log, LOGIC.name, subjects=(ALL,), start="last", headers_only=True)
        async with reader:
            seq = (await reader.take())[-1].seq if reader.pending else 0
        await self.reach(seq)
        return seq

    def _take(self, delivery: Delivery) -> None:
        self.seq = delivery.seq
        try:
            fact = fact_of(delivery)
        except (msgspec.DecodeError, ValueError) as error:
            _log.warning("a rule teaches nothing", subject=delivery.subject, seq=delivery.seq, reason=str(error))
            return
        self.lives[fact.rule_id] = definitions.evolve(self.lives.get(fact.rule_id, UNBORN), fact)


def _grown(life: Life, facts: Sequence[RuleFact]) -> Life:
    for fact in facts:
        life = definitions.evolve(life, fact)
    return life
