"""What the OpenAPI document says of answers that are problems."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.types import Method
from litestar.types.internal_types import PathParameterDefinition

from kaiser.contracts.codes import MEANINGS, Code
from kaiser.gateway.api.problems import MEDIA_TYPE, STATUS_OF, ProblemDocument, document

WORDS: Final = {
    400: "The request is not what it should be.",
    401: "Log in again.",
    403: "Not with this password, this role or this key, or not here.",
    404: "There is no such thing, or not for you.",
    408: "The body took too long to come.",
    409: "Refused, for the state that things are in.",
    410: "It was there, and the log has let go of it.",
    412: "It is not what you saw; look again.",
    413: "The body is too large.",
    429: "Too many requests; wait as `Retry-After` says.",
    500: "A fault of the gateway's; its log has it by `request_id`.",
    503: "Somebody who is needed is away; the same request may be sent again.",
}


def refusals(*codes: Code) -> dict[int, ResponseSpec]:
    """The answers of a route beside the good one.

    Args:
        codes: Codes that it refuses with, the most instructive one of each status first.
    """
    by_status: dict[int, list[Code]] = {}
    for code in codes:
        by_status.setdefault(STATUS_OF.get(code, 400), []).append(code)
    return {status: _spec(status, found) for status, found in sorted(by_status.items())}


def _spec(status: int, codes: Sequence[Code]) -> ResponseSpec:
    return ResponseSpec(
        ProblemDocument,
        generate_examples=False,
        description=f"{WORDS[status]} Codes: {', '.join(codes)}.",
        media_type=MEDIA_TYPE,
        examples=[
            Example(id=code, summary=MEANINGS[code], value=problem(status, code) | EXTRAS.get(code, {}))
            for code in codes
        ],
    )


def problem(status: int, code: str, detail: str = "", **more: Any) -> dict[str, Any]:  # members of a problem
    """A problem as an example.

    Args:
        status: HTTP status.
        code: Code.
        detail: In words; what the code means by default.
        more: Other members.
    """
    sample: dict[str, Any] = msgspec.to_builtins(document(status, code, detail or MEANINGS[Code(code)], **more))
    return sample


EXTRAS: Final[dict[Code, dict[str, Any]]] = {
    Code.COOLING_DOWN: {
        "detail": "paused for 12 s of 60",
        "rule": "min_off",
        "saw": {"off_for_s": 12.0, "min_off_s": 60},
        "command_id": "cmd-4711",
    },
}
"""Members of samples that the meaning of a code alone does not tell."""


def example(summary: str, **value: Any) -> Example:  # whatever the body is made of
    """A request body as an example."""
    return Example(id=summary.replace(" ", "-"), summary=summary, value=value)


def by_path(_: HTTPRouteHandler, method: Method, path: list[str | PathParameterDefinition]) -> str:
    """Operation id of a route that has two paths, which litestar's own makes one."""
    return "_".join([method.lower(), *(part if isinstance(part, str) else part.name for part in path)])
