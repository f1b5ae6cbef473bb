"""What rules are called, read from the log: runs tell the id of their rule only."""

import asyncio

import msgspec
import structlog

from kaiser.contracts import subjects
from kaiser.contracts.events.logic import RuleDefined
from kaiser.contracts.streams import LOGIC
from kaiser.eventlog import Delivery, EventLog, OrderedReader

log = structlog.get_logger(__name__)


class _Named(msgspec.Struct):
    name: str


class _Defined(msgspec.Struct):
    """A definition as far as it is looked at here."""

    rule_id: str
    rule: _Named


_decode = msgspec.json.Decoder(_Defined).decode


class RuleNames:
    """Names of rules by id, of the newest version that was heard of."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def of(self, rule_id: str) -> str:
        """The name of a rule; its id where nobody has told it."""
        return self._names.get(rule_id, rule_id)

    def take(self, delivery: Delivery) -> None:
        """Take in an event of LOGIC; all but definitions are none of its business."""
        if delivery.type != RuleDefined.TYPE:
            return
        try:
            defined = _decode(delivery.data)
        except msgspec.MsgspecError as error:
            log.error("definition of a rule not understood", seq=delivery.seq, reason=str(error))
            return
        self._names[defined.rule_id] = defined.rule.name


async def follow(event_log: EventLog, names: RuleNames) -> None:
    """Read the newest definition of each rule, and those that come."""
    reader = OrderedReader(event_log, LOGIC.name, subjects=(subjects.RULES_DEFINED,), start="last_per_subject")
    await reader.follow(names.take, asyncio.Event())
