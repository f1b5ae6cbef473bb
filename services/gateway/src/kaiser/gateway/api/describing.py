"""Completes the OpenAPI document with what holds for every route: who may, refusals, conditions and examples."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from kaiser.contracts.codes import Code
from kaiser.gateway.api.authorisation import TABLE, Needs, route_of
from kaiser.gateway.api.conditions import BY_SEQUENCE, BY_VERSION
from kaiser.gateway.api.documented import WORDS, problem
from kaiser.gateway.api.problems import MEDIA_TYPE
from kaiser.gateway.api.samples import FILES, sample

Document = dict[str, Any]

METHODS: Final = ("get", "post", "put", "patch", "delete")
TAG: Final = '"4711-9f1c2ab4d03e77aa"'


def _header(name: str, description: str, example: str, **bounds: int) -> Document:
    schema: Document = {"type": "string"} | bounds
    where = {"name": name, "in": "header", "required": False}
    return where | {"description": description, "schema": schema, "example": example}


IDEMPOTENCY_KEY: Final = _header(
    "Idempotency-Key",
    "The same request with the same key gets the answer of the first time, for a day.",
    "3d0a7d0e-8a6b-4f0b-9a1f-0d8f7c1b2a34",
    minLength=1,
    maxLength=200,
)
IF_MATCH: Final = _header("If-Match", "The ETag that was seen; 412 where there is a later event.", TAG)
IF_NONE_MATCH: Final = _header("If-None-Match", "An ETag; 304 where the answer is the one that had it.", TAG)
ETAG: Final = {
    "description": "Sequence of the last event of what is shown, where it is one thing, and a digest of the answer.",
    "schema": {"type": "string"},
    "example": TAG,
}
RETRY_AFTER: Final = {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 0}}
GENERAL: Final[dict[tuple[int, str], str]] = {
    (400, Code.INVALID_PAYLOAD_FORMAT): "Expected `int`, got `str`",
    (401, "NOT_AUTHENTICATED"): "the session has ended; log in again",
    (403, "FORBIDDEN"): "needs the role engineer; yours is viewer",
    (404, "NOT_FOUND"): "Not Found",
    (408, Code.OPERATION_TIMEOUT): "the body did not come in time",
    (413, Code.PAYLOAD_TOO_LARGE): "Request Entity Too Large",
    (429, "TOO_MANY_REQUESTS"): "too many requests; wait 1 s",
    (500, Code.SERVICE_ERROR): "something went wrong here",
    (503, Code.SERVICE_ERROR): "ask again",
}
"""What the gateway says itself, where that is other than what the code means."""
ALSO: Final[dict[str, dict[int, tuple[str, ...]]]] = {
    "POST /auth/login": {401: ("NOT_AUTHENTICATED",)},
    "GET /auth/openid": {404: ("NOT_FOUND",)},
    "POST /auth/openid": {401: ("NOT_AUTHENTICATED",), 403: ("FORBIDDEN",), 404: ("NOT_FOUND",)},
    "POST /actuators/clear-emergency": {404: ("NOT_FOUND",)},
    "POST /actuators/clear_emergency": {404: ("NOT_FOUND",)},
}
"""What routes refuse and say so nowhere else."""


class _Route(NamedTuple):
    name: str
    needs: Needs
    operation: Document

    @property
    def reads(self) -> bool:
        return self.name.startswith("GET ")


def complete(document: Document) -> Document:
    """Add to a document, in place, what its handlers need not say themselves."""
    _mend(document)
    components = document["components"]["schemas"]
    for route in _routes(document):
        operation = route.operation
        _secure(route)
        _headers(route)
        for status, codes in _refusals(route).items():
            _refuse(operation["responses"], status, codes)
        operation["responses"]["429"]["headers"] = {"Retry-After": RETRY_AFTER}
        _unname(operation["responses"])
        for media_type, content in _contents(operation):
            _exemplify(media_type, content, components)
    return document


def _mend(part: Any) -> None:  # any part of a JSON document
    """Say in place what litestar's schemas mean: a value may be of several kinds, and tuples have one."""
    if isinstance(part, list):
        for each in part:
            _mend(each)
    elif isinstance(part, dict):
        if isinstance(choices := part.get("oneOf"), list):
            del part["oneOf"]
            kinds = [choice for choice in choices if choice != {}]
            part |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
        for each in part.values():
            _mend(each)


