"""While the log hangs, whatever is asked for is answered in time by a problem that says so, and never by a fault."""

import asyncio

import httpx
import pytest

from kaiser.gateway.api.authorisation import PREFIX, TABLE
from kaiser.gateway.api.problems import MEDIA_TYPE
from kaiser.local.ephemeral import PASSWORD, Nats

from .test_authorisation import VALUES

THERE = {"seq": "1", "number": "1", "letter_id": "1-0", "stream": "SAFETY", "kind": "user", "aggregate_id": "admin"}
PATHS = {"GET /aggregates/{kind}/{esp_id}/{gpio}": "/aggregates/actuator/ESP_9F03D4/25"}
QUERIES = {"GET /events": {"stream": "SAFETY"}}
SCOPE = {"kind": "device", "esp_id": "ESP_9F03D4"}
BODIES = {
    "POST /emergency-stops": {"scope": SCOPE},
    "POST /users": {"username": "slow", "password": "a long enough sentence", "role": "viewer"},
    "POST /keys": {"name": "slow", "scopes": ["read"]},
    "POST /dead-letters/{letter_id}/replay": {"reason": "r"},
    "POST /dead-letters/{letter_id}/discard": {"reason": "r"},
    "POST /auth/login": {"username": "admin", "password": PASSWORD},
    "POST /auth/ws-ticket": {},
}
READS = sorted(route for route in TABLE if route.startswith("GET ") and TABLE[route].role is not None)
NEEDS_NO_LOG = {
    "GET /auth/me",
    "GET /users",
    "GET /users/{user_id}",
    "GET /keys",
    "GET /keys/{key_id}",
}
"""What the gateway has in memory; whatever of it is not there is 404."""


@pytest.fixture
async def hanging(client: httpx.AsyncClient, nats_server: Nats) -> httpx.AsyncClient:
    """A client of a gateway whose log hangs. The connection stays open; the fixture of the server lets it go on."""
    (await client.post(f"{PREFIX}/emergency-stops", json={"scope": SCOPE})).raise_for_status()
    nats_server.pause()
    client.timeout = httpx.Timeout(60)
    return client


async def test_every_read_says_within_its_time_that_the_log_does_not_answer(
    hanging: httpx.AsyncClient, nats_server: Nats
) -> None:
    paths = [PATHS.get(route, route.removeprefix("GET ").format(**VALUES | THERE)) for route in READS]
    try:
        answers = await asyncio.gather(
            *(
                hanging.get(PREFIX + path, params=QUERIES.get(route, {}))
                for route, path in zip(READS, paths, strict=True)
            )
        )
    finally:
        nats_server.resume()
    wrong = {}
    for route, answer in zip(READS, answers, strict=True):
        if route in NEEDS_NO_LOG:
            assert answer.status_code in (200, 404), (route, answer.text)
        elif (answer.status_code, answer.headers["content-type"]) != (503, MEDIA_TYPE):
            wrong[route] = answer.text
        else:
            assert answer.json()["code"] in ("SERVICE_ERROR", "OPERATION_TIMEOUT"), (route, answer.text)
            assert answer.headers["retry-after"] == "2"
    assert not wrong


async def test_every_write_does_too(hanging: httpx.AsyncClient, nats_server: Nats) -> None:
    try:
        answers = await asyncio.gather(
            *(
                hanging.post(PREFIX + route.removeprefix("POST ").format(**VALUES | THERE), json=body)
                for route, body in BODIES.items()
            )
        )
    finally:
        nats_server.resume()
    for route, answer in zip(BODIES, answers, strict=True):
        assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_ERROR"), (route, answer.text)
