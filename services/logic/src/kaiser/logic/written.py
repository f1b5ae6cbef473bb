"""What instances have written: decisions, the order that they were made in, and how far whoever wrote last was."""

from typing import Final

import msgspec
import structlog

from kaiser.contracts import subjects
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.logic import ORDER_EVENTS, RUN_EVENTS, EngineResumed, TakenLate
from kaiser.contracts.streams import LOGIC
from kaiser.eventlog import Delivery, EventLog, replay
from kaiser.logic import marks
from kaiser.logic.marks import Mark
from kaiser.logic.ordering import Order
from kaiser.logic.recollecting import Recollection

_log = structlog.get_logger(__name__)

SUBJECTS: Final = (subjects.LOGIC_ORDER, "logic.run.>")

_order = EventDecoder({event.TYPE: event for event in ORDER_EVENTS}).decode
_run = EventDecoder({event.TYPE: event for event in RUN_EVENTS}).decode


class _Numbered(msgspec.Struct):
    n: int


_number = msgspec.json.Decoder(_Numbered).decode


class Written:
    """What the log holds of logic's own, behind a point that is known.

    Args:
        log: The connection.
        since: The point; None for the beginning of everything.

    Attributes:
        mark: How far the instance was that wrote last; None where nobody has written since ``since``.
        seq: Sequence of the last message that is known.
        n: Number of the last decision.
        numbers: Those of decisions behind the point, or behind where :meth:`forget` was called.
        order_seq: Sequence of the last event of the order.
        term_seq: Sequence of the event that the last term began with; 0 where it was not read.
    """

    def __init__(self, log: EventLog, since: Mark | None = None) -> None:
        self.mark: Mark | None = None
        self.seq = 0 if since is None else since.seq
        self.n = 0 if since is None else since.n
        self.order_seq = 0 if since is None else since.order_seq
        self.term_seq = 0
        self.numbers: set[int] = set()
        self._log = log
        self._late: dict[tuple[str, int], int] = {}
        self._gaps: list[EngineResumed] = []

    def order(self) -> Order:
        """In which order messages were taken."""
        return Order(late=self._late, gaps=tuple(self._gaps))

    def forget(self, clock: int, n: int) -> None:
        """Let go what is of no use to an engine whose clock is past it, and that has come to so many decisions."""
        self.numbers = {number for number in self.numbers if number > n}
        self._late = {key: at for key, at in self._late.items() if at > clock}
        self._gaps = [gap for gap in self._gaps if gap.at > clock]

    async def catch_up(self) -> int:
        """Read on to the end; the sequence of the last message of LOGIC that there was then.

        Raises:
            nats.errors.Error: The log is not reachable.
        """
        end = int((await self._log.js.stream_info(LOGIC.name)).state.last_seq)
        async for delivery in replay(self._log, LOGIC.name, subjects=SUBJECTS, from_seq=self.seq + 1, until_seq=end):
            self._take(delivery)
        return end

    def _take(self, delivery: Delivery) -> None:
        self.seq = delivery.seq
        if delivery.subject == subjects.LOGIC_ORDER:
            self.order_seq = delivery.seq
            event = _order(delivery.type, delivery.data)
            if isinstance(event, TakenLate):
                self._late[event.stream, event.seq] = event.at
            else:
                self.term_seq = delivery.seq
                self._gaps.append(event)
        else:
            number = _number(delivery.data).n
            self.n = max(self.n, number)
            self.numbers.add(number)
        header = delivery.headers.get(marks.HEADER)
        if header is not None:
            self.mark = msgspec.structs.replace(
                marks.decode(header), seq=delivery.seq, order_seq=self.order_seq, n=self.n
            )


async def recollected(log: EventLog) -> Recollection:
    """What the log tells of runs; by reading everything that was decided."""
    found = Recollection()
    async for delivery in replay(log, LOGIC.name, subjects=("logic.run.>",)):
        try:
            found.take(_run(delivery.type, delivery.data))
        except (msgspec.DecodeError, ValueError) as error:
            _log.warning("a decision teaches nothing", seq=delivery.seq, reason=str(error))
            found.n = max(found.n, _number(delivery.data).n)
    return found
