"""Completes the OpenAPI document with what holds for every route: who may, refusals, conditions and examples."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from kaiser.contracts.codes import MEANINGS, Code
from kaiser.gateway.api.authorisation import TABLE, Needs, route_of
from kaiser.gateway.api.conditions import BY_SEQUENCE, BY_VERSION
from kaiser.gateway.api.documented import WORDS
from kaiser.gateway.api.problems import MEDIA_TYPE
from kaiser.gateway.api.samples import FILES, sample

Document = dict[str, Any]

METHODS: Final = ("get", "post", "put", "patch", "delete")
IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same request with the same key gets the answer of the first time, for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "required": False,
    "example": "3d0a7d0e-8a6b-4f0b-9a1f-0d8f7c1b2a34",
}
IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag that was seen; 412 where there is a later event.",
    "schema": {"type": "string"},
    "required": False,
    "example": '"4711-9f1c2ab4d03e77aa"',
}
IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "description": "An ETag; 304 where the answer is the one that had it.",
    "schema": {"type": "string"},
    "required": False,
    "example": '"4711-9f1c2ab4d03e77aa"',
}
ETAG: Final = {
    "description": "Sequence of the last event of what is shown, where it is one thing, and a digest of the answer.",
    "schema": {"type": "string"},
    "example": '"4711-9f1c2ab4d03e77aa"',
}
GENERAL: Final = {
    "NOT_AUTHENTICATED": "Send 'Authorization: Bearer TOKEN'; log in for a token.",
    "FORBIDDEN": "Not with this role, or this key.",
}


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
    found: dict[int, tuple[str, ...]] = {400: (Code.INVALID_PAYLOAD_FORMAT,)}
    if route.needs.role is not None:
        found |= {401: ("NOT_AUTHENTICATED",), 403: ("FORBIDDEN", Code.OUTSIDE_ZONES)}
        if not route.reads:
            found[409] = (Code.IDEMPOTENCY_CONFLICT, Code.IDEMPOTENCY_UNDER_WAY)
    if "{esp_id}" in route.name:
        found[404] = (Code.ESP_DEVICE_NOT_FOUND,)
    if route.name in BY_SEQUENCE:
        found[412] = (Code.STATE_CHANGED,)
    if route.name in BY_VERSION:
        found[412] = (Code.RULE_CHANGED,)
    return found | {503: (Code.SERVICE_ERROR, Code.OPERATION_TIMEOUT)}


def _refuse(responses: Document, status: int, codes: tuple[str, ...]) -> None:
    """Add codes to what a route says that it refuses with, in place of what litestar would say."""
    response = responses.setdefault(str(status), {})
    if MEDIA_TYPE not in response.get("content", {}):
        response["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
        response["description"] = ""
    examples = response["content"][MEDIA_TYPE].setdefault("examples", {})
    for code in codes:
        examples.setdefault(code, _problem(status, code))
    response["description"] = f"{WORDS[status]} Codes: {', '.join(examples)}."


def _problem(status: int, code: str) -> Document:
    detail = GENERAL.get(code) or MEANINGS[Code(code)]
    kind = {"type": f"urn:kaiser:problem:{code}", "title": HTTPStatus(status).phrase, "status": status, "code": code}
    return {"summary": detail, "value": kind | {"detail": detail}}


def _contents(operation: Document) -> Iterator[tuple[str, Document]]:
    """What has to have an example: the body that is sent, and good answers."""
    yield from operation.get("requestBody", {}).get("content", {}).items()
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            yield from response.get("content", {}).items()
        for media_type, content in response.get("content", {}).items():
            if media_type == MEDIA_TYPE:
                _title(content, int(status))


def _title(content: Document, status: int) -> None:
    for example in content.get("examples", {}).values():
        example.pop("id", None)
        example["value"].setdefault("title", HTTPStatus(status).phrase)


def _exemplify(media_type: str, content: Document, components: Mapping[str, Document]) -> None:
    if content.get("examples") or "example" in content:
        return
    schema = content.setdefault("schema", {})
    if media_type in FILES:
        schema |= {"type": "string"}
        content["example"] = FILES[media_type]
        return
    if given := schema.pop("examples", None):  # litestar puts those of a body there
        content["examples"] = {f"example-{number}": {"value": value} for number, value in enumerate(given, 1)}
        return
    if schema:
        content["example"] = sample(schema, components)
