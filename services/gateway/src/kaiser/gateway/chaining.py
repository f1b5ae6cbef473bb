"""Follows causes through the log, from any event down to what a device said or what somebody asked for."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Final, NamedTuple

import msgspec
from nats.js.errors import NotFoundError

from kaiser.contracts import subjects
from kaiser.contracts.streams import SAFETY
from kaiser.eventlog import EventLog, Message, last_before, message_at, message_of, replay_batches
from kaiser.gateway.browsing import LOOKED_AT, STREAMS
from kaiser.gateway.cause_references import LONGEST_DURATION_US, At, Last, Output, Reference, Search
from kaiser.gateway.causes import references
from kaiser.gateway.lookingup import in_time

MOST_LINKS: Final = 200
MOST_BYTES: Final = 4 * 1024 * 1024
"""Events that one chain has, and bytes of them; it ends there and says so."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A cause.

    Attributes:
        of: The event that it is a cause of.
        relation: In which way.
        cause: The cause itself.
    """

    of: Message
    relation: str
    cause: Message


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A cause that an event names and the log has not, or no longer."""

    of: Message
    relation: str


class Chain(msgspec.Struct, kw_only=True):
    """All causes of an event, the nearest first.

    Attributes:
        cut_because: Why there may be more: it became too long, something was not found among so much, or the stream
            has let it go.
    """

    links: list[Link] = []
    missing: list[Missing] = []
    cut_because: list[str] = []

    @property
    def cut(self) -> bool:
        """Whether there may be more."""
        return bool(self.cut_because)

    def only(self, first: Message, sees: Callable[[Message], bool]) -> "Chain":
        """The part that somebody sees, who sees the event that it is of: what is behind a hidden cause is hidden."""
        shown, links = {_place(first)}, []
        for link in self.links:  # the nearest first
            if _place(link.of) in shown and sees(link.cause):
                shown.add(_place(link.cause))
                links.append(link)
        return Chain(
            links=links, missing=[gap for gap in self.missing if _place(gap.of) in shown], cut_because=self.cut_because
        )

    def roots(self, first: Message) -> list[Message]:
        """Those that came of nothing else."""
        named = {_place(link.of) for link in self.links} | {_place(gap.of) for gap in self.missing}
        everything = [first, *(link.cause for link in self.links)]
        return [message for message in everything if _place(message) not in named]


async def chain(event_log: EventLog, first: Message) -> Chain:
    """The causes of an event, theirs, and so on.

    Raises:
        ProblemError: The log is away, or has too much to say.
    """
    found = Chain()
    known, size, level = {_place(first)}, 0, [first]
    async with in_time():
        while level:
            asked = [(message, reference) for message in level for reference in references(message)]
            answers = await asyncio.gather(*(_find(event_log, reference) for _, reference in asked))
            level = []
            for (of, reference), looked in zip(asked, answers, strict=True):
                if looked.given_up:
                    found.cut_because.append(f"{named(of)}: {reference.relation}: {looked.given_up}")
                elif not looked.causes and _needed(reference):
                    found.missing.append(Missing(of=of, relation=reference.relation))
                for cause in looked.causes:
                    if _place(cause) in known:
                        continue
                    known.add(_place(cause))
                    size += len(cause.event.data)
                    found.links.append(Link(of=of, relation=reference.relation, cause=cause))
                    level.append(cause)
            if level and (len(found.links) >= MOST_LINKS or size >= MOST_BYTES):
                found.cut_because.append("there is more than fits into one answer: ask for the causes of the last ones")
                break
    return found


def named(message: Message) -> str:
    """Stream and sequence of an event, as people write them."""
    return f"{message.stream}/{message.seq}"


def _place(message: Message) -> tuple[str, int]:
    return message.stream, message.seq


def _needed(reference: Reference) -> bool:
    return not isinstance(reference, Last) and (isinstance(reference, At) or reference.needed)


class _Looked(NamedTuple):
    """What was found; or why nothing was, though it may have been there."""

    causes: list[Message]
    given_up: str = ""


async def _find(event_log: EventLog, reference: Reference) -> _Looked:
    try:
        if isinstance(reference, Last):
            return _Looked(await _last(event_log, reference))
        if isinstance(reference, Search):
            looked = await _search(event_log, reference)
        else:
            there = reference.stream in STREAMS
            looked = _Looked([await message_at(event_log, reference.stream, reference.seq)] if there else [])
    except NotFoundError:
        looked = _Looked([])
    if looked.causes or looked.given_up or isinstance(reference, Last) or not _needed(reference):
        return looked
    return _Looked([], given_up=await _let_go(event_log, reference))


async def _let_go(event_log: EventLog, reference: At | Search) -> str:
    """Since when a stream has no more what is looked for; empty where it never let anything go that could be it."""
    if reference.stream not in STREAMS:
        return ""
    try:
        state = (await event_log.js.stream_info(reference.stream)).state
    except NotFoundError:
        return ""
    first = int(state.first_seq)
    if reference.seq:
        gone = reference.seq < first
    else:
        gone = first > 1 and isinstance(reference, Search) and await _began_after(event_log, reference, first)
    return f"{reference.stream} has let it go, and begins at {first} now" if gone else ""


async def _began_after(event_log: EventLog, reference: Search, first: int) -> bool:
    """Whether a stream begins, with its message ``first``, after what is looked for may have been stored."""
    try:
        return (await message_at(event_log, reference.stream, first)).stored_at > reference.start
    except NotFoundError:  # it is empty, and was not always
        return True


async def _last(event_log: EventLog, reference: Last) -> list[Message]:
    asked = (last_before(event_log, stream, subject, reference.before) for stream, subject in reference.of)
    found = [message for message in await asyncio.gather(*asked) if message is not None]
    if reference.stopped is not None:
        found += await _last_stop(event_log, reference.stopped, reference.before)
    return [max(found, key=lambda message: message.stored_at)] if found else []


async def _last_stop(event_log: EventLog, output: Output, before: int) -> list[Message]:
    """The last emergency stop of an output before a time, of which there are few; none where there is none."""
    found: list[Message] = []
    stops = replay_batches(
        event_log,
        SAFETY.name,
        subjects=(subjects.emergency("requested"),),
        from_time_us=max(1, before - LONGEST_DURATION_US),
    )
    async with contextlib.aclosing(stops) as following:
        async for batch in following:
            for delivery in batch:
                if delivery.stored_at >= before:
                    return found
                message = message_of(delivery)
                if output.stopped_by(message):
                    found = [message]
    return found


async def _search(event_log: EventLog, reference: Search) -> _Looked:
    if reference.seq:
        with contextlib.suppress(NotFoundError):
            there = await message_at(event_log, reference.stream, reference.seq)
            if reference.takes(there):
                return _Looked([there])
    left = LOOKED_AT
    for start, end in reference.spans():
        async with contextlib.aclosing(_between(event_log, reference, start, end)) as messages:
            async for message in messages:
                left -= 1
                if left < 0:
                    return _Looked([], given_up=f"not among the {LOOKED_AT} events that were looked at")
                if reference.takes(message):
                    return _Looked([message])
    return _Looked([])


async def _between(event_log: EventLog, reference: Search, start: int, end: int) -> AsyncGenerator[Message]:
    batches = replay_batches(
        event_log, reference.stream, subjects=reference.subjects, from_time_us=max(1, start), max_messages=64
    )
    async with contextlib.aclosing(batches) as following:
        async for batch in following:
            for delivery in batch:
                if delivery.stored_at >= end:
                    return
                yield message_of(delivery)
