"""What something was at a past time: its events up to then, folded by the functions that its owner folds them by today.

A question reads the log from the thing's first event, so it is bounded, and one is answered at a time: what a service
is there for goes on beside it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
import nats.errors
from nats.js.errors import NotFoundError

from kaiser.contracts.codes import Code
from kaiser.contracts.past import OWNERS, StateAt, StateAtQuery
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import Delivery, EventLog, EventLogError, TooManyEvents, up_to

MOST_EVENTS: Final = 50_000
"""Events that are read for one question; 33,000 a second come out of a stream (measured)."""

S = TypeVar("S")


class Was(NamedTuple, Generic[S]):
    """Something at a moment.

    Attributes:
        state: What its events made of it.
        seq: Sequence of the last of them; 0 for none.
        events: How many there were.
    """

    state: S
    seq: int
    events: int


class Fold(NamedTuple, Generic[S]):
    """How the events of one thing are taken in.

    Attributes:
        stream: Where they are.
        subjects: Filters that they are on.
        initial: State before the first.
        decode: Message to event. Raises ValueError for what teaches nothing.
        evolve: State, event and sequence to the next state.
        begins: Whether an event can be a thing's first.
        about: Whether an event is about this thing, where the subjects have those of others, too.
        since: Its first is not older than that, unix microseconds; 0 where nobody knows.
    """

    stream: str
    subjects: tuple[str, ...]
    initial: S
    decode: Callable[[Delivery], Any]  # each family has types of its own
    evolve: Callable[[S, Any, int], S]
    begins: Callable[[Any], bool]
    about: Callable[[Any], bool] = lambda _: True
    since: int = 0


class Past:
    """Reads what was, one question after the other.

    Args:
        log: The connection.
        most: Events that are read for one question.
    """

    def __init__(self, log: EventLog, *, most: int = MOST_EVENTS) -> None:
        self._log = log
        self._most = most
        self._turn = asyncio.Semaphore(1)

    @asynccontextmanager
    async def looking(self, asked: StateAtQuery) -> AsyncIterator[None]:
        """Look at the log, when it is one's turn.

        Raises:
            Refusal: TOO_MANY_EVENTS; EVENT_NOT_FOUND where the stream is not there either; SERVICE_ERROR where the log
                does not answer.
        """
        try:
            async with self._turn:
                yield
        except TooManyEvents as error:
            words = f"{error}; ask for an earlier moment, or browse them"
            raise Refusal(Code.TOO_MANY_EVENTS, words, "at") from error
        except NotFoundError as error:
            raise never(asked) from error
        except (nats.errors.Error, EventLogError, OSError) as error:
            raise Refusal(Code.SERVICE_ERROR, f"the log does not answer: {error!r}") from error

    async def folded(self, asked: StateAtQuery, fold: Fold[S]) -> Was[S]:
        """What events had made of something; the initial state where there were none. Within :meth:`looking`.

        Raises:
            Refusal: EVENTS_GONE: what it began with is not in the log any more.
        """
        state, seq, count = fold.initial, 0, 0
        deliveries = up_to(
            self._log, fold.stream, fold.subjects, asked.at, seq=asked.seq, since=fold.since, most=self._most
        )
        async for delivery in deliveries:
            try:
                event = fold.decode(delivery)
            except (msgspec.DecodeError, ValueError):  # as for whoever follows the log, it teaches nothing
                continue
            if not fold.about(event):
                continue
            if not count and not fold.begins(event):
                words = f"the oldest event of the {asked.kind} {asked.name} in {fold.stream} is not its first"
                raise Refusal(Code.EVENTS_GONE, words, "at")
            state, seq, count = fold.evolve(state, event, delivery.seq), delivery.seq, count + 1
        return Was(state, seq, count)

    async def answer(self, asked: StateAtQuery, fold: Fold[S], show: Callable[[S], object]) -> StateAt:
        """What something was, for whoever asked.

        Args:
            asked: The question.
            fold: How its events are taken in.
            show: Makes of its state what others see.

        Raises:
            Refusal: As :meth:`looking` and :meth:`folded`; EVENT_NOT_FOUND where nothing had happened to it.
        """
        async with self.looking(asked):
            was = await self.folded(asked, fold)
        if not was.events:
            raise never(asked)
        return told(fold.stream, was.seq, was.events, show(was.state))


def told(stream: str, seq: int, events: int, shown: object) -> StateAt:
    """An answer; what is shown may be of any type that has fields."""
    return StateAt(stream=stream, seq=seq, events=events, state=msgspec.to_builtins(shown, str_keys=True))


def never(asked: StateAtQuery) -> Refusal:
    """That nothing had happened to something."""
    words = f"nothing had happened to the {asked.kind} {asked.name} by then"
    return Refusal(Code.EVENT_NOT_FOUND, words, "name")


def unknown_kind(asked: StateAtQuery, service: str) -> Refusal:
    """That a service has nothing of a kind."""
    kinds: Sequence[str] = [kind for kind, owner in OWNERS.items() if owner == service]
    return Refusal(Code.VALUE_OUT_OF_RANGE, f"{asked.kind!r} is none of {', '.join(kinds)}", "kind")


def pin_of(asked: StateAtQuery) -> tuple[str, int]:
    """Device and pin of what hangs on one.

    Raises:
        Refusal: VALUE_OUT_OF_RANGE: it names none.
    """
    esp_id, _, gpio = asked.name.partition("/")
    if not esp_id or not gpio.isascii() or not gpio.isdigit():
        words = f"{asked.name!r} is no device and pin, such as ESP_9F03D4/25"
        raise Refusal(Code.VALUE_OUT_OF_RANGE, words, "name")
    return esp_id, int(gpio)
