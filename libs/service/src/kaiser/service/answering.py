"""Answers requests over NATS, ``query.{service}.*`` and ``command.{service}.*``, shared out over all instances."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from kaiser.contracts.codes import Code
from kaiser.contracts.queries import Problem, Reply
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import LogFull, Unacknowledged, now_us, tracecontext
from kaiser.service import tracing
from kaiser.timescale import BadData, DatabaseAway

_log = structlog.get_logger(__name__)

Answer = Callable[[Any, int], Awaitable[Any]]  # each request has its own type, checked when it is decoded
"""Called with the request and unix microseconds."""

Requests = Mapping[str, tuple[type[msgspec.Struct], Answer]]
"""Subject to what a request on it says, and who answers it."""

PATIENCE_S: Final = 3.0
"""After this the database counts as away; a frozen server would keep an asker waiting for ever."""
AT_ONCE: Final = 32
"""Requests in work; the rest wait, and are refused after the same patience."""

_encode = msgspec.json.Encoder().encode


class Answerer:
    """Answers until it is closed.

    Args:
        service: Name of the service; its instances share the requests.
        asked: What it answers.
        patience_s: How long a request may take; those that wait for something themselves add it to this.
        kept: What is not lost while the database is away, in words.
        late: What a request that takes too long is answered with; by default that it could not be answered in time.
    """

    def __init__(
        self,
        service: str,
        *asked: Requests,
        patience_s: float = PATIENCE_S,
        kept: str = "nothing is lost, and it will be there later",
        late: Problem | None = None,
    ) -> None:
        self._service = service
        self._patience_s = patience_s
        self._kept = kept
        self._late = late
        self._answers = {
            name: (msgspec.json.Decoder(kind), answer)
            for requests in asked
            for name, (kind, answer) in requests.items()
        }
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._working: set[asyncio.Task[None]] = set()
        self._subscriptions: list[Subscription] = []

    async def serve(self, nc: Client) -> None:
        """Subscribe; nats-py subscribes again after a reconnect."""

        async def received(message: Msg) -> None:
            task = asyncio.create_task(self._reply(message), name="request")
            self._working.add(task)
            task.add_done_callback(self._working.discard)

        for name in self._answers:
            self._subscriptions.append(await nc.subscribe(name, queue=self._service, cb=received))

    async def close(self) -> None:
        """Take no more, which other instances then get, and let what is being answered come to its end."""
        with contextlib.suppress(NatsError, TimeoutError):  # the server is away, and sends nothing
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(*(one.drain() for one in self._subscriptions))  # type: ignore[no-untyped-call]
        if self._working:
            await asyncio.wait(self._working, timeout=PATIENCE_S)

    async def answer(self, name: str, body: bytes) -> Reply[Any]:
        """The reply to one request; never raises.

        Args:
            name: The subject.
            body: The request as JSON; empty for one without a word.
        """
        decoder, ask = self._answers[name]
        try:
            asked = decoder.decode(body or b"{}")
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            return _problem(Code.INVALID_PAYLOAD_FORMAT, str(error))
        task = asyncio.ensure_future(self._in_turn(ask, asked))
        patience_s = self._patience_s + getattr(asked, "wait_s", 0.0)
        done, _ = await asyncio.wait({task}, timeout=patience_s)
        if not done:
            # Not awaited: psycopg ends a statement by asking the server to, which a frozen one never does
            task.add_done_callback(_heard)
            task.cancel()
            words = f"{self._service} could not answer within {patience_s:.0f} s"
            return Reply(problem=self._late or Problem(code=Code.OPERATION_TIMEOUT, detail=words))
        return self._reply_of(task, name)

    async def _in_turn(self, ask: Answer, asked: object) -> object:
        if getattr(asked, "wait_s", 0.0):  # it sleeps, mostly, and must not keep others from their turn
            return await ask(asked, now_us())
        async with self._turns:
            return await ask(asked, now_us())

    async def _reply(self, message: Msg) -> None:
        given = (message.headers or {}).get(tracecontext.HEADER, "")
        with tracing.span(f"{self._service} {message.subject.rpartition('.')[2]}", tracecontext.valid(given)) as span:
            reply = await self.answer(message.subject, message.data)
            if span is not None and reply.problem is not None:
                span.fail(reply.problem.code)
        if message.reply:
            try:
                await message.respond(_encode(reply))
            except NatsError as error:
                _log.warning("an answer could not be sent", subject=message.subject, reason=repr(error))

    def _reply_of(self, task: "asyncio.Future[Any]", name: str) -> Reply[Any]:
        try:
            return Reply(ok=task.result())
        except Refusal as refusal:
            refused = Problem(refusal.code, refusal.detail, refusal.where, refusal.faults)
            return Reply(problem=refused)
        except BadData as error:
            return _problem(Code.VALUE_OUT_OF_RANGE, str(error))
        except DatabaseAway as away:
            _log.warning("a request waits for the database", request=name, reason=str(away))
            return _problem(Code.DATABASE_ERROR, f"the database is away; {self._kept}")
        except LogFull as full:
            return _problem(Code.SERVICE_ERROR, f"the log takes no more: {full}")
        except Unacknowledged as away:
            return _problem(Code.SERVICE_ERROR, f"the log does not answer: {away}")
        except Exception:  # noqa: BLE001  # the asker is owed a reply, and the log has the rest
            _log.exception("a request could not be answered", request=name)
            words = f"the request could not be answered; the log of {self._service} says why"
            return _problem(Code.SERVICE_ERROR, words)


def _problem(code: str, detail: str) -> Reply[Any]:
    return Reply(problem=Problem(code=code, detail=detail))


def _heard(task: "asyncio.Future[Any]") -> None:
    """Take note of an outcome that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