def _routes(document: Document) -> Iterator[_Route]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item and (name := route_of(method.upper(), path)) in TABLE:
                yield _Route(name, TABLE[name], item[method])


def _secure(route: _Route) -> None:
    route.operation["security"] = [] if route.needs.role is None else [{"bearer": []}]
    if route.needs.role is None:
        return
    who = f"Needs the role {route.needs.role}"
    who += f", or a key with the scope {route.needs.scope}." if route.needs.scope else "; not for keys of machines."
    route.operation["description"] = f"{route.operation.get('description', '').rstrip()}\n\n{who}".strip()


def _headers(route: _Route) -> None:
    """The headers that count for a route, and that its handler does not name itself."""
    wanted = [IF_NONE_MATCH] if route.reads else []
    if not route.reads and route.needs.role is not None:
        wanted.append(IDEMPOTENCY_KEY)
    if route.name in BY_SEQUENCE:
        wanted.append(IF_MATCH)
    parameters = route.operation.setdefault("parameters", [])
    named = {parameter["name"] for parameter in parameters}
    parameters += [header for header in wanted if header["name"] not in named]
    for status, response in list(route.operation["responses"].items()):
        if route.reads and status == "200" and "application/json" in response.get("content", {}):
            response.setdefault("headers", {})["ETag"] = ETAG
            route.operation["responses"]["304"] = {"description": "The answer is the one that had this ETag."}


def _refusals(route: _Route) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {
        400: (Code.INVALID_PAYLOAD_FORMAT,),
        429: ("TOO_MANY_REQUESTS",),
        500: (Code.SERVICE_ERROR,),
        503: (Code.SERVICE_ERROR, Code.OPERATION_TIMEOUT),
    }
    if route.needs.role is not None:
        found |= {401: ("NOT_AUTHENTICATED",), 403: ("FORBIDDEN", Code.OUTSIDE_ZONES)}
        if not route.reads:
            found[409] = (Code.IDEMPOTENCY_CONFLICT, Code.IDEMPOTENCY_UNDER_WAY)
    if "requestBody" in route.operation:
        found |= {408: (Code.OPERATION_TIMEOUT,), 413: (Code.PAYLOAD_TOO_LARGE,)}
    if "{" in route.name:
        unsaid = "404" not in route.operation["responses"]
        found[404] = ("NOT_FOUND",) * unsaid + (Code.ESP_DEVICE_NOT_FOUND,) * ("{esp_id}" in route.name)
    if route.name in BY_SEQUENCE:
        found[412] = (Code.STATE_CHANGED,)
    if route.name in BY_VERSION:
        found[412] = (Code.RULE_CHANGED,)
    return found | ALSO.get(route.name, {})


def _refuse(responses: Document, status: int, codes: tuple[str, ...]) -> None:
    """Add codes to what a route says that it refuses with, in place of what litestar would say."""
    response = responses.setdefault(str(status), {})
    if MEDIA_TYPE not in response.get("content", {}):
        response["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    examples = response["content"][MEDIA_TYPE].setdefault("examples", {})
    more = {"request_id": "7f0e6c1d"} if status == HTTPStatus.INTERNAL_SERVER_ERROR else {}
    for code in codes:
        sample = problem(status, code, GENERAL.get((status, code), ""), **more)
        examples.setdefault(code, {"summary": sample["detail"], "value": sample})
    response["description"] = f"{WORDS[status]} Codes: {', '.join(examples)}."


def _unname(responses: Document) -> None:
    """Take out of examples what litestar names them by."""
    for response in responses.values():
        for example in response.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {}).values():
            example.pop("id", None)


def _contents(operation: Document) -> Iterator[tuple[str, Document]]:
    """What has to have an example: the body that is sent, and good answers."""
    yield from operation.get("requestBody", {}).get("content", {}).items()
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            yield from response.get("content", {}).items()


def _exemplify(media_type: str, content: Document, components: Mapping[str, Document]) -> None:
    if content.get("examples") or "example" in content:
        return
    schema = content.setdefault("schema", {})
    if "yaml" in media_type:  # what it is the text of, not that it is one
        schema = content["schema"] = {"type": "object"}
    if media_type in FILES:
        schema |= {"type": "string"}
        content["example"] = FILES[media_type]
        return
    if given := schema.pop("examples", None):  # litestar puts those of a body there
        content["examples"] = {f"example-{number}": {"value": value} for number, value in enumerate(given, 1)}
        return
    if schema:
        content["example"] = sample(schema, components)
