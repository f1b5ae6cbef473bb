"""Parameters that a route does not take are refused: a filter with a typing error would show everything.

Emergency stops alone are never refused for one.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Refusal
from kaiser.gateway.api.authorisation import METHODS, TABLE, route_of

Taken = Mapping[str, frozenset[str]]
"""Route, as the table of rights has it, to the names of its parameters in the query."""

SPARED: Final = "stop"


def of(document: Mapping[str, Any]) -> Taken:
    """What each route takes, of the OpenAPI document: what is not described is not taken."""
    return dict(_routes(document))


def _routes(document: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if operation := item.get(method.lower()):
                of_query = (one["name"] for one in operation.get("parameters", ()) if one["in"] == "query")
                yield route_of(method, path), frozenset(of_query)


def described(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let only those in who ask by parameters that the route takes; the application's state has what is taken.

    Raises:
        Refusal: INVALID_PAYLOAD_FORMAT, with the first name that is not known, and those that are.
    """
    asked = connection.query_params
    method = str(connection.scope.get("method", "GET"))
    if not asked or method == "OPTIONS":
        return
    route = route_of(method, connection.scope["path_template"])
    if TABLE[route].scope == SPARED:
        return
    taken: Taken = connection.app.state.parameters
    if unknown := next((name for name in asked if name not in taken[route]), None):
        takes = f"this takes {', '.join(sorted(taken[route]))}" if taken[route] else "this takes none"
        raise Refusal(Code.INVALID_PAYLOAD_FORMAT, f"no such parameter; {takes}", where=unknown)
