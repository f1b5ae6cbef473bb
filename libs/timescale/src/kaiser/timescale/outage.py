"""Outlasting an outage: the same write again, until the database takes it."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from kaiser.timescale.errors import DatabaseAway

_log = structlog.get_logger(__name__)

T = TypeVar("T")

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0
"""A database that is back is noticed within this; a refused connection costs nobody anything."""
SAY_EVERY_S: Final = 30.0


async def outlast(attempt: Callable[[], Awaitable[T]], *, what: str, give_up: Callable[[], bool]) -> T:
    """What an attempt returns, once the database is there for it.

    Args:
        attempt: Does something that may be done again.
        what: What waits, for the log.
        give_up: Asked after each failure; true to wait no longer.

    Raises:
        DatabaseAway: It was away when ``give_up`` said so.
        BadData: A value was refused.
    """
    pause = FIRST_PAUSE_S
    began = said = 0.0
    while True:
        try:
            result = await attempt()
        except DatabaseAway as away:
            now = time.monotonic()
            began = began or now
            if give_up():
                raise
            if not said or now - said > SAY_EVERY_S:
                _log.warning("the database is away, waiting", what=what, reason=str(away), waited_s=round(now - began))
                said = now
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # spreads instances, keeps no secret
            pause = min(pause * 2, LONGEST_PAUSE_S)
        else:
            if began:
                _log.info("the database is back", what=what, waited_s=round(time.monotonic() - began, 1))
            return result
