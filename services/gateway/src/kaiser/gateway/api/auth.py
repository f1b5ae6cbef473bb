"""Logging in, and the guard that every other route has."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler

from kaiser.gateway.accounts import Accounts
from kaiser.gateway.api.problems import problem
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.gateway.throttle import Throttle
from kaiser.gateway.tokens import InvalidTokenError, Principal, Tokens

SCHEME: Final = "Bearer "


class Credentials(msgspec.Struct, frozen=True):
    """User name and password."""

    username: str
    password: str


class TokenPair(msgspec.Struct, frozen=True):
    """What a client authenticates with from then on; ``expires_in`` is in seconds."""

    access_token: str
    expires_in: int
    token_type: str = "bearer"  # noqa: S105 - RFC 6750's word


class UserView(msgspec.Struct, frozen=True):
    """Who somebody is."""

    user_id: str
    username: str
    role: str


class LoggedIn(msgspec.Struct, frozen=True):
    """Answer to a login, in the monolith's shape."""

    tokens: TokenPair
    user: UserView
    success: bool = True


async def authenticated(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let only those in who have a valid token; leaves the principal in the connection's scope.

    A coroutine though it waits for nothing, as every guard here: litestar runs a plain function in a thread.

    Raises:
        NotAuthorizedException: No token, or not a valid one.
    """
    header = connection.headers.get("authorization", "")
    challenge = {"WWW-Authenticate": "Bearer"}
    if not header.startswith(SCHEME):
        raise NotAuthorizedException("send 'Authorization: Bearer TOKEN'; log in for a token", headers=challenge)
    tokens: Tokens = connection.app.state.tokens
    try:
        connection.scope["user"] = tokens.read(header.removeprefix(SCHEME))
    except InvalidTokenError as error:
        raise NotAuthorizedException(str(error), headers=challenge) from error


ROLES: Final = ("viewer", "operator", "engineer", "admin")
"""Each may do what those before it may."""


def may(principal: Principal, role: str) -> bool:
    """Whether a user has a role, or one above it."""
    return ROLES.index(principal.role) >= ROLES.index(role)


def requires(role: str) -> Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]:
    """A guard that lets in users of a role and above; behind :func:`authenticated`."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        principal: Principal = connection.scope["user"]
        if not may(principal, role):
            raise PermissionDeniedException(f"needs the role {role}; yours is {principal.role}")

    return guard


@post("/auth/login", status_code=200, tags=["auth"], summary="Log in", security=[])
async def login(
    data: Credentials,
    request: Request[Any, Any, Any],
    accounts: Accounts,
    tokens: Tokens,
    throttle: Throttle,
    metrics: GatewayMetrics,
) -> Response[Any]:
    """An access token for a user name and a password. After some failures, a name or an address has to wait."""
    address = request.client.host if request.client else ""
    # Never the name alone: whoever knows it could keep its owner out
    keys = (address, f"{address} {data.username}")
    wait = throttle.wait_s(*keys, now=time.monotonic())
    if wait:
        metrics.logins.labels("throttled").inc()
        words = f"too many failed logins; wait {wait:.0f} s"
        return problem(429, "TOO_MANY_REQUESTS", words, headers={"Retry-After": str(int(wait) + 1)})
    throttle.failed(*keys, now=time.monotonic())  # until it is proved otherwise: guesses may come all at once
    user = await accounts.verify(data.username, data.password)
    if user is None:
        metrics.logins.labels("failed").inc()
        return problem(401, "NOT_AUTHENTICATED", "user name or password is wrong")
    throttle.succeeded(*keys)
    metrics.logins.labels("succeeded").inc()
    token = tokens.issue(user.user_id, user.username, user.role, now_s=int(time.time()))
    return Response(
        LoggedIn(TokenPair(token, tokens.expires_s), UserView(user.user_id, user.username, user.role)),
        headers={"Cache-Control": "no-store"},
    )


@get("/auth/me", tags=["auth"], summary="Who am I", guards=[authenticated])
async def me(request: Request[Any, Any, Any]) -> UserView:
    """The user that the token speaks for."""
    principal: Principal = request.scope["user"]
    return UserView(principal.user_id, principal.username, principal.role)
