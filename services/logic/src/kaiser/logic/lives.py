"""Rules as aggregates over the log: loaded from their events, and changed only as whoever decides knows them."""

from collections.abc import Callable, Sequence
from typing import Final

from kaiser.contracts import subjects
from kaiser.contracts.events.codec import EventDecoder, encode
from kaiser.contracts.events.logic import RULE_EVENTS, RuleBacktested, RuleFact
from kaiser.contracts.streams import LOGIC
from kaiser.eventlog import Aggregate, Delivery, Event, EventLog, Executed, Repository, new_id, replay
from kaiser.logic.definitions import UNBORN, Life, evolve, folded

SOURCE: Final = "kaiser/logic"

Decide = Callable[[Life], Sequence[RuleFact]]

_decoder = EventDecoder({event.TYPE: event for event in RULE_EVENTS})


def fact_of(delivery: Delivery) -> RuleFact:
    """A decision about a rule.

    Raises:
        ValueError: It is none, or its body is not of its type.
    """
    fact: RuleFact = _decoder.decode(delivery.type, delivery.data)
    return fact


def event_of(fact: RuleFact) -> Event:
    """A decision about a rule as an event of the log."""
    return Event(
        id=f"backtest.{fact.backtest_id}" if isinstance(fact, RuleBacktested) else new_id(),
        subject=subjects.rule(fact.rule_id, fact.EVENT),
        type=fact.TYPE,
        data=encode(fact),
        source=SOURCE,
        time=fact.at,
        headers={"correlation-id": fact.correlation_id} if fact.correlation_id else None,
    )


RULES: Final[Aggregate[Life, Decide, RuleFact]] = Aggregate(
    initial=UNBORN, decide=lambda life, decide: decide(life), evolve=evolve, encode=event_of, decode=fact_of
)


class Lives:
    """What became of each rule.

    Args:
        log: The connection.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._rules = Repository(log, LOGIC.name, RULES)

    async def life(self, rule_id: str) -> Life:
        """What became of a rule so far."""
        return (await self._rules.load(subjects.rule_of(rule_id))).state

    async def change(self, rule_id: str, decide: Decide) -> Executed[Life, RuleFact]:
        """Store what is decided on a rule as it is, or raise what ``decide`` raises."""
        return await self._rules.execute(subjects.rule_of(rule_id), decide)

    async def life_at(self, rule_id: str, at: int) -> Life:
        """What had become of a rule by a moment of the past, unix microseconds."""
        facts: list[RuleFact] = []
        async for delivery in replay(self._log, LOGIC.name, subjects=(subjects.rule_of(rule_id),)):
            if delivery.stored_at > at:
                break
            facts.append(fact_of(delivery))
        return folded(facts)


def tried(life: Life, fact: RuleBacktested) -> list[RuleFact]:
    """A version was tried on the past; nothing where it is gone by now."""
    known = not life.removed and fact.version in life.versions
    return [fact] if known and fact.backtest_id not in life.backtests else []
