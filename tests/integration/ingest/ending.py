"""How tasks of a test come to their end."""

import asyncio
from collections.abc import Iterable
from typing import Any


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks until they have ended.

    On Python 3.11 a cancellation is lost where an answer of NATS comes at the same moment: nats-py waits for it by
    ``asyncio.wait_for``, which then gives the answer and forgets the cancellation.
    """
    while pending := _pending(tasks):
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=1)


def _pending(tasks: Iterable["asyncio.Task[Any]"]) -> list["asyncio.Task[Any]"]:
    return [task for task in tasks if not task.done()]
