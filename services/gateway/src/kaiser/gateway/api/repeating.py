"""``Idempotency-Key`` on every request that asks for a change, in one place; see :mod:`kaiser.gateway.idempotency`."""

from typing import Any, Final

import structlog
from litestar.exceptions import ClientException
from litestar.types import ASGIApp, Receive, Scope, Send

from kaiser.contracts.codes import Code
from kaiser.contracts.queries import Problem
from kaiser.gateway.api.authorisation import STOP, TABLE, route_of
from kaiser.gateway.asking import ProblemError
from kaiser.gateway.captured import Answer, captured, give
from kaiser.gateway.idempotency import AWAY, Repeats, request_digest

log = structlog.get_logger(__name__)

LOOKING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OWNER_KNOWS: Final = frozenset({"POST /actuators/{esp_id}/{gpio}/command"})
"""Routes whose owner has the key in its own events, for longer than it would be kept here."""
HEADER: Final = b"idempotency-key"
REPLAYED: Final = (b"idempotency-replayed", b"true")
TOLD_APART_BY: Final = (b"if-match", b"if-none-match", b"content-type")


class Repeating:
    """The routes, with the answer of the first time for whoever sends a request again with the same key.

    Args:
        app: The routes; their state has what remembers answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        asked: Any = scope  # litestar's scope is of two types
        headers = dict(asked["headers"])
        route = _route(asked)
        if HEADER not in headers or route is None:
            await self._app(scope, receive, send)
            return
        state, who = asked["litestar_app"].state, asked["user"]
        body = await _body(receive, state.largest_body)
        given = [headers.get(name, b"") for name in TOLD_APART_BY]
        digest = request_digest(asked["method"].encode(), asked["path"].encode(), asked["query_string"], *given, body)

        async def work() -> Answer:
            return await captured(self._app, scope, _replaying(body))

        try:
            key = headers[HEADER].decode("latin-1")
            repeats: Repeats = state.repeats
            answer, again = await repeats.answer(who.user_id, key, digest, work)
        except AWAY as error:
            if TABLE[route] != STOP:
                words = "the event log is away, so nobody knows whether this was asked before; ask again"
                raise ProblemError(Problem(Code.SERVICE_ERROR, words)) from error
            log.warning("a stop goes on without its idempotency key", route=route, reason=str(error))
            answer, again = await work(), False
        await give(answer, send, *((REPLAYED,) if again else ()))


def _route(scope: Any) -> str | None:
    """The route of a request that asks for a change, and whose answer is to be kept here."""
    if scope["type"] != "http" or scope["method"] in LOOKING:
        return None
    route = route_of(scope["method"], scope["path_template"])
    needs = TABLE.get(route)
    return None if needs is None or needs.role is None or route in OWNER_KNOWS else route


async def _body(receive: Receive, largest: int) -> bytes:
    found = bytearray()
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise ClientException("the request ended before its body did")
        found += message.get("body", b"")
        if len(found) > largest:
            raise ClientException(f"a body has at most {largest} bytes", status_code=413)
        if not message.get("more_body", False):
            return bytes(found)


def _replaying(body: bytes) -> Receive:
    messages: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive
