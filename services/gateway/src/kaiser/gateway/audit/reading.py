"""Finds entries in the log."""

import contextlib
from collections.abc import AsyncGenerator
from typing import Final

import msgspec
from nats.js.errors import NotFoundError

from kaiser.contracts import cursors, subjects
from kaiser.contracts.events.identity import Audited
from kaiser.contracts.streams import IDENTITY
from kaiser.eventlog import EventLog, message_at, replay_batches
from kaiser.gateway.lookingup import in_time

CLOCKS_DIFFER_US: Final = 60_000_000
"""Those of two machines, at most."""
LOOKED_AT: Final = 50_000
"""Entries that one page looks at; what is rarer comes on a later page."""

_decode = msgspec.json.Decoder(Audited).decode


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries.

    Attributes:
        user_id: Whose; None for everybody's.
        start: Oldest, unix microseconds.
        end: Newest, exclusive; 0 for none.
        path: What the path begins with.
        refused: Only what was refused or failed.
    """

    user_id: str | None = None
    start: int = 0
    end: int = 0
    path: str = ""
    refused: bool = False

    def takes(self, entry: Audited) -> bool:
        """Whether an entry is one of them. Pure."""
        if entry.at < self.start or (self.end and entry.at >= self.end):
            return False
        return entry.path.startswith(self.path) and (not self.refused or entry.status >= 400)


async def entries(event_log: EventLog, wanted: Wanted, *, after: int = 0) -> AsyncGenerator[tuple[int, Audited]]:
    """Entries that there are now, oldest first, each with its sequence in IDENTITY.

    Args:
        event_log: The log.
        wanted: Narrows by user and time; the rest is for the caller.
        after: Sequence to go on behind; 0 for the beginning.
    """
    subject = subjects.AUDIT if wanted.user_id is None else subjects.audit(wanted.user_id)
    since = 0 if after else max(0, wanted.start - CLOCKS_DIFFER_US)
    batches = replay_batches(event_log, IDENTITY.name, subjects=(subject,), from_seq=after + 1, from_time_us=since)
    async with contextlib.aclosing(batches) as following:
        async for batch in following:
            for delivery in batch:
                yield delivery.seq, _decode(delivery.data)


async def page(
    event_log: EventLog, wanted: Wanted, *, limit: int, cursor: str | None
) -> tuple[list[Audited], str | None]:
    """Entries, oldest first, and where the next page begins; None on the last.

    Raises:
        Refusal: VALUE_OUT_OF_RANGE: the cursor is none.
        ProblemError: The log is away.
    """
    position = cursors.read(cursor, (int,))
    async with in_time():
        return await _page(event_log, wanted, limit=limit, after=position[0] if position else 0)


async def numbered(event_log: EventLog, number: int) -> Audited | None:
    """The entry of a number; None where there is none.

    Numbers grow with the sequence, so it is looked for by halves: a question to the log each.

    Raises:
        ProblemError: The log is away.
    """
    async with in_time():
        try:
            low, high = 1, (await _entry(event_log, 0))[0]
            while low <= high:
                middle = (low + high) // 2
                seq, entry = await _entry(event_log, middle)
                if entry.number == number:
                    return entry
                if entry.number < number:
                    low = seq + 1
                else:
                    high = middle - 1
        except NotFoundError:  # nothing was ever written, or nothing behind it
            pass
    return None


async def _entry(event_log: EventLog, seq: int) -> tuple[int, Audited]:
    """The first entry from a sequence on, with its own; for 0 the last one."""
    if seq:
        message = await message_at(event_log, IDENTITY.name, seq, first_on=subjects.AUDIT)
        return message.seq, _decode(message.event.data)
    last = await event_log.js.get_last_msg(IDENTITY.name, subjects.AUDIT)
    return int(last.seq or 0), _decode(last.data or b"")


async def _page(event_log: EventLog, wanted: Wanted, *, limit: int, after: int) -> tuple[list[Audited], str | None]:
    found: list[Audited] = []
    looked_at = 0
    async with contextlib.aclosing(entries(event_log, wanted, after=after)) as all_entries:
        async for seq, entry in all_entries:
            if wanted.end and entry.at >= wanted.end + CLOCKS_DIFFER_US:
                break
            looked_at += 1
            if wanted.takes(entry):
                found.append(entry)
            if len(found) == limit or looked_at == LOOKED_AT:
                return found, cursors.write(seq)
    return found, None
