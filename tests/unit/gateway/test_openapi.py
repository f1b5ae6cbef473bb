"""The OpenAPI document says of every route what it is for, who may, what it answers, and how it refuses."""

import jsonschema
import pytest

from kaiser.gateway.api.authorisation import PREFIX, TABLE, route_of
from kaiser.gateway.api.conditions import BY_SEQUENCE, BY_VERSION
from kaiser.gateway.openapi import document

PROBLEM = "application/problem+json"
DOCUMENT = document()
OPERATIONS = {
    route_of(method.upper(), path): operation
    for path, item in sorted(DOCUMENT["paths"].items())
    for method, operation in item.items()
    if method in ("get", "post", "put", "patch", "delete") and path.startswith(PREFIX)
}
BODIES = [
    (route, where, media_type, content)
    for route, operation in OPERATIONS.items()
    for where, part in [("asked", operation.get("requestBody", {})), *operation["responses"].items()]
    for media_type, content in part.get("content", {}).items()
]


def test_every_route_is_in_it_and_its_version_is_3_1():
    assert set(OPERATIONS) == set(TABLE)
    assert DOCUMENT["openapi"].startswith("3.1")
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("route", OPERATIONS)
def test_it_says_what_a_route_is_for_and_who_may(route):
    operation, needs = OPERATIONS[route], TABLE[route]
    assert operation["summary"]
    assert operation["description"].strip()
    assert operation["tags"]
    assert operation["security"] == ([] if needs.role is None else [{"bearer": []}])
    assert needs.role is None or f"the role {needs.role}" in operation["description"]


@pytest.mark.parametrize("route", OPERATIONS)
def test_every_refusal_is_a_problem_with_a_code(route):
    refusals = {status: each for status, each in OPERATIONS[route]["responses"].items() if status >= "4"}
    for status, response in refusals.items():
        assert set(response["content"]) == {PROBLEM}
        examples = response["content"][PROBLEM]["examples"].values()
        assert examples
        assert {example["value"]["status"] for example in examples} == {int(status)}
    assert {"400", "503"} | ({"401", "403"} if TABLE[route].role else set()) <= set(refusals)


@pytest.mark.parametrize("route", OPERATIONS)
def test_conditions_and_keys_are_where_they_count(route):
    operation = OPERATIONS[route]
    headers = {each["name"] for each in operation.get("parameters", []) if each["in"] == "header"}
    reads, somebody = route.startswith("GET "), TABLE[route].role is not None
    assert ("Idempotency-Key" in headers) == (somebody and not reads)
    assert ("If-Match" in headers) == (route in BY_SEQUENCE | BY_VERSION)
    assert ("412" in operation["responses"]) == (route in BY_SEQUENCE | BY_VERSION)


@pytest.mark.parametrize(
    ("route", "where", "media_type", "content"), BODIES, ids=[f"{route} {where}" for route, where, *_ in BODIES]
)
def test_every_body_has_an_example_that_its_schema_takes(route, where, media_type, content):
    given = [each["value"] for each in content.get("examples", {}).values()]
    examples = given + ([content["example"]] if "example" in content else [])
    assert examples
    schema = content["schema"] | {"components": DOCUMENT["components"]}
    for example in examples:
        jsonschema.validate(example, schema, jsonschema.Draft202012Validator)


MEMBER_OF = {
    "GET /sensors": "GET /sensors/{esp_id}/{gpio}/{sensor_type}",
    "GET /actuators": "GET /actuators/{esp_id}/{gpio}",
    "GET /events": "GET /events/{stream}/{seq}",
    "GET /rule-runs": "GET /rules/{rule_id}/runs/{run_id}",
    "GET /logic/execution_history": "GET /rules/{rule_id}/runs/{run_id}",
    "GET /zone/{zone_id}/devices": "GET /devices/{esp_id}",
    "GET /zone/unassigned": "GET /devices/{esp_id}",
}
"""Where what a list has is read one by one, where that is not the list's own path and an id."""
POINTS = {
    "GET /devices/{esp_id}/health",
    "GET /esp/devices/{esp_id}/health",
    "GET /actuators/{esp_id}/{gpio}/history",
}
"""Points in time, of which a span is the least that anybody means."""


def test_what_a_list_has_can_be_read_one_by_one_and_an_absent_one_has_a_code_of_its_own():
    lists = {
        route
        for route, operation in OPERATIONS.items()
        if "cursor" in {each["name"] for each in operation.get("parameters", [])}
        and "items" in schema_of(operation).get("properties", {})
    } | {"GET /users", "GET /keys", "GET /rule-templates"}
    for route in sorted(lists - POINTS):
        found = [MEMBER_OF[route]] if route in MEMBER_OF else [each for each in OPERATIONS if is_member(each, route)]
        assert len(found) == 1, (route, found)
        responses = OPERATIONS[found[0]]["responses"]
        assert "ETag" in responses["200"]["headers"], found
        codes = set(responses["404"]["content"][PROBLEM]["examples"])
        assert codes - {"NOT_FOUND"}, found


def is_member(route, collection):
    """Whether a route is a list's path with one parameter more."""
    rest = route.removeprefix(f"{collection}/")
    return rest != route and rest.startswith("{") and rest.count("{") == 1 and rest.endswith("}")


def schema_of(operation):
    """What a route answers, with what it refers to in its place."""
    schema = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    return DOCUMENT["components"]["schemas"][name] if name else schema
