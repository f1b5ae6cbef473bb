"""Every route with everybody: who may not is refused before anything happens, and who may is not."""

import asyncio

import httpx
import pytest

from kaiser.contracts.events.identity import Scope
from kaiser.gateway.api.authorisation import PREFIX, ROLES, TABLE
from kaiser.gateway.api.problems import MEDIA_TYPE

from .clients import OWN_PASSWORD, base_url, bearer, client_of
from .conftest import Standing

SCOPES: tuple[Scope, ...] = ("read", "control", "stop", "configure", "rules", "audit")
VALUES = {
    "esp_id": "ESP_9F03D4",
    "gpio": "25",
    "sensor_type": "ds18b20",
    "seq": "1",
    "subzone_id": "bed",
    "zone_id": "none",
    "user_id": "nobody",
    "key_id": "none",
    "letter_id": "none",
    "kind": "device",
    "number": "1",
    "aggregate_id": "none",
    "stream": "SAFETY",
    "command_id": "none",
    "emergency_id": "none",
    "interlock_id": "none",
    "alert_id": "none",
    "rule_id": "none",
    "run_id": "none",
    "name": "none",
}


async def _walk(client: httpx.AsyncClient) -> dict[str, int]:
    """The status of every route, with nothing in the request's body."""
    found = {}
    for route in sorted(TABLE, key=lambda route: route == "POST /auth/logout"):
        method, path = route.split(" ")
        answer = await client.request(method, PREFIX + path.format(**VALUES))
        found[route] = answer.status_code
        if answer.status_code >= 400:
            assert answer.headers["content-type"].startswith(MEDIA_TYPE), (route, answer.text)
        assert answer.status_code != 500, (route, answer.text)
    return found


@pytest.mark.parametrize("role", ROLES)
async def test_every_route_lets_in_exactly_the_roles_of_its_row(standing: Standing, role: str) -> None:
    async with client_of(standing.gateway, role) as client:
        found = await _walk(client)
    for route, status in found.items():
        needs = TABLE[route]
        may = needs.role is None or ROLES.index(role) >= ROLES.index(needs.role)
        assert (status not in (401, 403)) if may else status == 403, (route, status)


async def test_every_route_but_those_of_logging_in_wants_to_know_who_is_asking(standing: Standing) -> None:
    async with httpx.AsyncClient(base_url=base_url(standing.gateway), timeout=30) as nobody:
        found = await _walk(nobody)
    open_to_all = {route for route, status in found.items() if status != 401}
    assert open_to_all == {"POST /auth/login", "POST /auth/refresh", "GET /auth/openid", "POST /auth/openid"}


@pytest.mark.parametrize("scope", SCOPES)
async def test_every_route_lets_in_exactly_the_keys_of_its_row(standing: Standing, scope: Scope) -> None:
    async with client_of(standing.gateway, "admin") as admin:
        key = (await admin.post("/api/v1/keys", json={"name": scope, "scopes": [scope]})).json()["key"]
    headers = bearer({"access_token": key})
    async with httpx.AsyncClient(base_url=base_url(standing.gateway), headers=headers, timeout=30) as machine:
        found = await _walk(machine)
    for route, status in found.items():
        needs = TABLE[route]
        may = needs.role is None or needs.scope == scope
        assert (status not in (401, 403)) if may else status == 403, (route, status)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("OPTIONS", "/devices", 204), ("PUT", "/devices", 405), ("HEAD", "/devices", 405), ("GET", "/nothing", 404)],
)
async def test_what_is_no_route_is_said_to_be_none(standing: Standing, method: str, path: str, status: int) -> None:
    async with httpx.AsyncClient(base_url=base_url(standing.gateway), timeout=30) as nobody:
        assert (await nobody.request(method, PREFIX + path)).status_code == status


async def test_the_document_has_every_route_of_the_table(standing: Standing) -> None:
    async with httpx.AsyncClient(base_url=base_url(standing.gateway), timeout=30) as client:
        document = (await client.get("/schema/openapi.json")).json()
    described = {
        f"{method.upper()} {path.removeprefix(PREFIX)}"
        for path, methods in document["paths"].items()
        for method in methods
        if path.startswith(PREFIX)
    }
    assert described == set(TABLE)


async def test_many_logins_do_not_slow_down_whoever_is_in(standing: Standing) -> None:
    """Passwords are hashed in a thread, one at a time: what is asked meanwhile is answered before they are through."""
    async with client_of(standing.gateway, "viewer") as viewer:
        guesses = [{"username": f"nobody-{number}", "password": OWN_PASSWORD} for number in range(12)]
        logins = [asyncio.create_task(viewer.post("/api/v1/auth/login", json=guess)) for guess in guesses]
        for _ in range(20):
            assert (await viewer.get("/api/v1/auth/me")).status_code == 200
        waiting = sum(not login.done() for login in logins)
        answers = await asyncio.gather(*logins)
    assert waiting
    assert {answer.status_code for answer in answers} <= {401, 503}
