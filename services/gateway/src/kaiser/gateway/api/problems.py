"""Errors as ``application/problem+json`` (RFC 9457), each with a stable code."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
import nats.errors
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from kaiser.contracts.codes import Code
from kaiser.contracts.queries import Problem
from kaiser.contracts.refusals import Fault, Refusal
from kaiser.eventlog import EventLogError, tracecontext
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
        rule: Rule of safety that says no.
        saw: The values that it saw, by name.
        command_id: The command that came to this end.
        faults: Everything that is wrong with a rule, each with the path of the part that it is about.
        request_id: What the gateway's log has it under, where the fault is its own.
        trace_id: What the logs of all services have it under, and the trace where it is recorded.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    where: str = ""
    rule: str = ""
    saw: dict[str, Any] = {}
    command_id: str = ""
    faults: tuple[Fault, ...] = ()
    request_id: str = ""
    trace_id: str = ""


NOT_THERE: Final = (
    Code.ESP_DEVICE_NOT_FOUND,
    Code.SENSOR_NOT_FOUND,
    Code.CALIBRATION_NOT_FOUND,
    Code.ACTUATOR_NOT_FOUND,
    Code.COMMAND_NOT_FOUND,
    Code.EMERGENCY_NOT_FOUND,
    Code.INTERLOCK_NOT_FOUND,
    Code.ALERT_NOT_FOUND,
    Code.RULE_NOT_FOUND,
    Code.RUN_NOT_FOUND,
    Code.BACKTEST_NOT_FOUND,
    Code.USER_NOT_FOUND,
    Code.KEY_NOT_FOUND,
    Code.EVENT_NOT_FOUND,
    Code.ZONE_NOT_FOUND,
    Code.DEADLETTER_NOT_FOUND,
)
AGAINST_ITS_STATE: Final = (
    Code.SENSOR_AMBIGUOUS,
    Code.DEVICE_STATE_FORBIDS,
    Code.CALIBRATION_OPEN,
    Code.READING_TOO_OLD,
    Code.RECOMPUTE_RUNNING,
    Code.TYPE_UNKNOWN,
    Code.COMMAND_ENDED,
    Code.IDEMPOTENCY_CONFLICT,
    Code.IDEMPOTENCY_UNDER_WAY,
    Code.EMERGENCY_UNCONFIRMED,
    Code.INTERLOCK_CONTRADICTION,
    Code.ESP_OFFLINE,
    Code.DEVICE_DEAF,
    Code.STATE_UNKNOWN,
    Code.SAFE_MODE,
    Code.EMERGENCY_ACTIVE,
    Code.LEVEL_NOT_ALLOWED,
    Code.RUN_TOO_LONG,
    Code.COOLING_DOWN,
    Code.TOO_MANY_STARTS,
    Code.DUTY_CYCLE_EXCEEDED,
    Code.OUTSIDE_ALLOWED_HOURS,
    Code.INTERLOCKED,
    Code.POWER_BUDGET_EXCEEDED,
    Code.SENSOR_NOT_FRESH,
    Code.SENSOR_OUT_OF_BAND,
    Code.RULE_CHANGED,
    Code.BACKTEST_REQUIRED,
    Code.USER_EXISTS,
    Code.LAST_ADMIN,
    Code.DEADLETTER_SETTLED,
    Code.REPLAY_REFUSED,
    Code.TOO_MANY_EVENTS,
)
"""What is refused now may be granted later, or elsewhere: safety's reasons are all of this kind."""
AWAY: Final = (Code.DATABASE_ERROR, Code.SERVICE_ERROR, Code.OPERATION_TIMEOUT, Code.SAFETY_UNAVAILABLE)

