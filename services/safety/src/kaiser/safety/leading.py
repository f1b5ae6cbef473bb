"""The leader says each second that safety decides."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import msgspec
import nats.errors
import structlog

from kaiser.contracts.streams import SAFETY_ALIVE
from kaiser.eventlog import EventLog, now_us

_log = structlog.get_logger(__name__)

SAY_S: Final = 1.0


async def say_alive(log: EventLog, decides: Callable[[], str]) -> None:
    """Say each second that safety decides, for whoever switches off what may not stay on without it.

    Args:
        log: The connection.
        decides: Why it does not; empty while it does.
    """
    before = ""
    while True:
        reason = decides()
        if reason != before:
            _log.warning("whether safety decides has changed", reason=reason or "it does again")
        if not reason and log.connected:
            with contextlib.suppress(nats.errors.Error, OSError):
                await log.nc.publish(SAFETY_ALIVE, msgspec.json.encode({"at": now_us()}))
        before = reason
        await asyncio.sleep(SAY_S)
