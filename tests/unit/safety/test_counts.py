"""How often alerts were repeated, said now and then."""

import asyncio
from collections.abc import Callable, Sequence

from kaiser.eventlog import ConcurrencyConflict, LogFull
from kaiser.safety.consumers import ActAtAlerts


class Refusing:
    """Where events go: it takes none, each time for another reason."""

    def __init__(self) -> None:
        self.asked = 0
        self.thrice = asyncio.Event()

    async def write(self, _: Callable[[], Sequence[object]]) -> Sequence[object]:
        self.asked += 1
        if self.asked >= 3:
            self.thrice.set()
        raise LogFull("no room", []) if self.asked % 2 else ConcurrencyConflict("others write", [])


async def test_a_log_that_takes_no_counts_ends_nothing():
    writer = Refusing()
    acting = ActAtAlerts(None, writer, None)  # type: ignore[arg-type]  # of which nothing is asked here
    telling = asyncio.create_task(acting.tell_counts(0.0))
    thrice = asyncio.create_task(writer.thrice.wait())
    await asyncio.wait((telling, thrice), timeout=30.0, return_when=asyncio.FIRST_COMPLETED)
    assert not telling.done()
    for task in (telling, thrice):
        task.cancel()
    await asyncio.gather(telling, thrice, return_exceptions=True)
