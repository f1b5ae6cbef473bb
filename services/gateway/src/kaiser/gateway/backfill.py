"""Brings a client from where it was to what is live: from memory where that goes back far enough, else from the log."""

import asyncio
import contextlib
from typing import Final

import nats.errors
import structlog
from nats.js.errors import NotFoundError

from kaiser.contracts import subjects
from kaiser.contracts.streams import TELEMETRY
from kaiser.eventlog import Delivery, EventLog, replay_batches
from kaiser.gateway.events import SENSOR_DATA
from kaiser.gateway.filters import Filters
from kaiser.gateway.hub import Client, Hub
from kaiser.gateway.passing import Batch, Said
from kaiser.gateway.rulenames import RuleNames
from kaiser.gateway.showing import SHOWN

log = structlog.get_logger(__name__)

AT_ONCE: Final = 8
"""Clients that are read for in the log at one time; the others wait, for each takes memory and the server's time."""

FETCHED: Final = 64
"""Messages of the log that are fetched ahead for one client."""

FETCHED_BYTES: Final = 1024 * 1024
ASK_AGAIN_S: Final = 0.3
PAUSE_S: Final = 0.01
YIELD_AFTER: Final = 32
"""Messages after which others get their turn."""


class Backfill:
    """Reads what clients were away for.

    Args:
        event_log: The log.
        hub: What is live.
        names: What rules are called.
        most: Messages of one stream that a client gets this way at most; what was before is missed.
    """

    def __init__(self, event_log: EventLog, hub: Hub, names: RuleNames, *, most: int) -> None:
        self._log = event_log
        self._hub = hub
        self._names = names
        self._most = most
        self._reading = asyncio.Semaphore(AT_ONCE)

    async def bring(self, client: Client, filters: Filters, start: dict[str, int]) -> None:
        """Hand a client everything behind its positions, and let each stream come live when it has it."""
        # What is about safety first; readings, which are many, last
        for stream in sorted(start, key=lambda name: name == TELEMETRY.name):
            await self._bring(stream, client, filters, start[stream])

    async def _bring(self, stream: str, client: Client, filters: Filters, after: int) -> None:
        recent = self._hub.streams[stream]
        if not _may_want(stream, filters):
            client.join(stream, max(after, recent.position))
            return
        if after > recent.position and await self._is_ahead_of_log(stream, after):
            client.outbox.miss(stream, 1, after, count=None, reason="reset")
            after = client.reached[stream] = recent.position
            client.wake(hurry=False)
        while after < recent.position:
            if recent.covers(after):
                after = await self._from_memory(stream, client, after)
            else:
                await self._almost_done(client)
                async with self._reading:
                    after = await self._from_log(stream, client, filters, after)
        # Without a pause since the comparison: not one message passes in between
        client.join(stream, after)

    async def _from_memory(self, stream: str, client: Client, after: int) -> int:
        """Hand over what is kept, until a pause is due; returns how far that went."""
        recent = self._hub.streams[stream]
        for handed, message in enumerate(recent.behind(after)):
            if not client.outbox.roomy or handed == YIELD_AFTER:
                await self._pause(client)
                return after
            self._hub.catch_up(message, client)
            after = message.seq
        client.reached[stream] = recent.position
        return recent.position

    async def _from_log(self, stream: str, client: Client, filters: Filters, after: int) -> int:
        """Hand over what the log has up to now, as long as the client takes it; returns how far that went.

        Whoever reads slowly keeps no place of those who are read for.
        """
        try:
            state = (await self._log.js.stream_info(stream)).state
            last = int(state.last_seq)
            until = min(self._hub.streams[stream].position, last)
            after = self._skip(stream, client, after, int(state.first_seq) - 1, "gone")
            after = self._skip(stream, client, after, min(until, last - self._most), "far")
            batches = replay_batches(
                self._log,
                stream,
                subjects=_subjects(stream, filters),
                from_seq=after + 1,
                until_seq=until,
                max_messages=FETCHED,
                max_bytes=FETCHED_BYTES,
            )
            async with contextlib.aclosing(batches):
                async for batch in batches:
                    if batch[0].seq > after + 1:  # may be what the filter leaves out, or what was let go meanwhile
                        after = await self._gone_meanwhile(stream, client, after, batch[0].seq - 1)
                    for delivery in batch:
                        if not client.outbox.roomy:
                            return after
                        self._hand(delivery, client)
                        after = client.reached[stream] = delivery.seq
                    await asyncio.sleep(0)
            after = await self._gone_meanwhile(stream, client, after, until)
        except NotFoundError:  # nobody has made it yet, so there is nothing that could be missing
            return after
        except (nats.errors.Error, OSError, TimeoutError) as error:
            log.warning("log cannot be read for a client", stream=stream, error=str(error) or type(error).__name__)
            await asyncio.sleep(ASK_AGAIN_S)
            return after
        after = client.reached[stream] = max(after, until)
        return after

    def _hand(self, delivery: Delivery, client: Client) -> None:
        """Hand over a message of the log, if it is one for clients."""
        if delivery.stream == TELEMETRY.name:
            self._hub.catch_up(Batch(delivery), client)
        elif delivery.type in SHOWN:
            self._hub.catch_up(Said(delivery, self._names.of), client)

    async def _gone_meanwhile(self, stream: str, client: Client, after: int, to: int) -> int:
        """Tell of what the log has let go since it was asked, up to a sequence; returns how far the client is."""
        first = int((await self._log.js.stream_info(stream)).state.first_seq)
        return self._skip(stream, client, after, min(first - 1, to), "gone")

    async def _is_ahead_of_log(self, stream: str, after: int) -> bool:
        """Whether a position is beyond the end of the log, and not just of what this gateway has read of it."""
        while True:
            try:
                state = (await self._log.js.stream_info(stream)).state
            except NotFoundError:
                return True
            except (nats.errors.Error, OSError, TimeoutError):
                await asyncio.sleep(ASK_AGAIN_S)
            else:
                return after > int(state.last_seq)

    @staticmethod
    def _skip(stream: str, client: Client, after: int, to: int, reason: str) -> int:
        """Tell of what will not come; returns how far the client is with that."""
        if to <= after:
            return after
        client.outbox.miss(stream, after + 1, to, count=None, reason=reason)
        client.reached[stream] = to
        client.wake(hurry=False)
        return to

    @staticmethod
    async def _almost_done(client: Client) -> None:
        """Return when little waits for a client, so that reading on in the log is worth its while."""
        while not client.outbox.almost_done:
            client.wake(hurry=True)
            await asyncio.sleep(PAUSE_S)

    @staticmethod
    async def _pause(client: Client) -> None:
        """Let others have their turn, and the client take what waits."""
        client.wake(hurry=True)
        await asyncio.sleep(0 if client.outbox.roomy else PAUSE_S)


def _may_want(stream: str, filters: Filters) -> bool:
    return stream != TELEMETRY.name or filters.wants_type(SENSOR_DATA)


def _subjects(stream: str, filters: Filters) -> tuple[str, ...]:
    """Subjects of a stream in which there may be something for the filters; empty for all of it."""
    if stream != TELEMETRY.name or not filters.esp_ids:
        return ()
    parts = {subjects.partition(esp_id) for esp_id in filters.esp_ids}
    return tuple(f"telemetry.reading.*.{part}" for part in sorted(parts)) if len(parts) < subjects.PARTITIONS else ()
