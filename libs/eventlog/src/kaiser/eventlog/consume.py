"""Reading a stream in batches, each message at least once, in stream order, and none ever dropped.

A batch is what is there: one message when it is quiet, hundreds under load. The handler gets one batch at a time and
returns when its effects are durable; then, and only then, the batch is acknowledged. Acknowledgements are one a
message: "acknowledge all up to here" would be one a batch, but would also acknowledge what another instance on the
same durable (a rolling deploy) has not finished. They leave in one write.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from kaiser.contracts.codes import Code
from kaiser.eventlog.deadletters import DeadLetterBox, letter_of
from kaiser.eventlog.delivery import Delivery
from kaiser.eventlog.errors import ConnectionClosed, PublishError, Retry, Unprocessable
from kaiser.eventlog.pull import HEARTBEAT_S, Pull
from kaiser.eventlog.streams import ConsumerSpec, ensure_consumer, reclaim
from kaiser.eventlog.wire import pub

if TYPE_CHECKING:
    from kaiser.eventlog.connection import EventLog

__all__ = ("BatchConsumer", "ConsumeStats", "Handler")

Handler = Callable[[list[Delivery]], Awaitable[None]]
"""Handles a batch. Raises :class:`Retry` when something it needs is away, :class:`Unprocessable` for a message that can
never be used (it then gets every message of the batch on its own), and anything else for what may work next time."""

MAX_MESSAGES: Final = 256
MAX_BYTES: Final = 4 * 1024 * 1024
MAX_TRIES: Final = 5
FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 30.0
LONGEST_WAIT_S: Final = 2.0
"""Between tries of a batch that waits for a server: everything behind it waits, too, and should not for long once the
server is back."""
REMEMBERED_FAILURES: Final = 10_000

_log = structlog.get_logger(__name__)


class ConsumeStats(msgspec.Struct):
    """What a consumer did since its start, in messages.

    Attributes:
        delivered: Handed over by the server.
        redelivered: Of these, how many were not delivered for the first time.
        handled: Acknowledged after the handler returned.
        failed: Given back with a delay after the handler raised for them alone.
        dead_lettered: Put into the dead letters, and acknowledged.
        retries: Times that a batch waited because of :class:`Retry`.
        lag: Messages of the stream behind the last one delivered.
        handled_at: When a batch was last finished, seconds of the monotonic clock.
    """

    delivered: int = 0
    redelivered: int = 0
    handled: int = 0
    failed: int = 0
    dead_lettered: int = 0
    retries: int = 0
    lag: int = 0
    handled_at: float = 0.0


class BatchConsumer:
    """A durable consumer that hands batches to a handler.

    Args:
        log: The connection.
        spec: The durable consumer; made or changed when :meth:`run` starts.
        handler: Gets the batches, one at a time.
        service: Whose dead letters the messages go to that fail for good.
        max_messages: Messages in a batch at most. As many again are fetched ahead while one is handled.
        max_bytes: The same in bytes; at least what two messages of the server's largest size need (2.2 MB).
        max_tries: Tries of a message on its own before it becomes a dead letter.
        strict_order: Wait for a failing message instead of letting others pass it. For handlers that cannot do with
            a device's events out of order even when one of them fails.
        reclaim_at_start: Take back what an instance held that died, at once and in order, instead of waiting for
            ``ack_wait_s``; off where several instances share the durable and a second delivery costs something.
        rest_s: Asked after each batch was acknowledged: how long to rest, so that more gathers for the next one.
        heartbeat_s: Idle heartbeat to ask the server for; three missed ones renew the request.

    Attributes:
        stats: Counters since the start.
    """

    def __init__(
        self,
        log: "EventLog",
        spec: ConsumerSpec,
        handler: Handler,
        *,
        service: str,
        max_messages: int = MAX_MESSAGES,
        max_bytes: int = MAX_BYTES,
        max_tries: int = MAX_TRIES,
        strict_order: bool = False,
        rest_s: Callable[[], float] | None = None,
        reclaim_at_start: bool = True,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self.stats = ConsumeStats()
        self._log = log
        self._spec = spec
        self._handler = handler
        self._dead_letters = DeadLetterBox(log, service)
        self._max_tries = max_tries
        self._strict_order = strict_order
        self._rest_s = rest_s
        self._reclaim = reclaim_at_start
        self._pull = Pull(
            log, spec.stream, self._ensure, max_messages=max_messages, max_bytes=max_bytes, heartbeat_s=heartbeat_s
        )
        self._working: list[Delivery] = []
        self._working_since = 0.0
        self._settled: set[int] = set()
        self._failures: dict[int, int] = {}
        self._next_seq = 0
        self._stopping = asyncio.Event()
        self._finished = asyncio.Event()

    @property
    def renewals(self) -> int:
        """How often the server went silent and was asked anew."""
        return self._pull.renewals

    async def run(self) -> None:
        """Consume until :meth:`stop`, or until cancelled; what was not finished then goes back to the server at once.

        Raises:
            DefinitionConflict: The durable consumer exists with settings that cannot be changed.
            ConnectionClosed: The log was closed.
        """
        keeping: asyncio.Task[None] | None = None
        try:
            await self._pull.open()
            keeping = asyncio.create_task(self._keep(), name=f"keep {self._spec.stream}.{self._spec.durable}")
            while not self._stopping.is_set():
                batch = await self._pull.take()
                if batch:
                    await self._work(batch)
                    await self._rest()
        finally:
            if keeping is not None:
                keeping.cancel()
            try:
                await self._pull.close()  # first, or what is given back would come to the request that still stands
            finally:
                self._give_back()
                self._finished.set()

    async def stop(self) -> None:
        """Let the batch in hand finish and be acknowledged, give back the rest, and return when that is done."""
        self._stopping.set()
        self._pull.stop()
        await self._finished.wait()

    async def _ensure(self) -> str:
        spec = self._spec
        if self._next_seq:  # somebody deleted it while we worked: go on where we were rather than from the start
            spec = msgspec.structs.replace(spec, start_seq=self._next_seq)
        name = await ensure_consumer(self._log, spec)
        if self._reclaim:
            await reclaim(self._log, spec)
            self._reclaim = False
        return name

    async def _rest(self) -> None:
        """Let more gather, where the handler's owner wants that; being told to stop ends it."""
        seconds = self._rest_s() if self._rest_s is not None else 0.0
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()

    async def _work(self, batch: list[Delivery]) -> None:
        self._working, self._working_since = batch, time.monotonic()
        self.stats.delivered += len(batch)
        self.stats.redelivered += sum(delivery.deliveries > 1 for delivery in batch)
        self.stats.lag = batch[-1].pending
        with contextlib.suppress(_Stopped):
            await self._attempt(batch)
            self._working = []
        self._settled.clear()
        self._next_seq = max(self._next_seq, batch[-1].seq + 1)
        self.stats.handled_at = time.monotonic()

    async def _attempt(self, batch: list[Delivery]) -> None:
        """Hand over a batch; when it fails, its halves, down to the message that is to blame."""
        delay = FIRST_DELAY_S
        while True:
            try:
                await self._handler(batch)
            except Retry as error:
                self.stats.retries += 1
                _log.warning("batch waits", **self._who(), messages=len(batch), delay_s=delay, reason=str(error))
                await self._pause(delay)
                delay = min(delay * 2, LONGEST_WAIT_S)
            except ConnectionClosed:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a handler raises, no event may be lost by it
                if len(batch) == 1:
                    if await self._blame(batch[0], error):
                        return
                else:
                    half = len(batch) // 2
                    await self._attempt(batch[:half])
                    await self._attempt(batch[half:])
                    return
            else:
                self._acknowledge(batch)
                return

    async def _blame(self, delivery: Delivery, error: Exception) -> bool:
        """A message failed on its own: true when it is settled, false when it is to be tried again here."""
        tries = self._failures.get(delivery.seq, 0) + 1
        if tries >= self._max_tries or isinstance(error, Unprocessable):
            self._failures.pop(delivery.seq, None)
            await self._bury(delivery, error, tries)
            return True
        if len(self._failures) >= REMEMBERED_FAILURES:
            self._failures.pop(next(iter(self._failures)))
        self._failures[delivery.seq] = tries
        delay = min(FIRST_DELAY_S * 2.0 ** min(tries - 1, 20), LONGEST_DELAY_S)
        self.stats.failed += 1
        _log.warning(
            "message failed",
            **self._who(),
            seq=delivery.seq,
            subject=delivery.subject,
            tries=tries,
            delay_s=delay,
            error=repr(error),
        )
        if self._strict_order:
            await self._pause(delay)
            return False
        self._settle([delivery], _nak(delay))
        return True

    async def _bury(self, delivery: Delivery, error: Exception, tries: int) -> None:
        code = error.code if isinstance(error, Unprocessable) else Code.POISON_MESSAGE
        where = error.where if isinstance(error, Unprocessable) else ""
        detail = str(error) if isinstance(error, Unprocessable) else repr(error)
        _log.error(
            "message becomes a dead letter", **self._who(), seq=delivery.seq, subject=delivery.subject, error=detail
        )
        letter = letter_of(delivery, code, detail, where=where, attempts=tries)
        try:
            await self._dead_letters.put([letter], headers=delivery.headers)
        except PublishError as refused:
            _log.exception("dead letter was refused, the message stays", **self._who(), reason=str(refused))
            self._settle([delivery], _nak(LONGEST_DELAY_S))
            return
        self.stats.dead_lettered += 1
        self._settle([delivery], b"")

    def _acknowledge(self, batch: Sequence[Delivery]) -> None:
        self.stats.handled += len(batch)
        if self._failures:
            for delivery in batch:
                self._failures.pop(delivery.seq, None)
        self._settle(batch, b"")

    def _settle(self, batch: Iterable[Delivery], answer: bytes) -> None:
        """Answer for messages in one write; empty acknowledges."""
        self._settled.update(delivery.seq for delivery in batch)
        self._log.nc.write((b"".join([pub(delivery.reply, "", answer) for delivery in batch]),))

    async def _pause(self, delay: float) -> None:
        """Wait; when the consumer is stopped meanwhile, leave what is not done to the next one."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._stopping.wait()
        if self._stopping.is_set():
            raise _Stopped

    async def _keep(self) -> None:
        """Tell the server that work goes on, so that it does not give long-running batches to somebody else."""
        period = self._spec.ack_wait_s / 3
        while True:
            await asyncio.sleep(period)
            if self._working and time.monotonic() - self._working_since > period and self._log.connected:
                held = [*(d for d in self._working if d.seq not in self._settled), *self._pull.held]
                self._log.nc.write((b"".join([pub(delivery.reply, "", b"+WPI") for delivery in held]),))

    def _give_back(self) -> None:
        """What was fetched and not finished is somebody else's now, at once."""
        unfinished = [*(d for d in self._working if d.seq not in self._settled), *self._pull.held]
        self._working = []
        self._pull.forget_held()
        if unfinished and self._log.connected:
            self._settle(unfinished, _nak(0))

    def _who(self) -> dict[str, str]:
        return {"stream": self._spec.stream, "consumer": self._spec.durable}


class _Stopped(Exception):  # noqa: N818
    """The consumer was stopped while a batch waited for another try."""


def _nak(delay_s: float) -> bytes:
    """A bare ``-NAK`` would redeliver at once, whatever back-off the consumer has (newchat#346)."""
    return b'-NAK {"delay":%d}' % int(delay_s * 1e9) if delay_s else b"-NAK"
