"""Notes devices that were started anew. Every instance notes what it hears; the log keeps one note of each restart."""

import asyncio
from typing import Final

import nats.errors
import structlog

from kaiser.contracts import subjects
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.device import DeviceRestarted
from kaiser.eventlog import Event, EventLog, EventLogError
from kaiser.ingest.directory import Directory
from kaiser.ingest.orders import SOURCE

_log = structlog.get_logger(__name__)

MOST_WAITING: Final = 20_000
AGAIN_S: Final = 1.0


class Restarts:
    """Restarts on their way into the log.

    Args:
        log: Where they go.
        directory: Which notices them.
    """

    def __init__(self, log: EventLog, directory: Directory) -> None:
        self._log = log
        self._news: asyncio.Queue[DeviceRestarted] = asyncio.Queue(MOST_WAITING)
        directory.on_beat.append(self._noticed)

    async def run(self) -> None:
        """Write them, until cancelled."""
        while True:
            noticed = [await self._news.get()]
            while not self._news.empty():
                noticed.append(self._news.get_nowait())
            await self._write(noticed)

    async def _write(self, noticed: list[DeviceRestarted]) -> None:
        while True:
            try:
                await self._log.publish_all([_event(event) for event in noticed])
            except (EventLogError, nats.errors.Error, TimeoutError, OSError) as error:
                _log.warning("restarts of devices wait for the log", devices=len(noticed), reason=repr(error))
                await asyncio.sleep(AGAIN_S)
            else:
                _log.info("devices were started anew", devices=len(noticed), first=noticed[0].esp_id)
                return

    def _noticed(self, _esp_id: str, restarted: DeviceRestarted | None) -> None:
        if restarted is not None and not self._news.full():
            self._news.put_nowait(restarted)


def _event(restarted: DeviceRestarted) -> Event:
    """The same restart has the same id, whoever notes it."""
    return Event(
        id=f"restarted.{restarted.esp_id}.{restarted.received_at}",
        subject=subjects.device(restarted.kaiser_id, restarted.esp_id, "restarted"),
        type=DeviceRestarted.TYPE,
        data=encode(restarted),
        source=SOURCE,
        time=restarted.received_at,
    )
