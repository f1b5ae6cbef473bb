"""Handlers that write tables: they wait for the database for as long as it takes, and nobody waits for them."""

from collections.abc import Callable
from typing import Final

from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.logic import RUN_EVENTS
from kaiser.contracts.streams import LOGIC
from kaiser.eventlog import ConsumerSpec, Delivery
from kaiser.logic.projections import Kept, Projections
from kaiser.service.recording import record

RUNS: Final = ConsumerSpec(stream=LOGIC.name, durable="logic-runs", subjects=("logic.run.>",))

REST_S: Final = 0.1
"""After each transaction: nobody waits for a table, and a run is several decisions, each of which would be one."""

decoder: Final = EventDecoder({event.TYPE: event for event in RUN_EVENTS})


class Recording:
    """Events into tables.

    Args:
        projections: Writes.
        stopping: Whether the service stops, so that waiting for the database has no point.
    """

    def __init__(self, projections: Projections, stopping: Callable[[], bool]) -> None:
        self._projections = projections
        self._stopping = stopping

    async def runs(self, deliveries: list[Delivery]) -> None:
        """Write decisions, and return when they are committed, which may take as long as an outage.

        Raises:
            Retry: The database is away, and the service stops.
            Unprocessable: A delivery is not what its type says, or the database refuses a value of it.
        """
        await record(deliveries, _kept, self._projections.decisions, what="runs", give_up=self._stopping)


def _kept(delivery: Delivery) -> Kept:
    return Kept(decoder.decode(delivery.type, delivery.data), delivery.data.decode())
