"""Logging in by a real OpenID Connect provider, a process of its own."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest

from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Postgres, Server
from kaiser.local.ephemeral_services import JWT_SECRET, Service
from kaiser.local.ports import free_port

from .clients import OWN_PASSWORD, base_url, bearer, client_of
from .conftest import Standing

API = "/api/v1/auth/openid"
FRONTEND = "https://frontend.example/back"
PEOPLE = (
    {"sub": "1", "preferred_username": "Greta", "groups": ["everybody", "growers"]},
    {"sub": "2", "preferred_username": "stranger", "groups": ["everybody"]},
    {"sub": "3", "preferred_username": "admin", "groups": ["bosses"]},
    {"sub": "4", "preferred_username": "promoted", "groups": "growers"},
)


class Provider(Server):
    """A provider for tests, with people who need no password."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        people = [word for each in PEOPLE for word in ("--user-claims", json.dumps(each))]
        super().__init__(folder, [sys.executable, "-m", "oidc_provider_mock", "-p", str(port), *people], port=port)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    server = Provider(tmp_path_factory.mktemp("provider") / "provider")
    try:
        yield server.start()
    finally:
        server.kill()


@pytest.fixture(scope="module")
def offering(
    standing: Standing, provider: Provider, shared_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A gateway that knows the provider."""
    plain = ephemeral_services.gateway(tmp_path_factory.mktemp("offering"), standing.nats, shared_postgres)
    oidc = {
        "KAISER_OIDC_ISSUER": provider.url,
        "KAISER_OIDC_CLIENT_ID": "kaiser",
        "KAISER_OIDC_CLIENT_SECRET": "of the client",
        "KAISER_OIDC_REDIRECT_URL": FRONTEND,
        "KAISER_OIDC_ROLES": "growers=operator, bosses=admin",
    }
    service = Service("gateway", tmp_path_factory.mktemp("offering") / "gateway", plain.environment | oidc)
    try:
        yield service.start()
    finally:
        service.kill()


@pytest.fixture
async def client(offering: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base_url(offering), timeout=30) as http:
        yield http


async def _came_back(client: httpx.AsyncClient, sub: str) -> dict[str, str]:
    """What a frontend has when the browser has been at the provider."""
    begun = await client.get(API)
    assert (begun.status_code, begun.headers["cache-control"]) == (200, "no-store"), begun.text
    async with httpx.AsyncClient() as browser:
        answer = await browser.post(begun.json()["authorization_url"], data={"sub": sub})
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(FRONTEND)
    back = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    return {"code": back["code"], "state": back["state"], "handle": begun.json()["handle"]}


async def _log_in(client: httpx.AsyncClient, sub: str) -> httpx.Response:
    return await client.post(API, json=await _came_back(client, sub))


async def test_whoever_the_provider_knows_gets_the_role_of_their_groups(
    client: httpx.AsyncClient, standing: Standing
) -> None:
    answer = await _log_in(client, "1")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["user"]["username"], answer.json()["user"]["role"]) == ("greta", "operator")
    tokens = answer.json()["tokens"]
    me = await client.get("/api/v1/auth/me", headers=bearer(tokens))
    assert me.json()["username"] == "greta"
    again = await _log_in(client, "1")
    assert again.json()["user"]["user_id"] == me.json()["user_id"]
    refreshed = await client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refreshed.status_code == 200
    guess = await client.post("/api/v1/auth/login", json={"username": "greta", "password": "whatever it is"})
    assert guess.status_code == 401
    async with client_of(standing.gateway, "admin") as admin:
        listed = (await admin.get("/api/v1/audit", params={"path": API, "user_id": me.json()["user_id"]})).json()
    assert [entry["status"] for entry in listed["items"]] == [200, 200]


async def test_who_has_no_group_that_counts_does_not_get_in(client: httpx.AsyncClient) -> None:
    answer = await _log_in(client, "2")
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


async def test_nobody_becomes_the_user_of_here_that_they_are_called_like(client: httpx.AsyncClient) -> None:
    answer = await _log_in(client, "3")
    assert (answer.status_code, answer.json()["code"]) == (409, "USER_EXISTS")


async def test_another_role_here_lasts_until_they_log_in_again_and_a_disabled_account_is_disabled(
    client: httpx.AsyncClient, standing: Standing
) -> None:
    user_id = (await _log_in(client, "4")).json()["user"]["user_id"]
    async with client_of(standing.gateway, "admin") as admin:
        path = f"/api/v1/users/{user_id}"
        assert (await admin.patch(path, json={"role": "engineer"})).status_code == 200
        assert (await _log_in(client, "4")).json()["user"]["role"] == "operator"
        assert (await admin.patch(path, json={"disabled": True})).status_code == 200
        async with asyncio.timeout(30):
            while True:
                if (await _log_in(client, "4")).status_code == 401:
                    break


async def test_an_answer_is_good_once_and_for_the_login_that_asked_for_it(client: httpx.AsyncClient) -> None:
    mine, thief = await _came_back(client, "1"), await _came_back(client, "1")
    for wrong in (
        mine | {"state": thief["state"]},
        mine | {"handle": thief["handle"]},
        mine | {"handle": thief["handle"], "state": thief["state"]},  # the code of one in the login of another
        mine | {"handle": jwt.encode({"iss": "kaiser/openid"}, JWT_SECRET, algorithm="HS256")},
        thief | {"code": "guessed"},
    ):
        answer = await client.post(API, json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (401, "NOT_AUTHENTICATED"), wrong
    fresh = await _came_back(client, "1")
    assert [(await client.post(API, json=fresh)).status_code for _ in range(2)] == [200, 401]


async def test_without_its_provider_a_gateway_says_so_and_passwords_work(
    client: httpx.AsyncClient, provider: Provider, standing: Standing, offering: Service, tmp_path: Path
) -> None:
    elsewhere: dict[str, Any] = {"KAISER_OIDC_ISSUER": f"http://127.0.0.1:{free_port()}"}
    fresh = {"KAISER_GATEWAY_PORT": str(free_port())}
    lonely = Service("gateway", tmp_path / "lonely", offering.environment | elsewhere | fresh)
    try:
        lonely.start()
        async with httpx.AsyncClient(base_url=base_url(lonely), timeout=30) as http:
            assert (await http.get(API)).status_code == 503
        async with client_of(lonely, "viewer") as viewer:
            assert (await viewer.get("/api/v1/auth/me")).status_code == 200
    finally:
        lonely.kill()
    async with httpx.AsyncClient(base_url=base_url(standing.gateway), timeout=30) as none:
        assert (await none.get(API)).status_code == 404
        assert (await none.post(API, json={"code": "c", "state": "s", "handle": OWN_PASSWORD})).status_code == 404
