"""Pulling from a consumer: one request always outstanding, bounded ahead, and watched so that it never goes silent.

A request asks for as many messages and bytes as there is room for, and stays open until they came; what is published
meanwhile arrives at once, without a timer. The server's idle heartbeats (ADR-37) prove that the request still stands.
nats-py's own pull subscriptions have no such proof and may stay silent after a server restart (nats.py#504).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import msgspec
import nats.errors
import structlog
from nats.aio.subscription import Subscription

from kaiser.eventlog.delivery import Delivery
from kaiser.eventlog.envelope import decode_headers
from kaiser.eventlog.errors import ConnectionClosed, DefinitionConflict
from kaiser.eventlog.wire import pub

if TYPE_CHECKING:
    from kaiser.eventlog.connection import EventLog

EXPIRES_S: Final = 30.0
HEARTBEAT_S: Final = 1.0
MISSED_HEARTBEATS: Final = 3
RECOVER_DELAY_S: Final = 0.1
LONGEST_RECOVER_DELAY_S: Final = 2.0
HEADROOM_BYTES: Final = 64 * 1024
"""Subject, headers and reply subject of a message, which the server counts too."""

_ENDED: Final = frozenset({"404", "408"})
_HEARTBEAT: Final = "100"
_EXCEEDS: Final = "message size exceeds maxbytes"
_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger(__name__)


class Pull:
    """A bounded, ordered intake from one consumer.

    Args:
        log: The connection.
        stream: Stream of the consumer.
        ensure: Makes sure that the consumer is there, and returns its name; called at the start, and again whenever
            the server does not know it or stays silent. May raise anything while the server is away.
        max_messages: Messages held here at most, beside those that were taken.
        max_bytes: The same in bytes; raised to what two messages of the server's largest size need.
        heartbeat_s: Idle heartbeat to ask for; three missed ones renew the request.

    Attributes:
        renewals: How often a request was renewed because its heartbeats stayed away.
        word_at: When the server last said anything about a request, by the loop's clock; 0 for never.
    """

    def __init__(
        self,
        log: "EventLog",
        stream: str,
        ensure: Callable[[], Awaitable[str]],
        *,
        max_messages: int,
        max_bytes: int,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self.renewals = 0
        self._log = log
        self._stream = stream
        self._ensure = ensure
        self._max_messages = max_messages
        self._max_bytes = max(max_bytes, 2 * (int(log.nc.max_payload) + HEADROOM_BYTES))
        self._heartbeat_s = heartbeat_s
        self._consumer = ""
        self._held: deque[Delivery] = deque()
        self._held_bytes = 0
        self._asked = 0
        self._asked_left = 0
        self._heard = 0.0
        self.word_at = 0.0
        self._requests = 0
        self._inbox = b""
        self._subscription: Subscription | None = None
        self._failure: DefinitionConflict | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._patience: asyncio.Timeout | None = None
        self._watch: asyncio.Task[None] | None = None
        self._recovering: asyncio.Task[None] | None = None
        self._forget: Callable[[], None] = _nothing
        self._open = False

    @property
    def held(self) -> deque[Delivery]:
        """What arrived and was not taken yet."""
        return self._held

    async def open(self) -> None:
        """Make sure of the consumer and start to ask."""
        self._inbox = f"{self._log.nc.new_inbox()}.".encode()
        self._subscription = await self._log.nc.open_sink(f"{self._inbox.decode()}*", self._take)
        self._open = True
        self._forget = self._log.on_reconnect(self._reconnected)
        self._recovering = asyncio.create_task(self._recover())
        await self._recovering
        self._watch = asyncio.create_task(self._watch_heartbeats(), name=f"pull {self._stream}.{self._consumer}")

    async def close(self) -> None:
        """Stop asking; what is held stays in :attr:`held`."""
        self._open = False
        self._forget()
        self._log.troubles.over(self)
        for task in (self._watch, self._recovering):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        if self._subscription is not None:
            await self._log.nc.close_sink(self._subscription)
        self.wake()

    async def take(self) -> list[Delivery]:
        """Everything that is there, at most the bounds, as soon as there is something; empty once closed.

        Raises:
            ConnectionClosed: The log was closed.
            DefinitionConflict: The consumer exists with other settings, which cannot be changed.
        """
        while not self._held:
            if self._failure is not None:
                raise self._failure
            if not self._open:
                return []
            if self._log.closed:
                raise ConnectionClosed("the connection to the event log is closed")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        held, self._held, self._held_bytes = self._held, deque(), 0
        batch = list(held)
        if len(batch) > self._max_messages:  # a request that was given up answered after all
            self._held.extend(batch[self._max_messages :])
            self._held_bytes = sum(delivery.size for delivery in self._held)
            del batch[self._max_messages :]
        self._ask()
        return batch

    def stop(self) -> None:
        """Ask no more, and let :meth:`take` return what is held, which may be nothing."""
        self._open = False
        self.wake()

    def wake(self) -> None:
        """Let :meth:`take` look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def restart(self) -> None:
        """Make sure of the consumer again, and ask anew."""
        self._asked = 0
        self._start_recovery()

    def forget_held(self) -> None:
        """Drop what was not taken, and whatever is still under way."""
        self._held.clear()
        self._held_bytes = 0
        self._asked = 0

    def _take(self, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        """The sink of the inbox: a message, or a word about the request."""
        self._heard = self.word_at = asyncio.get_running_loop().time()
        if subject.startswith(self._inbox):
            self._status(int(subject[len(self._inbox) :]), decode_headers(headers))
            return
        delivery = Delivery(subject.decode(), data, reply.decode(), headers)
        self._held.append(delivery)
        self._held_bytes += delivery.size
        self._asked_left -= 1
        if self._asked_left == 0:
            self._asked = 0
            self._ask()
        self.wake()

    def _status(self, request: int, headers: dict[str, str]) -> None:
        status, description = headers.get("Status", ""), headers.get("Description", "").lower()
        if status == _HEARTBEAT or request != self._asked:
            return
        self._asked = 0
        if status in _ENDED or description.startswith(_EXCEEDS):
            self._ask()
            return
        # 503 nobody there, 409 consumer deleted, leadership change, server shutdown
        _log.info("pull ended", stream=self._stream, consumer=self._consumer, status=status, reason=description)
        self._start_recovery()

    def _ask(self) -> None:
        """Send a request for what there is room for, unless one stands or there is little room."""
        if self._asked or not self._open or self._recovering is not None or not self._log.connected:
            return
        messages, size = self._max_messages - len(self._held), self._max_bytes - self._held_bytes
        if messages * 2 < self._max_messages or size * 2 < self._max_bytes:
            return
        self._requests += 1
        self._asked, self._asked_left = self._requests, messages
        self._heard = asyncio.get_running_loop().time()
        body = _encode(
            {
                "batch": messages,
                "max_bytes": size,
                "expires": int(EXPIRES_S * 1e9),
                "idle_heartbeat": int(self._heartbeat_s * 1e9),
            }
        )
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}"
        self._log.nc.write((pub(subject, f"{self._inbox.decode()}{self._asked}", body),))

    def _reconnected(self) -> None:
        self._asked = 0
        self.wake()
        if self._recovering is not None and self._patience is not None:
            # What was asked over the lost connection is not answered any more: 5 s that nobody needs to wait.
            with contextlib.suppress(RuntimeError):  # not asking just now
                self._patience.reschedule(asyncio.get_running_loop().time())
        self._start_recovery()

    def _start_recovery(self) -> None:
        if self._open and self._recovering is None and not self._log.closed:
            self._recovering = asyncio.create_task(self._recover(), name=f"recover {self._stream}.{self._consumer}")

    async def _recover(self) -> None:
        """Make sure of the consumer, for as long as it takes, and ask again."""
        delay = RECOVER_DELAY_S
        try:
            while self._open:
                await self._log.wait_connected()
                try:
                    async with asyncio.timeout(None) as self._patience:
                        self._consumer = await self._ensure()
                    self._log.troubles.over(self)
                    break
                except (nats.errors.Error, OSError, TimeoutError) as error:
                    _log.warning("consumer is not there yet", stream=self._stream, error=str(error))
                    self._log.troubles.failed(self, f"consumer of {self._stream}: {str(error) or 'no answer'}")
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, LONGEST_RECOVER_DELAY_S)
        except asyncio.CancelledError:
            self._log.troubles.over(self)  # whoever opens this has given up
            raise
        except ConnectionClosed:
            self.wake()
        except DefinitionConflict as error:
            self._failure = error
            self.wake()
        finally:
            self._recovering = None
        self._ask()

    async def _watch_heartbeats(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._heartbeat_s)
            if not self._log.connected:
                continue
            silent = loop.time() - self._heard
            if self._asked and silent > self._heartbeat_s * MISSED_HEARTBEATS:
                self.renewals += 1
                _log.warning(
                    "pull went silent, renewing", stream=self._stream, consumer=self._consumer, silent_s=silent
                )
                self._asked = 0
                self._start_recovery()


def _nothing() -> None:
    """Stands for the listener before there is one."""
