"""Who asks, and whether they have asked too much: known before anything answers, even what was answered before.

Whoever is given an answer that was made for another, or for themselves the first time, has asked all the same. What
they may ask for is the guard's to say (:mod:`kaiser.gateway.api.authorisation`).
"""

from typing import Any, Final

from litestar.exceptions import NotAuthorizedException
from litestar.types import ASGIApp, Receive, Scope, Send

from kaiser.gateway.admission import Admission
from kaiser.gateway.api.authorisation import SCHEME, TABLE, Needs, route_of
from kaiser.gateway.edge.limiting import Limits
from kaiser.gateway.tokens import InvalidTokenError, Principal

CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}


class Admitting:
    """The routes, with whoever asks in the scope as its ``user``.

    Args:
        app: The routes; their state has who is admitted, and what everybody has left.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request.

        Raises:
            NotAuthorizedException: No token, or not a valid one.
            TooManyRequestsException: Whoever asks has asked too much; never for an emergency stop.
        """
        asked: Any = scope  # litestar's scope is of two types
        if asked["method"] != "OPTIONS":  # litestar answers with the methods that there are
            await _admit(asked, TABLE[route_of(asked["method"], asked["path_template"])])
        await self._app(scope, receive, send)


async def _admit(scope: Any, needs: Needs) -> None:  # as above
    state = scope["litestar_app"].state
    limits: Limits | None = None if needs.scope == "stop" else state.limits
    if limits is not None:
        limits.address(scope)
    if needs.role is None:
        return
    who = scope["user"] = await _principal(scope, state.admission)
    if limits is not None:
        limits.user(scope, who.user_id)


async def _principal(scope: Any, admission: Admission) -> Principal:  # as above
    header = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode("latin-1")
    if not header.startswith(SCHEME):
        raise NotAuthorizedException("send 'Authorization: Bearer TOKEN'; log in for a token", headers=CHALLENGE)
    try:
        return await admission.admit(header.removeprefix(SCHEME))
    except InvalidTokenError as error:
        raise NotAuthorizedException(str(error), headers=CHALLENGE) from error
