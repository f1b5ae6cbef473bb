import asyncio
import inspect
from collections.abc import AsyncIterator, Callable

import pytest

from kaiser.contracts.streams import DEADLETTER, StreamSpec
from kaiser.eventlog import Event, EventLog, connect, ensure_streams
from kaiser.local.ephemeral import Nats

FACTS = StreamSpec(name="FACTS", subjects=("fact.>",))


def fact(number: int, *, subject: str = "fact.a", size: int = 0) -> Event:
    return Event(
        subject=subject,
        type="io.kaiser.test.v1",
        data=b'{"n":%d,"pad":"%s"}' % (number, b"x" * size),
        source="kaiser/test",
        id=f"fact-{number}",
    )


async def eventually(holds: Callable[[], object], within_s: float = 20.0) -> None:
    """Wait until a condition holds, which may be a coroutine function."""
    async with asyncio.timeout(within_s):
        while True:
            result = holds()
            if await result if inspect.isawaitable(result) else result:
                return
            await asyncio.sleep(0.005)


@pytest.fixture
async def log(nats_server: Nats) -> AsyncIterator[EventLog]:
    """A connection with the streams FACTS and DEADLETTER."""
    async with await connect(nats_server.url, name="test") as connected:
        await ensure_streams(connected, (FACTS, DEADLETTER))
        yield connected
