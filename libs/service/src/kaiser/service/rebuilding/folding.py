"""The log into tables by the handlers of a service: from where the tables are, up to given sequences, in order."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Final

import structlog

from kaiser.eventlog import Delivery, EventLog, Unprocessable, replay_batches
from kaiser.eventlog.archive import history
from kaiser.eventlog.archive.archiver import folder_of
from kaiser.service.rebuilding.projection import Source

_log = structlog.get_logger(__name__)

MOST_MESSAGES: Final = 256
MOST_BYTES: Final = 4 * 1024 * 1024
"""In a transaction, as in the service."""


class Folding:
    """Tells the handlers of a projection what the log holds.

    Args:
        log: The connection.
        archive: Folder of the archive; None for none.
        lanes: Sources, as in the projection.
        positions: Sequence behind which each source goes on, by stream and consumer; kept up to date.
        on_folded: Told of sequences that were passed.

    Attributes:
        rest: Share of the time that it works for which it rests after each transaction.
    """

    def __init__(
        self,
        log: EventLog,
        archive: Path | None,
        lanes: Sequence[Sequence[Source]],
        positions: dict[Source, int],
        on_folded: Callable[[int], None],
    ) -> None:
        self.rest = 0.0
        self._log = log
        self._archive = archive
        self._lanes = lanes
        self._positions = positions
        self._on_folded = on_folded

    async def fold(self, targets: Mapping[Source, int]) -> None:
        """Return when every source is where it is to be.

        Args:
            targets: Last sequence of each source that counts.

        Raises:
            ArchiveError: Something of the log is missing.
            ConnectionClosed: The log was closed.
        """
        for lane in self._lanes:
            await self._lane(lane, targets)

    async def _lane(self, lane: Sequence[Source], targets: Mapping[Source, int]) -> None:
        async with AsyncExitStack() as stack:
            heads: dict[Source, Head] = {}
            for source in lane:
                if targets[source] > self._positions[source]:
                    messages = self._messages(source, self._positions[source] + 1, targets[source])
                    heads[source] = Head(await stack.enter_async_context(aclosing(messages)))
            async for source, run in in_order(heads):
                began = time.monotonic()
                await self._handle(source, run)
                self._pass(source, run[-1].seq)
                if self.rest:
                    await asyncio.sleep((time.monotonic() - began) * self.rest)
            for source in lane:
                self._pass(source, targets[source])

    def _pass(self, source: Source, seq: int) -> None:
        before = self._positions[source]
        if seq > before:
            self._positions[source] = seq
            self._on_folded(seq - before)

    async def _messages(self, source: Source, first: int, last: int) -> AsyncGenerator[list[Delivery], None]:
        spec = source.spec
        if self._archive is not None:
            folder = await folder_of(self._log, self._archive, spec.stream)
            if await asyncio.to_thread(folder.last_seq):
                gaps = bool(spec.subjects)
                begins = 0 if first == 1 else first  # a log that begins later is what the comparison is for
                async for batch in history(self._log, folder, from_seq=begins, until_seq=last, gaps=gaps):
                    yield [each for each in batch if not spec.subjects or matches(each.subject, spec.subjects)]
                return
        async for batch in replay_batches(
            self._log, spec.stream, subjects=spec.subjects, from_seq=first, until_seq=last
        ):
            yield batch

    async def _handle(self, source: Source, batch: list[Delivery]) -> None:
        """Hand over a batch, and its halves where a message cannot be used: the service made that a dead letter."""
        try:
            await source.handle(batch)
        except Unprocessable as error:
            if len(batch) == 1:
                _log.warning(
                    "a dead letter is passed over", stream=source.spec.stream, seq=batch[0].seq, why=str(error)
                )
                return
            half = len(batch) // 2
            await self._handle(source, batch[:half])
            await self._handle(source, batch[half:])


class Head:
    """What comes next of a source."""

    def __init__(self, messages: AsyncGenerator[list[Delivery], None]) -> None:
        self.waiting: deque[Delivery] = deque()
        self._messages = messages

    async def fill(self) -> bool:
        """Whether there is something."""
        while not self.waiting:
            try:
                self.waiting.extend(await anext(self._messages))
            except StopAsyncIteration:
                return False
        return True


async def in_order(heads: Mapping[Source, Head]) -> AsyncIterator[tuple[Source, list[Delivery]]]:
    """Runs of messages of one source each, in the order in which all of them were stored."""
    left = dict(heads)
    while True:
        for source in [source for source, head in left.items() if not head.waiting and not await head.fill()]:
            del left[source]
        if not left:
            return
        source = min(left, key=lambda each: left[each].waiting[0].stored_at)
        others = [head.waiting[0].stored_at for each, head in left.items() if each is not source]
        until, waiting, run, size = min(others, default=None), left[source].waiting, list[Delivery](), 0
        while waiting and len(run) < MOST_MESSAGES and size < MOST_BYTES:
            if until is not None and waiting[0].stored_at > until:
                break
            run.append(waiting.popleft())
            size += run[-1].size
        yield source, run


def matches(subject: str, filters: Sequence[str]) -> bool:
    """Whether a subject is one that a consumer's filters let through: ``*`` is one token, ``>`` is all that follow."""
    tokens = subject.split(".")
    return any(_matches(tokens, each.split(".")) for each in filters)


def _matches(tokens: Sequence[str], pattern: Sequence[str]) -> bool:
    if pattern[-1] == ">":
        pattern = pattern[:-1]
        if len(tokens) <= len(pattern):
            return False
        tokens = tokens[: len(pattern)]
    return len(tokens) == len(pattern) and all(
        wanted in {"*", token} for token, wanted in zip(tokens, pattern, strict=True)
    )
