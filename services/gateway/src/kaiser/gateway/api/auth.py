"""Logging in, staying in, leaving."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.params import Body

from kaiser.contracts.codes import Code
from kaiser.eventlog import now_us
from kaiser.gateway.api.documented import example, refusals
from kaiser.gateway.api.problems import problem
from kaiser.gateway.audit.recording import CLAIMED, Claimed
from kaiser.gateway.identity.logins import Granted, Logins, ThrottledError
from kaiser.gateway.identity.passwords import BusyError
from kaiser.gateway.identity.storing import Identity
from kaiser.gateway.identity.users import EndSessions
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.gateway.tokens import InvalidTokenError, Principal

NOT_STORED: Final = {"Cache-Control": "no-store"}

Asking = Request[Any, Any, Any]
Typed = Annotated[str, msgspec.Meta(max_length=1024)]


class Credentials(msgspec.Struct, frozen=True):
    """User name and password.

    Attributes:
        device_token: Of a login before with the same client; whoever has it is not held back for what strangers guess.
    """

    username: Typed
    password: Typed
    device_token: Typed = ""


class RefreshWish(msgspec.Struct, frozen=True):
    """The refresh token of the last answer; each is good once."""

    refresh_token: Annotated[str, msgspec.Meta(max_length=2048)]


class PasswordWish(msgspec.Struct, frozen=True):
    """The password of now and the one from now on."""

    current_password: Typed
    new_password: Typed
    device_token: Typed = ""


class TokenPair(msgspec.Struct, frozen=True):
    """What a client authenticates with from then on; ``expires_in`` and ``refresh_expires_in`` are in seconds."""

    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    token_type: str = "bearer"  # noqa: S105 - RFC 6750's word


class UserView(msgspec.Struct, frozen=True):
    """Who somebody is.

    Attributes:
        zones: Zones that they are confined to; empty for none.
        scopes: What a machine's key is good for; empty for people.
    """

    user_id: str
    username: str
    role: str
    zones: list[str] = []
    scopes: list[str] = []


class LoggedIn(msgspec.Struct, frozen=True):
    """Answer to a login, in the monolith's shape.

    Attributes:
        device_token: To be kept, and sent with the next login; empty where only tokens were refreshed.
    """

    tokens: TokenPair
    user: UserView
    device_token: str = ""
    success: bool = True


@post(
    "/auth/login",
    status_code=200,
    tags=["auth"],
    summary="Log in",
    security=[],
    responses=refusals(Code.SERVICE_ERROR),
)
async def login(
    data: Annotated[
        Credentials, Body(examples=[example("a person", username="ada", password="as long as you like")])  # noqa: S106
    ],
    request: Asking,
    logins: Logins,
    metrics: GatewayMetrics,
) -> Response[LoggedIn]:
    """Tokens for a user name and a password. After some failures, a name or an address has to wait.

    The access token goes into ``Authorization: Bearer …``. Before it expires, ``POST /auth/refresh`` gives another one.
    """
    request.scope["state"][CLAIMED] = Claimed(data.username[:128])
    try:
        granted = await logins.log_in(
            data.username, data.password, address=address_of(request), device=data.device_token
        )
    except (ThrottledError, BusyError):
        metrics.logins.labels("throttled").inc()
        raise
    if granted is None:
        metrics.logins.labels("failed").inc()
        return problem(401, "NOT_AUTHENTICATED", "user name or password is wrong")
    metrics.logins.labels("succeeded").inc()
    request.scope["state"][CLAIMED] = Claimed(granted.user.username, granted.user.user_id, granted.session_id)
    return logged_in(granted)


@post(
    "/auth/refresh",
    status_code=200,
    tags=["auth"],
    summary="Get other tokens",
    security=[],
    responses=refusals(Code.TOKEN_REUSED, Code.SERVICE_ERROR),
)
async def refresh(data: RefreshWish, request: Asking, logins: Logins) -> Response[LoggedIn]:
    """Another access token and another refresh token; the one that was given is void.

    A refresh token that comes a second time was stolen, or its thief was first: every token of the login is void then,
    on every gateway. A client asks once at a time, and keeps what it got before it asks again.
    """
    try:
        granted = await logins.refresh(data.refresh_token, address=address_of(request))
    except InvalidTokenError as error:
        return problem(401, "NOT_AUTHENTICATED", str(error))
    return logged_in(granted)


@post("/auth/logout", status_code=204, tags=["auth"], summary="Log out", responses=refusals(Code.SERVICE_ERROR))
async def logout(request: Asking, logins: Logins, identity: Identity, everywhere: bool = False) -> None:
    """End the session that the token belongs to, on every gateway; ``?everywhere=true`` ends all of the user's."""
    principal: Principal = request.scope["user"]
    if everywhere:
        await identity.user(EndSessions(user_id=principal.user_id, by=principal.username, at=now_us()))
    else:
        await logins.end(principal.via, by=principal.username, reason="logout")


@post(
    "/auth/password",
    status_code=200,
    tags=["auth"],
    summary="Change my password",
    responses=refusals(Code.PASSWORD_WEAK, Code.PASSWORD_WRONG, Code.SERVICE_ERROR),
)
async def change_password(data: PasswordWish, request: Asking, logins: Logins) -> Response[LoggedIn]:
    """Another password. Every session of the user ends with it; the tokens in the answer are of a new one."""
    principal: Principal = request.scope["user"]
    granted = await logins.change_password(
        principal, data.current_password, data.new_password, address=address_of(request), device=data.device_token
    )
    if granted is None:
        return problem(403, Code.PASSWORD_WRONG, "this is not your password", where="current_password")
    return logged_in(granted)


@get("/auth/me", tags=["auth"], summary="Who am I")
async def me(request: Asking) -> UserView:
    """Whom the token or the key speaks for."""
    principal: Principal = request.scope["user"]
    return UserView(
        principal.user_id, principal.username, principal.role, sorted(principal.zones), sorted(principal.scopes)
    )


def address_of(request: Asking) -> str:
    """Where a request comes from; behind a proxy that is believed, whom it asks for."""
    return request.client.host if request.client else ""


def logged_in(granted: Granted) -> Response[LoggedIn]:
    """Tokens as an answer."""
    user = granted.user
    pair = TokenPair(granted.access, granted.expires_in, granted.refresh, granted.refresh_expires_in)
    view = UserView(user.user_id, user.username, user.role, sorted(user.zones))
    return Response(LoggedIn(pair, view, granted.device), headers=NOT_STORED)


def throttled(_: Asking, error: ThrottledError) -> Response[Any]:
    """Who has to wait is told how long."""
    retry = {"Retry-After": str(int(error.wait_s) + 1)}
    return problem(429, "TOO_MANY_REQUESTS", str(error), headers=retry)


def busy(_: Asking, __: BusyError) -> Response[Any]:
    """More passwords than can be hashed."""
    return problem(503, Code.SERVICE_ERROR, "too many are logging in right now", headers={"Retry-After": "1"})


HANDLERS: Final[dict[Any, Any]] = {ThrottledError: throttled, BusyError: busy}  # as litestar declares them
