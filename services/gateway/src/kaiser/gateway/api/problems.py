"""Errors as ``application/problem+json`` (RFC 9457), each with a stable code."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from kaiser.contracts.codes import Code
from kaiser.contracts.queries import Problem
from kaiser.gateway.asking import ProblemError

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"

AnyRequest = Request[Any, Any, Any]  # litestar's user, auth and state, none of which is used


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong.

    Attributes:
        type: URN of the code.
        title: The HTTP status in words.
        status: HTTP status.
        code: Stable code, for programs.
        detail: What was wrong, for people.
        where: Which field or part.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    where: str = ""


STATUS_OF: Final[dict[str, int]] = {
    "ESP_DEVICE_NOT_FOUND": 404,
    "SENSOR_NOT_FOUND": 404,
    "SENSOR_AMBIGUOUS": 409,
    Code.DEVICE_STATE_FORBIDS: 409,
    Code.CALIBRATION_NOT_FOUND: 404,
    Code.CALIBRATION_OPEN: 409,
    Code.READING_TOO_OLD: 409,
    Code.RECOMPUTE_RUNNING: 409,
    Code.DATABASE_ERROR: 503,
    Code.SERVICE_ERROR: 503,
    Code.OPERATION_TIMEOUT: 503,
}
"""HTTP status of the codes that owners answer with; any other one is the asker's fault."""

CODE_OF: Final[dict[int, str]] = {
    401: "NOT_AUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: Code.PAYLOAD_TOO_LARGE,
    429: "TOO_MANY_REQUESTS",
}


def problem(
    status: int, code: str, detail: str, *, where: str = "", headers: dict[str, str] | None = None
) -> Response[Any]:
    """A problem as a response."""
    document = ProblemDocument(f"urn:kaiser:problem:{code}", HTTPStatus(status).phrase, status, code, detail, where)
    return Response(content=document, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def from_owner(_: AnyRequest, error: ProblemError) -> Response[Any]:
    """What the owner of a projection answered instead."""
    found: Problem = error.problem
    status = STATUS_OF.get(found.code, 400)
    retry = {"Retry-After": "2"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return problem(status, found.code, found.detail, where=found.where, headers=retry)


def from_validation(_: AnyRequest, error: ValidationException) -> Response[Any]:
    """A parameter or body that is not what it should be."""
    details = error.extra if isinstance(error.extra, list) else []
    where = ", ".join(str(part.get("key", "")) for part in details)
    words = "; ".join(str(part.get("message", "")) for part in details) or error.detail
    return problem(400, Code.INVALID_PAYLOAD_FORMAT, words, where=where)


def from_http(_: AnyRequest, error: HTTPException) -> Response[Any]:
    """Anything that litestar itself refuses."""
    code = CODE_OF.get(
        error.status_code, Code.INVALID_PAYLOAD_FORMAT if error.status_code < 500 else Code.SERVICE_ERROR
    )
    return problem(error.status_code, code, error.detail, headers=dict(error.headers or {}))


def from_bug(request: AnyRequest, error: Exception) -> Response[Any]:
    """What nobody expected; the words go to the log and not to the client."""
    log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
    return problem(500, Code.SERVICE_ERROR, "something went wrong here; it is in the gateway's log")


HANDLERS: Final[dict[Any, Any]] = {  # as litestar declares them
    ProblemError: from_owner,
    ValidationException: from_validation,
    HTTPException: from_http,
    Exception: from_bug,
}
