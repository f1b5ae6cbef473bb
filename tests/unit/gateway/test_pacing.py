"""Frames come when they are due, in turn, and none is forgotten."""

import asyncio
import itertools

from kaiser.gateway.pacing import Pacer


async def test_who_is_due_is_called_once_and_in_the_order_of_time():
    loop, called, done = asyncio.get_running_loop(), [], asyncio.Event()
    pacer, now = Pacer(), asyncio.get_running_loop().time()
    for delay in (0.08, 0.02, 0.05, -1.0):
        pacer.at(now + delay, lambda delay=delay: called.append(delay))
    pacer.at(now + 0.12, done.set)
    pacer.soon(lambda: called.append("soon"))
    async with asyncio.timeout(30):
        await done.wait()
    assert called == ["soon", -1.0, 0.02, 0.05, 0.08]
    assert loop.time() >= now + 0.12


async def test_who_is_called_may_ask_to_be_called_again():
    pacer, loop, times, done = Pacer(), asyncio.get_running_loop(), [], asyncio.Event()

    def again() -> None:
        times.append(loop.time())
        if len(times) == 5:
            done.set()
        else:
            pacer.at(loop.time() + 0.01, again)

    pacer.at(loop.time(), again)
    async with asyncio.timeout(30):
        await done.wait()
    assert all(later - earlier >= 0.01 for earlier, later in itertools.pairwise(times))
