"""The answers that any route may have, put into the OpenAPI document once all routes are known."""

from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.openapi.spec import (
    Example,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Reference,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIType

from kaiser.contracts.codes import Code
from kaiser.gateway.api.authorisation import PREFIX, TABLE, Needs, route_of
from kaiser.gateway.api.problems import MEDIA_TYPE, document

PROBLEM: Final = Reference(ref="#/components/schemas/ProblemDocument")

ANY: Final[dict[int, tuple[str, str, str]]] = {
    400: (Code.INVALID_PAYLOAD_FORMAT, "The request is not what it should be.", "Expected `int`, got `str`"),
    401: ("NOT_AUTHENTICATED", "Log in again.", "the session has ended; log in again"),
    403: ("FORBIDDEN", "Not with this role, this key, or in these zones.", "needs the role engineer; yours is viewer"),
    404: ("NOT_FOUND", "There is no such thing, or not for you.", "Not Found"),
    408: (Code.OPERATION_TIMEOUT, "The body took too long to come.", "the body did not come in time"),
    413: (Code.PAYLOAD_TOO_LARGE, "The body is too large.", "Request Entity Too Large"),
    429: ("TOO_MANY_REQUESTS", "Too many requests; wait as `Retry-After` says.", "too many requests; wait 1 s"),
    500: (Code.SERVICE_ERROR, "A fault of the gateway's; its log has it by `request_id`.", "something went wrong here"),
    503: (Code.SERVICE_ERROR, "Somebody who is needed is away; the same request may be sent again.", "ask again"),
}
"""Status to a code that it may have, what it means, and words that it may come with."""


ALSO: Final = {
    "POST /auth/login": {401},
    "GET /auth/openid": {404},
    "POST /auth/openid": {401, 403, 404},
    "POST /actuators/clear-emergency": {404},
    "POST /actuators/clear_emergency": {404},
}
"""What routes answer that say so nowhere else."""


def complete(app: Litestar) -> None:
    """Say of each route of the API what it may answer besides what it says itself."""
    for path, item in (app.openapi_schema.paths or {}).items():
        for method in ("get", "post", "put", "patch", "delete"):
            operation: Operation | None = getattr(item, method)
            if operation is not None and path.startswith(PREFIX):
                route = route_of(method.upper(), path)
                _complete(operation, TABLE[route], also=ALSO.get(route, set()), named="{" in path)


def _complete(operation: Operation, needs: Needs, *, also: set[int], named: bool) -> None:
    responses: dict[str, Any] = operation.responses or {}
    statuses = {429, 500, 503} | also
    if needs.role is not None:
        statuses |= {401, 403}
    if named:
        statuses |= {400, 404}
    if operation.request_body is not None:
        statuses |= {400, 408, 413}
    for status in sorted(statuses):
        if str(status) not in responses:
            responses[str(status)] = _answer(status)
    found = responses.get("400")
    if isinstance(found, OpenAPIResponse) and MEDIA_TYPE not in (
        found.content or {}
    ):  # litestar's own, which nobody gets
        responses["400"] = _answer(400)
    for answer in responses.values():
        for kind, content in (getattr(answer, "content", None) or {}).items():
            if "yaml" in kind:  # what it is the text of, not that it is one
                content.schema = Schema(type=OpenAPIType.OBJECT)
    operation.responses = dict(sorted(responses.items()))


def _answer(status: int) -> OpenAPIResponse:
    code, meaning, words = ANY[status]
    more = {"request_id": "7f0e6c1d"} if status == 500 else {}
    sample = Example(summary=meaning, value=msgspec.to_builtins(document(status, code, words, **more)))
    headers: dict[str, OpenAPIHeader | Reference] = {}
    if status == 429:
        seconds = Schema(type=OpenAPIType.INTEGER, minimum=0)
        headers["Retry-After"] = OpenAPIHeader(schema=seconds, description="Seconds to wait")
    content = {MEDIA_TYPE: OpenAPIMediaType(schema=PROBLEM, examples={str(code): sample})}
    return OpenAPIResponse(description=meaning, content=content, headers=headers)
