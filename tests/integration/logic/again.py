"""The log of a real run, taken again by a new engine: what it decides is what was decided, byte for byte."""

import msgspec

from kaiser.contracts import subjects
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.logic import ORDER_EVENTS, EngineResumed, TakenLate
from kaiser.contracts.streams import LOGIC
from kaiser.eventlog import EventLog, replay
from kaiser.logic.engine import Engine
from kaiser.logic.ordering import Message, Order, encode, merged
from kaiser.logic.ordering import replay as decided_again
from kaiser.logic.sources import SOURCES, message_of

_order = EventDecoder({event.TYPE: event for event in ORDER_EVENTS})


async def assert_the_same_again(log: EventLog) -> int:
    """Check that the decisions in the log are what an engine makes of it, without a gap in their numbers.

    Returns:
        How many there are.
    """
    written = [delivery.data async for delivery in replay(log, LOGIC.name, subjects=("logic.run.>",))]
    order = Order.of(
        [
            _order.decode(delivery.type, delivery.data)
            async for delivery in replay(log, LOGIC.name, subjects=(subjects.LOGIC_ORDER,))
        ]
    )
    streams: list[list[Message]] = []
    for source in SOURCES:
        stream = replay(log, source.stream, subjects=source.subjects)
        found = [message_of(delivery) async for delivery in stream]
        streams.append([message for message in found if message is not None])
    until = max((msgspec.json.decode(body)["at"] for body in written), default=0)
    messages = (message for message in merged(*streams, order=order) if message.at <= until)
    again = [
        encode(decision)
        for decision in decided_again(Engine(), messages, order=order, until=until)
        if not isinstance(decision, TakenLate | EngineResumed)
    ]
    for number, (one, other) in enumerate(zip(again, written, strict=False), 1):
        assert one == other, f"decision {number} is another one"
    assert len(again) == len(written)
    return len(written)
