"""Time that a request has: to say all that it says, and to be answered. The protocol sees to the rest."""

import asyncio
from typing import Final

import msgspec
from litestar.exceptions import ClientException
from litestar.status_codes import HTTP_408_REQUEST_TIMEOUT
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from kaiser.contracts.codes import Code
from kaiser.gateway.api.problems import MEDIA_TYPE, document

BODY_WITHIN_S: Final = 20.0
ANSWER_WITHIN_S: Final = 60.0
"""More than anything that a handler waits for; an answer that has begun may go on for as long as it is read."""


class TooSlowError(ClientException):
    """The body does not come."""

    status_code = HTTP_408_REQUEST_TIMEOUT


class Deadlines:
    """The application, within bounds of time.

    Args:
        app: The application.
        body_s: Seconds for a whole body.
        answer_s: Seconds until an answer begins.
    """

    def __init__(self, app: ASGIApp, *, body_s: float = BODY_WITHIN_S, answer_s: float = ANSWER_WITHIN_S) -> None:
        self._app = app
        self._body_s = body_s
        self._answer_s = answer_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if str(scope["type"]) != "http":
            await self._app(scope, receive, send)
            return
        until = asyncio.get_running_loop().time() + self._body_s
        complete = False

        async def receive_in_time() -> Message:
            nonlocal complete
            if complete:  # what is waited for then is the client's leaving
                return await receive()  # type: ignore[return-value]  # litestar has a type for each direction
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise TooSlowError("the body did not come in time", headers={"Connection": "close"}) from None
            complete = message["type"] != "http.request" or not message.get("more_body", False)
            return message  # type: ignore[return-value]  # as above

        begun = False
        limit = asyncio.timeout(self._answer_s)

        async def send_and_note(message: Message) -> None:
            nonlocal begun
            if not begun:
                begun = True
                limit.reschedule(None)
            await send(message)

        try:
            async with limit:
                await self._app(scope, receive_in_time, send_and_note)  # type: ignore[arg-type]  # as above
        except TimeoutError:
            if begun:
                raise
            await _give_up(send)


async def _give_up(send: Send) -> None:
    body = msgspec.json.encode(document(503, Code.OPERATION_TIMEOUT, "this took too long; it may be done still"))
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 503, "headers": [*headers, (b"retry-after", b"2")]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
