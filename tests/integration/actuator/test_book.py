"""Aggregates in memory, of two readers on one log."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import msgspec
import pytest

from kaiser.actuator.book import Book, Key
from kaiser.actuator.commands import Around, Ask, Stop
from kaiser.contracts.events.actuation import CommandDispatched, CommandEnded, CommandRequested
from kaiser.eventlog import Event, EventLog, now_us

from .conftest import DEC, PUMP, Site

KEY = Key(DEC, PUMP)


def ask(command_id: str, asked: str = "OFF", **more) -> Ask:
    around = Around(kaiser_id="god", esp_id=DEC, gpio=PUMP, actuator_type="pump")
    return Ask(at=now_us(), around=around, command_id=command_id, correlation_id=command_id, asked=asked, **more)


@pytest.fixture
async def books(log: EventLog) -> AsyncIterator[tuple[Book, Book]]:
    made = (Book(log), Book(log))
    following = [asyncio.create_task(book.follow()) for book in made]
    for book in made:
        await book.wait_caught_up()
    yield made
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)


async def test_both_have_the_same_state_bit_by_bit_after_decisions_of_both(books):
    asks = (ask(f"c{i}", "ON" if i % 3 else "OFF", key=f"k{i % 20}") for i in range(60))
    results = await asyncio.gather(
        *(books[i % 2].execute(KEY, one) for i, one in enumerate(asks)), return_exceptions=True
    )
    assert any(not isinstance(result, BaseException) for result in results)
    one, other = books
    for book, seq in ((one, other.last_seq(KEY)), (other, one.last_seq(KEY))):
        assert await book.reach(KEY, seq)
    assert msgspec.json.encode(one.state(KEY)) == msgspec.json.encode(other.state(KEY))


async def test_a_book_that_has_not_heard_yet_asks(books):
    one, other = books
    decided = await one.execute(KEY, ask("c1"))
    await other.refresh(KEY)
    assert other.last_seq(KEY) == one.last_seq(KEY) == decided.events[-1][0]
    await other.refresh(Key(DEC, 14))


async def test_every_event_is_told_once_and_in_order(books):
    one, other = books
    told: list[int] = []
    one.on_event.append(lambda _key, _event, seq: told.append(seq))
    for number in range(20):
        await books[number % 2].execute(KEY, ask(f"c{number}"))
    await one.reach(KEY, other.last_seq(KEY))
    assert told == sorted(set(told))
    assert len(told) == len([*range(20)]) * 3 - 1  # requested, dispatched, and the end of the one before


async def test_what_is_refused_makes_no_page(books):
    one, _ = books
    assert (
        await one.execute(KEY, Stop(at=1, kaiser_id="", esp_id=DEC, gpio=PUMP, seq=1, code="", detail=""))
    ).events == ()
    assert len(one) == 0


async def test_what_follows_from_two_decisions_goes_out_in_their_order(books):
    one, _ = books
    order: list[str] = []

    async def then(decided) -> None:
        name = next(fact.command_id for _, fact in decided.events if isinstance(fact, CommandDispatched))
        await asyncio.sleep(0 if name == "c2" else 0.05)
        order.append(name)

    await asyncio.gather(one.execute(KEY, ask("c1"), then), one.execute(KEY, ask("c2"), then))
    assert order == ["c1", "c2"]


async def test_a_request_that_was_stored_in_part_is_not_made_twice(site: Site, books):
    """Another instance writes between the events of one decision; the log refuses the rest, which is decided anew."""
    one, other = books
    await one.execute(KEY, ask("c1"))
    await other.reach(KEY, one.last_seq(KEY))
    asks = [ask(f"d{i}") for i in range(30)]
    await asyncio.gather(*(books[i % 2].execute(KEY, each) for i, each in enumerate(asks)))
    last = max(one.last_seq(KEY), other.last_seq(KEY))
    await one.reach(KEY, last)
    await site.until(lambda: len([fact for fact in site.facts if isinstance(fact, CommandEnded)]) >= 30)
    requested = [fact.command_id for fact in site.facts if isinstance(fact, CommandRequested)]
    ended = [fact.command_id for fact in site.facts if isinstance(fact, CommandEnded)]
    assert len(requested) == len(set(requested)) == 31
    assert len(ended) == len(set(ended)) == 30


def ended(site: Site) -> list[str]:
    return [fact.command_id for fact in site.facts if isinstance(fact, CommandEnded)]


class LateAcknowledgements:
    """A log whose next acknowledgement of an event comes only when somebody else has written, and that was read."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def publish(self, event: Event, **how: Any) -> Any:
        acknowledgement = await self._log.publish(event, **how)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return acknowledgement


async def test_what_another_instance_writes_amid_a_decision_is_not_overlooked(site: Site, log: EventLog, books):
    other, _ = books
    late = LateAcknowledgements(log)
    book = Book(cast("EventLog", late))
    following = asyncio.create_task(book.follow())
    try:
        await book.wait_caught_up()
        await other.execute(KEY, ask("c1"))
        await book.reach(KEY, other.last_seq(KEY))

        async def another() -> None:
            await other.execute(KEY, ask("c2"))
            assert await book.reach(KEY, other.last_seq(KEY))

        late.meanwhile = another
        await book.execute(KEY, ask("c3"))
        await site.until(lambda: {"c1", "c3"} <= set(ended(site)))
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert sorted(ended(site)) == ["c1", "c3"]  # the second request came last, and took the place of the third
