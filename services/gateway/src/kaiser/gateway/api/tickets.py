"""A ticket for the WebSocket."""

from typing import Any

import msgspec
import nats.errors
from litestar import Request, Response, post

from kaiser.contracts.codes import Code
from kaiser.contracts.queries import Problem
from kaiser.gateway.api.documented import refusals
from kaiser.gateway.asking import ProblemError
from kaiser.gateway.tickets import GOOD_FOR_S, Tickets
from kaiser.gateway.tokens import Principal


class TicketView(msgspec.Struct, frozen=True):
    """A ticket opens one WebSocket, ``/ws?ticket=…``, within ``expires_in`` seconds."""

    ticket: str
    expires_in: int = GOOD_FOR_S


@post(
    "/auth/ws-ticket",
    status_code=201,
    tags=["auth"],
    summary="Get a ticket for the WebSocket",
    responses=refusals(Code.SERVICE_ERROR),
)
async def ws_ticket(request: Request[Any, Any, Any], tickets: Tickets) -> Response[TicketView]:
    """A ticket for one socket of whoever asks, which lives as long as the token that it was got with."""
    principal: Principal = request.scope["user"]
    try:
        ticket = await tickets.issue(principal)
    except (nats.errors.Error, OSError, TimeoutError):
        words = "the event log is away, and tickets are kept there"
        raise ProblemError(Problem(Code.SERVICE_ERROR, words)) from None
    return Response(TicketView(ticket), headers={"Cache-Control": "no-store"})
