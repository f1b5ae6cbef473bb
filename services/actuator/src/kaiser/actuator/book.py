"""All actuators in memory, as the log has them: read once, followed from then on, and written to only as last seen.

A command must be on its way within milliseconds, so that reading an actuator's events anew before each decision (as
``kaiser.eventlog.Repository`` does, at two to three milliseconds) is too slow. Here a decision costs one write: what
was stored is taken in at once, what others stored comes through an ordered reader, and the log refuses an event that
was decided without knowing of theirs.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
import structlog
from nats.js.errors import NotFoundError

from kaiser.actuator.commands import Ask, Intent, Pass, Resume
from kaiser.actuator.lifecycle import EVENTS, NEW, ActuatorState, Fact, decide, evolve
from kaiser.actuator.sending import SOURCE
from kaiser.actuator.snapshots import Kept
from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import COMMAND_EVENTS, CommandRequested
from kaiser.contracts.events.codec import EventDecoder, encode
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import ACTUATORS
from kaiser.eventlog import (
    ConcurrencyConflict,
    Delivery,
    Event,
    EventLog,
    Expectation,
    OrderedReader,
    new_id,
    tracecontext,
)
from kaiser.service.tracing import Contexts

_log = structlog.get_logger(__name__)

MAX_CONFLICTS: Final = 20
PAUSE_S: Final = 0.002
CATCH_UP_S: Final = 2.0
REMEMBERED_IDS: Final = 64
ALL: Final = "actuator.*.*.*.*.>"
"""Commands and shadows of every actuator: the bridge's subjects end after one more token. It is one filter, for with
two the server reads 1,800 messages a second, and with one 33,000 (measured)."""

decoder: Final = EventDecoder({event.TYPE: event for event in EVENTS})


class Key(NamedTuple):
    """One actuator: device and pin."""

    esp_id: str
    gpio: int


class Page:
    """One actuator.

    Attributes:
        state: What its events made of it.
        last_seq: Sequence in ACTUATORS of the last of them; 0 for none.
        sent_seq: Sequence of the dispatch of the command that is sent; what the device said before is about others.
    """

    __slots__ = ("changed", "ids", "last_seq", "lock", "sent_seq", "state")

    def __init__(self) -> None:
        self.state = NEW
        self.last_seq = 0
        self.sent_seq = 0
        self.lock = asyncio.Lock()
        self.changed = asyncio.Event()
        self.ids: dict[str, int] = {}


class Decided(NamedTuple):
    """What became of an intent: the state after it, and the events that it made, with their sequences."""

    state: ActuatorState
    events: Sequence[tuple[int, Fact]]


Then = Callable[[Decided], Awaitable[None]]
"""What follows from a decision."""

Happened = Callable[[Key, Fact, int], None]
"""Called with every event once, in order, after the state has it: actuator, event, its sequence."""


class Book:
    """Every actuator's aggregate.

    Args:
        log: Where they are.

    Attributes:
        on_event: Who is told of every event.
        read_to: Sequence in ACTUATORS up to which everything was read; 0 for nothing.
        last: Sequence and id of the last event that is known; of this instance's own, before it is read.
        traces: What commands are a part of, by their ids, so that what is done by timers is, too.
    """

    def __init__(self, log: EventLog) -> None:
        self.on_event: list[Happened] = []
        self.read_to = 0
        self.last = (0, "")
        self.traces = Contexts()
        self._log = log
        self._pages: dict[Key, Page] = {}
        self._caught_up = asyncio.Event()

    def __len__(self) -> int:
        """How many actuators were ever told something."""
        return len(self._pages)

    def actuators(self) -> Iterable[Key]:
        """Every actuator that was ever told something."""
        return tuple(self._pages)

    def page(self, key: Key) -> Page:
        """One actuator, made where it is new: for what the log says of it, or is going to."""
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = Page()
        return page

    def last_seq(self, key: Key) -> int:
        """Sequence in ACTUATORS of an actuator's last event; 0 for none."""
        page = self._pages.get(key)
        return 0 if page is None else page.last_seq

    def sent_seq(self, key: Key) -> int:
        """Sequence in ACTUATORS of the dispatch of the command that is sent."""
        page = self._pages.get(key)
        return 0 if page is None else page.sent_seq

    def state(self, key: Key) -> ActuatorState:
        """What an actuator's events made of it."""
        page = self._pages.get(key)
        return NEW if page is None else page.state

    def kept(self) -> tuple[Kept, ...]:
        """Every actuator that was ever told something, to go on from."""
        return tuple(
            Kept(esp_id=key.esp_id, gpio=key.gpio, state=page.state, last_seq=page.last_seq, sent_seq=page.sent_seq)
            for key, page in self._pages.items()
            if page.last_seq
        )

    def go_on_from(self, pages: Iterable[Kept], read_to: int, last: tuple[int, str]) -> None:
        """Know what was known when the log was read up to a sequence; before anything else is read."""
        for kept in pages:
            page = self.page(Key(kept.esp_id, kept.gpio))
            page.state, page.last_seq, page.sent_seq = kept.state, kept.last_seq, kept.sent_seq
        self.read_to, self.last = read_to, last

    async def wait_caught_up(self) -> None:
        """Return when everything is known that the log held when it was first read."""
        await self._caught_up.wait()

    @property
    def caught_up(self) -> bool:
        """Whether that is so."""
        return self._caught_up.is_set()

    async def follow(self) -> None:
        """Read the log from its first command, or from where it is known to, and on, until cancelled."""
        start_seq = self.read_to + 1 if self.read_to else 0
        reader = OrderedReader(self._log, ACTUATORS.name, subjects=(ALL,), start="all", start_seq=start_seq)
        await reader.follow(self._read, self._caught_up)

    async def execute(self, key: Key, intent: Intent, then: Then | None = None) -> Decided:
        """Decide, and store what was decided, event by event.

        A batch that is stored as one costs the server 12 ms (measured), a single event 0.2 ms. So a decision may be
        stored in part: when somebody else comes between, or when this process dies. What is missing then is decided
        anew, here or by the timers (:class:`Resume`); no command is ended twice by it, and none is forgotten.

        Args:
            key: The actuator.
            intent: What is put to it.
            then: Awaited with what was decided before the next decision about this actuator, so that what follows
                from two of them goes out in their order.

        Raises:
            Refusal: A request is refused; SERVICE_ERROR where others write all the time.
            LogFull: The stream takes no more.
            PublishRefused: The server refuses the events.
        """
        if key not in self._pages and not decide(NEW, intent):  # nobody's pages, made by asking for what is not there
            return Decided(NEW, ())
        page = self.page(key)
        written: list[tuple[int, Fact]] = []
        async with page.lock:
            for conflicts in range(MAX_CONFLICTS):
                if conflicts:  # let somebody else finish, or two that write in parts hold each other up
                    await asyncio.sleep(random.uniform(0, PAUSE_S * conflicts))  # noqa: S311  # keeps no secret
                facts = decide(page.state, _rest_of(intent, written))
                if await self._store_all(key, page, facts, written):
                    decided = Decided(page.state, written)
                    if then is not None and written:
                        await then(decided)
                    return decided
        if any(isinstance(fact, CommandRequested) for _, fact in written):
            return Decided(page.state, written)  # it is a command, and the timers send it
        raise Refusal(Code.SERVICE_ERROR, "others decide about this actuator all the time; try again")

    async def refresh(self, key: Key) -> None:
        """Know everything about an actuator that the log has now: where another instance may just have written."""
        page = self.page(key)
        try:
            found = await self._log.js.get_last_msg(ACTUATORS.name, subjects_of(key))
        except NotFoundError:
            return
        await self._reach(page, int(found.seq or 0))

    async def reach(self, key: Key, seq: int) -> bool:
        """Wait until an event of an actuator is known; false where it does not come in time."""
        return await self._reach(self.page(key), seq)

    async def _reach(self, page: Page, seq: int) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_S):
                while page.last_seq < seq:
                    page.changed.clear()
                    await page.changed.wait()
        return page.last_seq >= seq

    async def _store_all(self, key: Key, page: Page, facts: Sequence[Fact], written: list[tuple[int, Fact]]) -> bool:
        """Store events one after the other; false where somebody else wrote in between, which is then known.

        Each is expected to follow the one before, whatever the reader has brought since they were decided.
        """
        seen = page.last_seq
        for fact in facts:
            event = _event(fact, self._traceparent(fact))
            try:
                seq = (await self._log.publish(event, expect=Expectation(seen, subjects_of(key)))).seq
            except ConcurrencyConflict:
                await self._newer(key, page, seen)
                if event.id not in page.ids:
                    return False
                seq = page.ids[event.id]  # stored after all: only the acknowledgement was lost
            self._take(key, page, fact, seq, event.id)
            written.append((seq, fact))
            seen = seq
        return True

    def _traceparent(self, fact: Fact) -> str:
        """What an event follows from: what is being worked on, else what its command was a part of before."""
        command_id = fact.command_id if isinstance(fact, COMMAND_EVENTS) else ""
        traceparent = tracecontext.current()
        if command_id and traceparent:
            self.traces.note(command_id, traceparent)
        return traceparent or self.traces.of(command_id)

    async def _newer(self, key: Key, page: Page, seen: int) -> None:
        """Somebody else wrote: wait for it, and ask for it where the reader does not bring it."""
        if not await self._reach(page, seen + 1):
            _log.warning("a conflict, and nothing new was read", esp_id=key.esp_id, gpio=key.gpio, seq=seen)
            await self.refresh(key)

    def _read(self, delivery: Delivery) -> None:
        self.read_to = delivery.seq
        try:
            fact: Fact = decoder.decode(delivery.type, delivery.data)
        except (msgspec.DecodeError, ValueError) as error:
            # The projection puts it into the dead letters; a decision made without it is refused by the log
            _log.error("an event of an actuator cannot be read", subject=delivery.subject, reason=str(error))
            return
        key = Key(fact.esp_id, fact.gpio)
        self._take(key, self.page(key), fact, delivery.seq, delivery.id)

    def _take(self, key: Key, page: Page, fact: Fact, seq: int, event_id: str) -> None:
        """Take an event in, once."""
        if seq <= page.last_seq:
            return
        before = page.state.sent
        page.state = evolve(page.state, fact)
        page.last_seq = seq
        if seq > self.last[0]:
            self.last = (seq, event_id)
        after = page.state.sent
        if after is not None and (before is None or before.id != after.id):
            page.sent_seq = seq
        page.ids[event_id] = seq
        if len(page.ids) > REMEMBERED_IDS:
            page.ids.pop(next(iter(page.ids)))
        page.changed.set()
        for tell in self.on_event:
            tell(key, fact, seq)


def subjects_of(key: Key) -> str:
    """Filter for commands and shadow of one actuator, whatever kaiser id its device used: its aggregate.

    The bridge's subjects end after one more token, so they are not in it.
    """
    return f"actuator.*.{subjects.token(key.esp_id)}.{key.gpio}.*.>"


def _rest_of(intent: Intent, written: Sequence[tuple[int, Fact]]) -> Intent:
    """What is left of an intent of which a part is stored: a request that is stored is not made again."""
    if isinstance(intent, Ask | Pass) and any(isinstance(fact, CommandRequested) for _, fact in written):
        return Resume(at=intent.at, around=intent.around)
    return intent


def _event(fact: Fact, traceparent: str) -> Event:
    build = subjects.command_event if isinstance(fact, COMMAND_EVENTS) else subjects.shadow_event
    return Event(
        id=new_id(),
        subject=build(fact.kaiser_id, fact.esp_id, fact.gpio, fact.EVENT),
        type=fact.TYPE,
        data=encode(fact),
        source=SOURCE,
        time=fact.at,
        traceparent=traceparent,
    )
