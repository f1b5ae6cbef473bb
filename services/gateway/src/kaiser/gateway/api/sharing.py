"""Whoever asks for the same at the same time, with the same rights, gets one answer that was made once.

A hundred dashboards that ask for one list make one request to its owner and one body. No answer is older than the
request that it is given to: who comes while an answer is being made waits for the next one, which is begun then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final

from litestar.types import ASGIApp, Receive, Scope, Send

from kaiser.gateway.api.authorisation import TABLE, route_of
from kaiser.gateway.captured import Answer, captured, give
from kaiser.gateway.tokens import Principal

ALONE: Final = (b"wait=", b"at_least=")
"""Parameters of requests that wait for something, which nobody else is to wait for."""
STREAMED: Final = ("export.", ".yaml")


class Flights:
    """Answers that are being made."""

    def __init__(self) -> None:
        self._in_the_air: dict[Hashable, asyncio.Task[Answer]] = {}
        self._next: dict[Hashable, asyncio.Task[Answer]] = {}

    async def answer(self, key: Hashable, make: Callable[[], Awaitable[Answer]]) -> Answer:
        """An answer that is begun from now on.

        Args:
            key: Of requests that have the same answer.
            make: Makes it, unless somebody else who waits for it does.
        """
        flight = self._next.get(key)
        if flight is None:
            flight = self._next[key] = asyncio.create_task(self._fly(key, make))
        return await asyncio.shield(flight)

    async def _fly(self, key: Hashable, make: Callable[[], Awaitable[Answer]]) -> Answer:
        if (before := self._in_the_air.get(key)) is not None:
            await asyncio.wait([before])
        flight = self._in_the_air[key] = self._next.pop(key)
        try:
            return await make()
        finally:
            if self._in_the_air.get(key) is flight:
                del self._in_the_air[key]


class Sharing:
    """The routes, with one answer for all who ask for the same.

    Args:
        app: The routes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        asked: Any = scope  # litestar's scope is of two types
        if not _is_shared(asked):
            await self._app(scope, receive, send)
            return
        flights: Flights = asked["litestar_app"].state.flights
        who: Principal = asked["user"]

        async def make() -> Answer:
            return await captured(self._app, scope, receive)

        rights = (who.role, who.scopes, who.zones)
        await give(await flights.answer((asked["path"], asked["query_string"], rights), make), send)


def _is_shared(scope: Any) -> bool:  # as above
    """Whether an answer depends on nothing but what is asked and the rights of whoever asks, and ends soon."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    needs = TABLE.get(route_of("GET", scope["path_template"]))
    if needs is None or needs.role is None or needs.reach == "own":
        return False
    query = scope["query_string"]
    return not any(each in query for each in ALONE) and not any(each in scope["path"] for each in STREAMED)