STATUS_OF: Final[dict[str, int]] = {
    **dict.fromkeys(("NOT_AUTHENTICATED", Code.TOKEN_REUSED), 401),
    **dict.fromkeys((Code.PASSWORD_WRONG, Code.OUTSIDE_ZONES), 403),
    **dict.fromkeys(NOT_THERE, 404),
    **dict.fromkeys(AGAINST_ITS_STATE, 409),
    Code.EVENTS_GONE: 410,
    Code.STATE_CHANGED: 412,
    **dict.fromkeys(AWAY, 503),
}
"""HTTP status of the codes that owners answer with; any other one is the asker's fault."""

CODE_OF: Final[dict[int, str]] = {
    401: "NOT_AUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: Code.OPERATION_TIMEOUT,
    413: Code.PAYLOAD_TOO_LARGE,
    429: "TOO_MANY_REQUESTS",
}


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    where: str = "",
    headers: dict[str, str] | None = None,
    **more: Any,  # further members of the document
) -> Response[Any]:
    """A problem as a response."""
    content = document(status, code, detail, where=where, **more)
    return Response(content=content, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def document(status: int, code: str, detail: str, *, where: str = "", **more: Any) -> ProblemDocument:  # as above
    """A problem, to be sent by whoever has no response."""
    more.setdefault("trace_id", tracecontext.ids(tracecontext.current())[0])
    return ProblemDocument(f"urn:kaiser:problem:{code}", HTTPStatus(status).phrase, status, code, detail, where, **more)


def refused(code: str, detail: str, *, where: str = "", **more: Any) -> Response[Any]:  # as :func:`problem`
    """What an owner answers instead, with the status that belongs to its code."""
    status = STATUS_OF.get(code, 400)
    retry = {"Retry-After": "2"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return problem(status, code, detail, where=where, headers=retry, **more)


def from_owner(_: AnyRequest, error: ProblemError) -> Response[Any]:
    """What the owner of a projection answered instead."""
    found: Problem = error.problem
    return refused(found.code, found.detail, where=found.where, faults=found.faults)


def from_refusal(_: AnyRequest, error: Refusal) -> Response[Any]:
    """What the gateway itself decided, as the owner of who may do what."""
    return refused(error.code, error.detail, where=error.where)


def from_validation(_: AnyRequest, error: ValidationException) -> Response[Any]:
    """A parameter or body that is not what it should be."""
    details = error.extra if isinstance(error.extra, list) else []
    where = ", ".join(str(part.get("key", "")) for part in details)
    words = "; ".join(str(part.get("message", "")) for part in details) or error.detail
    return problem(400, Code.INVALID_PAYLOAD_FORMAT, words, where=where)


def from_http(request: AnyRequest, error: HTTPException) -> Response[Any]:
    """Anything that litestar itself refuses; what it says of its own faults is for the log."""
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return from_bug(request, error)
    code = CODE_OF.get(error.status_code, Code.INVALID_PAYLOAD_FORMAT)
    return problem(error.status_code, code, error.detail, headers=dict(error.headers or {}))


def from_log(request: AnyRequest, error: Exception) -> Response[Any]:
    """The event log is away or too slow, and whoever was in the middle of asking it did not say so in better words."""
    log.warning("the event log did not answer", method=request.method, path=request.url.path, reason=repr(error))
    return refused(Code.SERVICE_ERROR, "the event log did not answer; look before asking again")


def from_bug(request: AnyRequest, error: Exception) -> Response[Any]:
    """What nobody expected; the words go to the log and not to the client."""
    log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
    request_id = str(request.scope["state"].get("request_id", ""))
    words = "something went wrong here; it is in the gateway's log"
    return problem(500, Code.SERVICE_ERROR, words, request_id=request_id)


HANDLERS: Final[dict[Any, Any]] = {  # as litestar declares them
    ProblemError: from_owner,
    Refusal: from_refusal,
    ValidationException: from_validation,
    HTTPException: from_http,
    nats.errors.Error: from_log,
    EventLogError: from_log,
    TimeoutError: from_log,
    Exception: from_bug,
}
