"""Notes devices that say nothing any more. One instance does it, for all."""

import asyncio
from typing import Final

import nats.errors
import structlog

from kaiser.contracts import subjects
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.device import DeviceSilent
from kaiser.eventlog import Event, EventLog, EventLogError, Lease, now_us
from kaiser.ingest.directory import Directory
from kaiser.ingest.orders import SOURCE

_log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 2.0


async def note_silence(
    log: EventLog,
    directory: Directory,
    lease: Lease,
    *,
    every_s: float = LOOK_EVERY_S,
    since_us: int | None = None,
) -> None:
    """Write an event for each device that has gone silent, all of one look at once, until cancelled.

    After an outage of the log or of this service every device gets its five heartbeats anew.

    Args:
        log: Where the events go.
        directory: Who was heard when.
        lease: Of the instances, the one that has it notes.
        every_s: Seconds between two looks.
        since_us: Since when heartbeats are heard, unix microseconds; by default from now on.
    """
    since = now_us() if since_us is None else since_us

    def listen_anew() -> None:
        nonlocal since
        since = now_us()

    log.on_reconnect(listen_anew)
    while True:
        await asyncio.sleep(every_s)
        try:
            if not await (lease.renew() if lease.held else lease.acquire()):
                continue
            silent = directory.gone_silent(now_us(), since)
            if silent:
                await log.publish_all([_event(event) for event in silent])
                _log.info("devices have gone silent", devices=len(silent), first=silent[0].esp_id)
            for event in silent:
                directory.noted(event)
        except (EventLogError, nats.errors.Error, TimeoutError, OSError) as error:
            _log.warning("silence cannot be noted now", reason=repr(error))


def _event(silent: DeviceSilent) -> Event:
    """The same silence has the same id, whoever notes it."""
    return Event(
        id=f"silent.{silent.esp_id}.{silent.heard_at}",
        subject=subjects.device(silent.kaiser_id, silent.esp_id, "silent"),
        type=DeviceSilent.TYPE,
        data=encode(silent),
        source=SOURCE,
        time=silent.received_at,
    )
