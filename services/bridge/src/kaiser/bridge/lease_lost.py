"""Reports of actuators that were switched off because safety was silent: in the log as soon as it is there."""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from kaiser.bridge.sorting import SOURCE
from kaiser.bridge.stopping import Lost
from kaiser.contracts import subjects
from kaiser.contracts.events import codec
from kaiser.contracts.events.safeguards import LeaseLost
from kaiser.eventlog import Event, EventLog, LogFull, PublishError

log = structlog.get_logger(__name__)

PAUSE_S: Final = 1.0


class LostReports:
    """What is to be reported; it waits here while the log is away."""

    def __init__(self) -> None:
        self._waiting: list[Event] = []
        self._some = asyncio.Event()

    def add(self, lost: Iterable[Lost], *, heard_at: int, at: int) -> None:
        """Report these.

        Args:
            lost: Actuators.
            heard_at: When safety was heard last, unix microseconds; 0 for never.
            at: Now, unix microseconds.
        """
        self._waiting += [_event(one, heard_at=heard_at, at=at) for one in lost]
        if self._waiting:
            self._some.set()

    async def write(self, event_log: EventLog) -> None:
        """Write what is reported, until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            events, self._waiting = self._waiting, []
            while events:
                try:
                    await event_log.publish_all(events)
                except LogFull as error:
                    events = list(error.events)
                    await asyncio.sleep(PAUSE_S)
                except PublishError as error:
                    log.error("switching off was not written down", events=len(error.events), reason=str(error))
                    break
                else:
                    break


def _event(lost: Lost, *, heard_at: int, at: int) -> Event:
    report = LeaseLost(kaiser_id=lost.kaiser_id, esp_id=lost.esp_id, gpio=lost.gpio, heard_at=heard_at, at=at)
    return Event(
        id=f"lease_lost.{lost.esp_id}.{lost.gpio}.{at}",
        subject=subjects.actuator(lost.kaiser_id, lost.esp_id, lost.gpio, "lease_lost"),
        type=LeaseLost.TYPE,
        data=codec.encode(report),
        source=SOURCE,
        time=at,
    )
