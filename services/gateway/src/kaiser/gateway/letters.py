"""Finds dead letters in the log, and settles them: the shell around :mod:`kaiser.gateway.deadletters`."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator
from typing import Final

import msgspec
from nats.js.errors import NotFoundError

from kaiser.contracts import cursors, subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.deadlettering import MessageReplayed, ReplayMessage
from kaiser.contracts.events.deadletter import DeadLetter, DeadLetters, ReplayEnded, ReplayOrdered
from kaiser.contracts.queries import Problem
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import DEADLETTER
from kaiser.eventlog import EventLog, EventLogError, Repository, message_at, now_us, replay_batches
from kaiser.gateway.asking import ProblemError, order
from kaiser.gateway.deadletters import LETTER, Discard, End, Letter, LetterState, Replay, Wish
from kaiser.gateway.lookingup import in_time
from kaiser.gateway.settlements import Settlements

LOOKED_AT: Final = 20_000
"""Letters that one page looks at; what is rarer comes on a later page."""
STORED_WITHIN_S: Final = 4.0
AWAY: Final = (Code.SERVICE_ERROR, Code.OPERATION_TIMEOUT)
"""The bridge did not say whether it stored the message; the same order goes on with it."""

_ID: Final = re.compile(r"([1-9][0-9]{0,18})-(0|[1-9][0-9]{0,3})")
_decode_letters = msgspec.json.Decoder(DeadLetters).decode


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter, and what was decided about it.

    Attributes:
        seq: Sequence of the event that it is in.
        position: Which of that event's letters it is, from 0.
        service: Who refused.
        stored_at: When, unix microseconds.
        settled: What was decided; in a list without the bytes of a replay.
        state_seq: Sequence of the last event about it.
    """

    seq: int
    position: int
    service: str
    stored_at: int
    letter: DeadLetter
    settled: Letter
    state_seq: int

    @property
    def letter_id(self) -> str:
        """How it is named."""
        return f"{self.seq}-{self.position}"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters; empty is all."""

    service: str = ""
    code: str = ""
    about: str = ""
    state: LetterState | None = None
    start: int = 0
    end: int = 0

    def takes(self, found: Found) -> bool:
        """Whether a letter is one of them. Pure."""
        letter = found.letter
        if found.stored_at < self.start or (self.end and found.stored_at >= self.end):
            return False
        if self.code and letter.code != self.code:
            return False
        if self.about and self.about not in letter.topic and self.about not in letter.subject:
            return False
        return self.state is None or found.settled.state == self.state


class Letters:
    """The dead letters of all services.

    Args:
        event_log: Where they are.
        settlements: What was decided about them, for lists.
    """

    def __init__(self, event_log: EventLog, settlements: Settlements) -> None:
        self._log = event_log
        self._settlements = settlements
        self._settled = Repository(event_log, DEADLETTER.name, LETTER)

    async def page(self, wanted: Wanted, *, limit: int, cursor: str | None) -> tuple[list[Found], str | None]:
        """Letters, oldest first, and where the next page begins; None on the last.

        Raises:
            Refusal: VALUE_OUT_OF_RANGE: the cursor is none.
        """
        position = cursors.read(cursor, (int, int))
        after: tuple[int, int] = (position[0], position[1]) if position else (0, -1)
        page: list[Found] = []
        looked_at = 0
        async with in_time():
            await self._settlements.known()
            async with contextlib.aclosing(self._all(wanted, after)) as letters:
                async for found in letters:
                    looked_at += 1
                    if wanted.takes(found):
                        page.append(found)
                    if len(page) == limit or looked_at == LOOKED_AT:
                        return page, cursors.write(found.seq, found.position)
        return page, None

    async def find(self, letter_id: str) -> Found:
        """One letter.

        Raises:
            Refusal: DEADLETTER_NOT_FOUND.
        """
        named = _ID.fullmatch(letter_id)
        gone = Refusal(Code.DEADLETTER_NOT_FOUND, f"there is no dead letter {letter_id}, or it is too long ago")
        if named is None:
            raise gone
        seq, position = int(named[1]), int(named[2])
        try:
            async with in_time():
                message = await message_at(self._log, DEADLETTER.name, seq)
                loaded = await self._settled.load(subjects.settled(letter_id))
        except NotFoundError:
            raise gone from None
        if message.event.type != DeadLetters.TYPE:
            raise gone
        try:
            batch = _decode_letters(message.event.data)
        except msgspec.MsgspecError:
            raise gone from None
        if position >= len(batch.letters):
            raise gone
        return Found(
            seq=seq,
            position=position,
            service=batch.service,
            stored_at=message.stored_at,
            letter=batch.letters[position],
            settled=loaded.state,
            state_seq=loaded.last_seq or seq,
        )

    async def discard(self, letter_id: str, *, reason: str, by: str) -> Found:
        """Note that nothing is to come of a letter; once more is the same.

        Raises:
            Refusal: DEADLETTER_NOT_FOUND; DEADLETTER_SETTLED: its replay was ordered.
            ProblemError: The log takes nothing.
        """
        await self.find(letter_id)
        await self._decide(letter_id, Discard(letter_id=letter_id, reason=reason, by=by, at=now_us()))
        return await self.find(letter_id)

    async def replay(self, letter_id: str, *, payload: bytes | None, reason: str, by: str) -> Found:
        """Have a letter taken once more; the same once more is the same.

        Args:
            letter_id: Which.
            payload: Other bytes than its own; None for its own.
            reason: Why.
            by: User name of who wants it.

        Raises:
            Refusal: DEADLETTER_NOT_FOUND; DEADLETTER_SETTLED: something else was decided; REPLAY_REFUSED: it is none
                that can be replayed.
            ProblemError: It is refused as before, and open still; or the bridge or the log is away, and the same
                request goes on with it.
        """
        found = await self.find(letter_id)
        must_be_replayable(found.letter)
        bytes_ = found.letter.payload if payload is None else payload
        wish = Replay(
            letter_id=letter_id,
            payload=bytes_,
            edited=bytes_ != found.letter.payload,
            reason=reason,
            by=by,
            at=now_us(),
        )
        settled = await self._decide(letter_id, wish)
        if settled.state == "replaying" and settled.order is not None:
            await self._carry_out(found.letter, settled.order)
        return await self.find(letter_id)

    async def _carry_out(self, letter: DeadLetter, ordered: ReplayOrdered) -> None:
        asked = ReplayMessage(
            replay_id=ordered.replay_id,
            topic=letter.topic,
            payload=ordered.payload,
            received_at=letter.received_at,
            ordered_at=ordered.at,
        )
        try:
            done = await order(self._log, "bridge", "replay", asked, MessageReplayed)
        except ProblemError as error:
            if error.problem.code in AWAY:
                raise
            await self._end(ordered, error.problem, ())
            raise
        await self._end(ordered, None, done.event_ids)

    async def _end(self, ordered: ReplayOrdered, problem: Problem | None, event_ids: tuple[str, ...]) -> None:
        ended = ReplayEnded(
            letter_id=ordered.letter_id,
            at=now_us(),
            by=ordered.by,
            replay_id=ordered.replay_id,
            outcome="stored" if problem is None else "refused",
            code=problem.code if problem else "",
            detail=problem.detail if problem else "",
            event_ids=event_ids,
        )
        await self._decide(ordered.letter_id, End(event=ended))

    async def _decide(self, letter_id: str, wish: Wish) -> Letter:
        try:
            async with asyncio.timeout(STORED_WITHIN_S):
                executed = await self._settled.execute(subjects.settled(letter_id), wish)
        except (EventLogError, TimeoutError) as error:
            words = "the event log did not take it in time; the same request may be sent again"
            raise ProblemError(Problem(Code.SERVICE_ERROR, words)) from error
        return executed.state

    async def _all(self, wanted: Wanted, after: tuple[int, int]) -> AsyncGenerator[Found]:
        subject = subjects.deadletter(wanted.service) if wanted.service else subjects.DEAD_LETTERS
        since = max(0, wanted.start) if not after[0] else 0
        batches = replay_batches(
            self._log, DEADLETTER.name, subjects=(subject,), from_seq=max(1, after[0]), from_time_us=since
        )
        async with contextlib.aclosing(batches) as following:
            async for batch in following:
                for delivery in batch:
                    if wanted.end and delivery.stored_at >= wanted.end:
                        return
                    try:
                        held = _decode_letters(delivery.data)
                    except msgspec.MsgspecError:  # nobody's of ours
                        continue
                    for position, letter in enumerate(held.letters):
                        if (delivery.seq, position) <= after:
                            continue
                        known = self._settlements.of(f"{delivery.seq}-{position}")
                        yield Found(
                            seq=delivery.seq,
                            position=position,
                            service=held.service,
                            stored_at=delivery.stored_at,
                            letter=letter,
                            settled=LETTER.initial if known is None else known.letter,
                            state_seq=delivery.seq if known is None else known.seq,
                        )


def must_be_replayable(letter: DeadLetter) -> None:
    """Hold replays to what can be replayed. Pure.

    Raises:
        Refusal: REPLAY_REFUSED: it came from the log, where it is still.
    """
    if not letter.topic:
        where = (
            f"event {letter.stream_seq} of {letter.stream}" if letter.stream_seq else f"a message on {letter.subject}"
        )
        words = f"it is {where}, which the log holds unchanged; what was not made of it comes with a rebuild, not here"
        raise Refusal(Code.REPLAY_REFUSED, words)
