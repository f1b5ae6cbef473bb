"""An answer that is held instead of sent: to be kept, to be given to several, to be given again."""

from typing import Any

import msgspec
from litestar.types import ASGIApp, Message, Receive, Scope, Send


class Answer(msgspec.Struct, frozen=True):
    """What was answered.

    Attributes:
        headers: Names in lower case, and values.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


async def captured(app: ASGIApp, scope: Scope, receive: Receive) -> Answer:
    """What an application answers to a request, whole."""
    sent: list[Any] = []

    async def hold(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, hold)
    start = next(message for message in sent if message["type"] == "http.response.start")
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"])
    return Answer(start["status"], headers, body)


async def give(answer: Answer, send: Send, *more: tuple[bytes, bytes]) -> None:
    """Send an answer, with more headers."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    start: Any = {"type": "http.response.start", "status": answer.status, "headers": [*headers, *more]}
    await send(start)
    end: Any = {"type": "http.response.body", "body": answer.body, "more_body": False}
    await send(end)
