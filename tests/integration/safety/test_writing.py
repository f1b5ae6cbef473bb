"""The fence: what was decided on less than the log holds is not stored."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.integration.safety.site import ESP

from kaiser.contracts.events.safeguards import LimitsSet
from kaiser.contracts.streams import SAFETY
from kaiser.eventlog import EventLog, now_us, replay
from kaiser.safety.events import Fact
from kaiser.safety.following import Followed
from kaiser.safety.writing import Writer


def limits(reason: str) -> LimitsSet:
    return LimitsSet(at=now_us(), by="eva", esp_id=ESP, gpio=25, limits=None, reason=reason)


class Instance:
    """A follower that can be made deaf, and its writer."""

    def __init__(self, log: EventLog) -> None:
        self.followed = Followed(log)
        self.writer = Writer(log, self.followed)
        self._task: asyncio.Task[None] | None = None

    async def hear(self) -> None:
        self._task = asyncio.create_task(self.followed.run())
        await self.followed.wait_caught_up()

    async def go_deaf(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


@pytest.fixture
async def instances(log) -> AsyncIterator[tuple[Instance, Instance]]:
    both = (Instance(log), Instance(log))
    for one in both:
        await one.hear()
    yield both
    for one in both:
        await one.go_deaf()


async def conflict(instance: Instance) -> None:
    """Return when somebody else was faster."""
    while not instance.writer.conflicts:  # noqa: ASYNC110  # a count that nobody waits for elsewhere
        await asyncio.sleep(0.01)


async def stored(log: EventLog) -> list[str]:
    return [delivery.subject async for delivery in replay(log, SAFETY.name)]


async def test_what_was_decided_without_knowing_the_last_event_is_decided_again(instances):
    fresh, stale = instances
    await stale.go_deaf()
    await fresh.writer.write(lambda: (limits("first"),))
    seen: list[int] = []

    def decide() -> list[Fact]:
        seen.append(stale.followed.safety_seq)
        return [limits("second")]

    writing = asyncio.create_task(stale.writer.write(decide))
    await conflict(stale)
    await stale.hear()
    ((seq, _),) = await writing
    assert (seen, seq) == ([0, 1], 2)


async def test_what_does_not_follow_any_more_is_not_written(log, instances):
    fresh, stale = instances
    await stale.go_deaf()
    await fresh.writer.write(lambda: (limits("first"),))
    writing = asyncio.create_task(stale.writer.write(lambda: () if stale.followed.safety_seq else (limits("second"),)))
    await conflict(stale)
    await stale.hear()
    assert await writing == ()
    assert len(await stored(log)) == 1


async def test_several_events_are_one_write_and_known_at_once(log, instances):
    one, _ = instances
    written = await one.writer.write(lambda: [limits(str(n)) for n in range(5)])
    assert [seq for seq, _ in written] == [1, 2, 3, 4, 5]
    assert one.followed.safety_seq == 5
    assert len(await stored(log)) == 5


async def test_writers_of_one_instance_and_of_others_lose_nothing(log, instances):
    async def write(instance: Instance, n: int) -> None:
        await instance.writer.write(lambda: (limits(f"{id(instance)} {n}"),))

    await asyncio.gather(*(write(instance, n) for instance in instances for n in range(10)))
    assert len(await stored(log)) == 20
