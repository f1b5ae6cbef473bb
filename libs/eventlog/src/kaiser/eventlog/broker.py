"""FastStream's NATS broker with defaults that keep events.

FastStream's own default, ``REJECT_ON_ERROR``, terminates a message when its handler raises: no consumer of that durable
ever sees it again. Its ``NACK_ON_ERROR`` gives it back without delay, so that the redeliveries burn through in
milliseconds. Here a message that fails comes again after a growing delay, and becomes a dead letter in the end.

For requests and answers and for low rates. What must be fast, in order within a batch, or must notice a silent server
uses :class:`~kaiser.eventlog.consume.BatchConsumer`: FastStream's pull subscriber starts the messages of a batch side
by side, and suppresses a lost connection.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import structlog
from fast_depends.msgspec import MsgSpecSerializer
from faststream import AckPolicy, BaseMiddleware
from faststream.exceptions import AckMessage, HandlerException, NackMessage
from faststream.message import StreamMessage
from faststream.nats import NatsBroker
from faststream.security import BaseSecurity, SASLPlaintext
from nats.aio.msg import Msg

from kaiser.contracts.codes import Code
from kaiser.eventlog.deadletters import DeadLetterBox, letter_of
from kaiser.eventlog.delivery import Delivery
from kaiser.eventlog.errors import Retry, Unprocessable

if TYPE_CHECKING:
    from kaiser.eventlog.connection import EventLog

__all__ = ("build_broker",)

MAX_TRIES: Final = 5
FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 30.0
RECONNECT_DELAY_S: Final = 1
PING_INTERVAL_S: Final = 5

_log = structlog.get_logger(__name__)


def build_broker(
    url: str | Sequence[str],
    *,
    name: str,
    log: "EventLog",
    service: str,
    user: str | None = None,
    password: str | None = None,
    max_tries: int = MAX_TRIES,
) -> NatsBroker:
    """A broker that never discards an event; start and stop it as FastStream's documentation says.

    Args:
        url: As for :func:`kaiser.eventlog.connection.connect`.
        name: Name of the client, which the server's monitoring shows.
        log: Where dead letters go.
        service: Whose dead letters they are.
        user: User, unless the URL names one.
        password: Its password.
        max_tries: Deliveries of a message before it becomes a dead letter.
    """
    security: BaseSecurity | None = None
    if user is not None:
        security = SASLPlaintext(username=user, password=password or "")
    return NatsBroker(
        [server.strip() for server in url.split(",")] if isinstance(url, str) else list(url),
        name=name,
        security=security,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        middlewares=[_KeepingFactory(DeadLetterBox(log, service), max_tries)],
        max_reconnect_attempts=-1,
        reconnect_time_wait=RECONNECT_DELAY_S,
        ping_interval=PING_INTERVAL_S,
        serializer=MsgSpecSerializer(),
        logger=None,
    )


class _KeepingFactory:
    """What FastStream calls for each message to get its middleware."""

    def __init__(self, dead_letters: DeadLetterBox, max_tries: int) -> None:
        self._dead_letters = dead_letters
        self._max_tries = max_tries

    def __call__(self, msg: Any | None, /, *, context: Any) -> "_Keeping":  # FastStream's own types
        return _Keeping(msg, context=context, dead_letters=self._dead_letters, max_tries=self._max_tries)


class _Keeping(BaseMiddleware):
    """Turns a handler's exception into a redelivery with a delay, or into a dead letter."""

    def __init__(self, msg: Any | None, /, *, context: Any, dead_letters: DeadLetterBox, max_tries: int) -> None:
        super().__init__(msg, context=context)
        self._dead_letters = dead_letters
        self._max_tries = max_tries

    async def consume_scope(
        self, call_next: Callable[[StreamMessage[Any]], Awaitable[Any]], msg: StreamMessage[Any]
    ) -> Any:
        try:
            return await call_next(msg)
        except HandlerException:
            raise
        except Exception as error:
            delivery = _delivery(msg.raw_message)
            if delivery is None:  # a plain request: its asker sees the failure
                raise
            await self._keep(delivery, error)

    async def _keep(self, delivery: Delivery, error: Exception) -> None:
        tries = delivery.deliveries
        delay = min(FIRST_DELAY_S * 2.0 ** (tries - 1), LONGEST_DELAY_S)
        final = isinstance(error, Unprocessable) or tries >= self._max_tries
        if isinstance(error, Retry) or not final:
            _log.warning("message failed", subject=delivery.subject, seq=delivery.seq, delay_s=delay, error=repr(error))
            raise NackMessage(delay=delay) from error
        code = error.code if isinstance(error, Unprocessable) else Code.POISON_MESSAGE
        _log.error("message becomes a dead letter", subject=delivery.subject, seq=delivery.seq, error=repr(error))
        letter = letter_of(delivery, code, str(error) or repr(error), attempts=tries)
        await self._dead_letters.put([letter], headers=delivery.headers)
        raise AckMessage from error


def _delivery(raw: object) -> Delivery | None:
    """A message of JetStream; none for requests, and for the lists of batch subscribers."""
    if not isinstance(raw, Msg) or not raw.reply.startswith("$JS.ACK."):
        return None
    delivery = Delivery(raw.subject, raw.data, raw.reply, b"")
    delivery.adopt(raw.headers or {})
    return delivery
