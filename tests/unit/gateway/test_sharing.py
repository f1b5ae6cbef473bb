"""One answer for all who ask for the same at once, and none that is older than its request."""

import asyncio

import pytest

from kaiser.gateway.api.sharing import Flights
from kaiser.gateway.captured import Answer


class Owner:
    def __init__(self) -> None:
        self.begun = 0
        self.let = asyncio.Event()

    async def make(self) -> Answer:
        self.begun += 1
        number = self.begun
        await self.let.wait()
        return Answer(200, (), b"%d" % number)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_comes_while_an_answer_is_made_gets_the_next_one_together():
    flights, owner = Flights(), Owner()
    first = asyncio.create_task(flights.answer("k", owner.make))
    await settle()
    later = [asyncio.create_task(flights.answer("k", owner.make)) for _ in range(5)]
    other = asyncio.create_task(flights.answer("other", owner.make))
    await settle()
    assert owner.begun == 2
    owner.let.set()
    assert (await first).body == b"1"
    assert (await other).body == b"2"
    assert {(await each).body for each in later} == {b"3"}
    assert owner.begun == 3
    assert (await flights.answer("k", owner.make)).body == b"4"


async def test_who_goes_away_takes_no_answer_with_them():
    flights, owner = Flights(), Owner()
    gone = asyncio.create_task(flights.answer("k", owner.make))
    await settle()
    second = asyncio.create_task(flights.answer("k", owner.make))
    await settle()
    gone.cancel()
    owner.let.set()
    assert (await second).body == b"2"


async def test_a_failure_is_everybodys_and_the_next_one_is_tried_again():
    flights = Flights()

    async def fail() -> Answer:
        raise ValueError("away")

    async def work() -> Answer:
        return Answer(200, (), b"")

    both = await asyncio.gather(*(flights.answer("k", fail) for _ in range(2)), return_exceptions=True)
    assert [type(each) for each in both] == [ValueError, ValueError]
    assert (await flights.answer("k", work)).status == 200
    with pytest.raises(ValueError, match="away"):
        await flights.answer("k", fail)
