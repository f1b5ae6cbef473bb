"""Logging in by an OpenID Connect provider: the frontend goes there and comes back with a code."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException

from kaiser.contracts.codes import Code
from kaiser.gateway.api.auth import NOT_STORED, LoggedIn, address_of, logged_in
from kaiser.gateway.api.documented import refusals
from kaiser.gateway.api.problems import problem
from kaiser.gateway.audit.recording import CLAIMED, Claimed
from kaiser.gateway.identity.logins import Logins
from kaiser.gateway.identity.openid import Begun, OpenId, OpenIdError
from kaiser.gateway.metrics import GatewayMetrics

Long = Annotated[str, msgspec.Meta(max_length=4096)]


class OpenIdAnswer(msgspec.Struct, frozen=True):
    """What came back from the provider in the address, and the handle that was kept meanwhile."""

    code: Long
    state: Long
    handle: Long


@get("/auth/openid", tags=["auth"], summary="Begin a login by a provider", security=[])
async def begin(openid: OpenId) -> Response[Begun]:
    """Where to send the browser. Keep ``handle`` (not in an address), and come back with it to ``POST`` of the same."""
    _must_be_offered(openid)
    try:
        return Response[Begun](await openid.begin(), headers=NOT_STORED)
    except OpenIdError as error:
        return problem(503, Code.SERVICE_ERROR, str(error), headers={"Retry-After": "5"})


@post(
    "/auth/openid",
    status_code=200,
    tags=["auth"],
    summary="Finish a login by a provider",
    security=[],
    responses=refusals(Code.USER_EXISTS, Code.SERVICE_ERROR),
)
async def finish(
    data: OpenIdAnswer, request: Request[Any, Any, Any], openid: OpenId, logins: Logins, metrics: GatewayMetrics
) -> Response[LoggedIn]:
    """Tokens for whoever the provider says it is. Their role is that of their groups, each time that they log in."""
    _must_be_offered(openid)
    try:
        somebody = await openid.finish(data.code, data.state, data.handle)
    except OpenIdError as error:
        metrics.logins.labels("failed").inc()
        return problem(401, "NOT_AUTHENTICATED", str(error))
    request.scope["state"][CLAIMED] = Claimed(somebody.username[:128])
    if somebody.role is None:
        metrics.logins.labels("failed").inc()
        return problem(403, "FORBIDDEN", "none of your groups has a role here")
    granted = await logins.log_in_from_outside(somebody, somebody.role, address=address_of(request))
    if granted is None:
        metrics.logins.labels("failed").inc()
        return problem(401, "NOT_AUTHENTICATED", "this account is disabled")
    metrics.logins.labels("succeeded").inc()
    request.scope["state"][CLAIMED] = Claimed(granted.user.username, granted.user.user_id, granted.session_id)
    return logged_in(granted)


def _must_be_offered(openid: OpenId) -> None:
    if not openid.offered:
        raise NotFoundException("there is no provider here; log in with a password")
