"""Users, sessions and keys on two real gateways: what one of them decides counts on the other at once."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import websockets

from kaiser.contracts.live import Close
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import PASSWORD, Postgres
from kaiser.local.ephemeral_services import Service
from kaiser.local.errors import NotReadyError
from kaiser.local.ports import free_port

from .clients import OWN_PASSWORD, base_url, bearer, socket_of, subscribe
from .conftest import Standing

NEW_PASSWORD = "another one that is long"


class Both(NamedTuple):
    """A client of each of two gateways, who has not said who it is."""

    one: httpx.AsyncClient
    other: httpx.AsyncClient


@pytest.fixture(scope="module")
def replica(
    standing: Standing, shared_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A second gateway of the same site."""
    service = ephemeral_services.gateway(tmp_path_factory.mktemp("replica"), standing.nats, shared_postgres)
    try:
        yield service.start()
    finally:
        service.kill()


@pytest.fixture
async def both(standing: Standing, replica: Service) -> AsyncIterator[Both]:
    async with (
        httpx.AsyncClient(base_url=base_url(standing.gateway), timeout=30) as one,
        httpx.AsyncClient(base_url=base_url(replica), timeout=30) as other,
    ):
        yield Both(one, other)


async def _login(client: httpx.AsyncClient, username: str, password: str = OWN_PASSWORD, **more: str) -> httpx.Response:
    return await client.post("/api/v1/auth/login", json={"username": username, "password": password, **more})


async def _admin(client: httpx.AsyncClient) -> dict[str, str]:
    return bearer((await _login(client, "admin", PASSWORD)).json()["tokens"])


async def _user(client: httpx.AsyncClient, username: str, role: str = "operator") -> dict:
    wanted = {"username": username, "password": OWN_PASSWORD, "role": role}
    made = await client.post("/api/v1/users", json=wanted, headers=await _admin(client))
    assert made.status_code == 201, made.text
    return made.json()


async def _refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/v1/auth/refresh", json={"refresh_token": token})


async def _me(client: httpx.AsyncClient, tokens: dict) -> int:
    return (await client.get("/api/v1/auth/me", headers=bearer(tokens))).status_code


async def _until(wanted: int, ask: Callable[[], Awaitable[int]]) -> None:
    """Return once the answer has this status; the other gateway reads the log, which takes it a moment."""
    async with asyncio.timeout(20):
        while True:
            if await ask() == wanted:
                return
            await asyncio.sleep(0.01)


async def _until_refused(client: httpx.AsyncClient, tokens: dict) -> None:
    await _until(401, lambda: _me(client, tokens))


async def test_a_token_of_one_gateway_is_good_on_another_at_once(both: Both) -> None:
    tokens = (await _login(both.one, "admin", PASSWORD)).json()["tokens"]
    assert await _me(both.other, tokens) == 200


async def test_a_refresh_gives_other_tokens_and_the_access_token_of_before_lives_on(both: Both) -> None:
    first = (await _login(both.one, "admin", PASSWORD)).json()["tokens"]
    answer = await _refresh(both.other, first["refresh_token"])
    second = answer.json()["tokens"]
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert second["refresh_token"] != first["refresh_token"]
    assert [await _me(both.one, first), await _me(both.one, second)] == [200, 200]


async def test_a_refresh_token_that_comes_twice_ends_the_whole_session_everywhere(both: Both) -> None:
    await _user(both.one, "robbed")
    other_login = (await _login(both.one, "robbed")).json()["tokens"]
    first = (await _login(both.one, "robbed")).json()["tokens"]
    second = (await _refresh(both.one, first["refresh_token"])).json()["tokens"]
    again = await _refresh(both.other, first["refresh_token"])
    assert (again.status_code, again.json()["code"]) == (401, "TOKEN_REUSED")
    for tokens in (first, second):
        assert await _me(both.other, tokens) == 401
        await _until_refused(both.one, tokens)
    assert (await _refresh(both.one, second["refresh_token"])).status_code == 401
    assert await _me(both.one, other_login) == 200


async def test_of_two_refreshes_at_once_at_most_one_succeeds(both: Both) -> None:
    await _user(both.one, "hasty")
    token = (await _login(both.one, "hasty")).json()["tokens"]["refresh_token"]
    answers = await asyncio.gather(*(_refresh(client, token) for client in both for _ in range(3)))
    assert sum(answer.status_code == 200 for answer in answers) <= 1
    assert {answer.status_code for answer in answers} <= {200, 401}


async def test_an_access_token_does_not_refresh_and_a_refresh_token_does_not_open(both: Both) -> None:
    tokens = (await _login(both.one, "admin", PASSWORD)).json()["tokens"]
    assert (await _refresh(both.one, tokens["access_token"])).status_code == 401
    swapped = tokens | {"access_token": tokens["refresh_token"]}
    assert await _me(both.one, swapped) == 401


async def test_logging_out_ends_the_session_on_every_gateway_and_no_other_one(both: Both) -> None:
    await _user(both.one, "leaver")
    stays = (await _login(both.other, "leaver")).json()["tokens"]
    tokens = (await _login(both.one, "leaver")).json()["tokens"]
    assert await _me(both.other, tokens) == 200  # it has verified the token, and must not go by that
    answer = await both.one.post("/api/v1/auth/logout", headers=bearer(tokens))
    assert answer.status_code == 204
    assert await _me(both.one, tokens) == 401
    await _until_refused(both.other, tokens)
    assert (await _refresh(both.other, tokens["refresh_token"])).status_code == 401
    assert await _me(both.one, stays) == 200
    await both.one.post("/api/v1/auth/logout", params={"everywhere": "true"}, headers=bearer(stays))
    assert await _me(both.one, stays) == 401


async def test_a_socket_ends_with_its_session(both: Both) -> None:
    await _user(both.one, "watcher", "viewer")
    tokens = (await _login(both.one, "watcher")).json()["tokens"]
    both.other.headers.update(bearer(tokens))
    async with socket_of(both.other) as ws:
        await subscribe(ws, both.other)
        await both.one.post("/api/v1/auth/logout", headers=bearer(tokens))
        with pytest.raises(websockets.ConnectionClosed):
            async with asyncio.timeout(20):
                await ws.recv()
        assert ws.close_code == Close.REVOKED


async def test_a_ticket_is_void_when_the_session_that_it_was_got_with_has_ended(both: Both) -> None:
    await _user(both.one, "late", "viewer")
    tokens = (await _login(both.one, "late")).json()["tokens"]
    ticket = (await both.one.post("/api/v1/auth/ws-ticket", headers=bearer(tokens))).json()["ticket"]
    await both.one.post("/api/v1/auth/logout", headers=bearer(tokens))
    async with socket_of(both.one) as ws:
        await ws.send(json.dumps({"action": "authenticate", "ticket": ticket}))
        with pytest.raises(websockets.ConnectionClosed):
            async with asyncio.timeout(20):
                await ws.recv()
        assert ws.close_code == Close.NOT_AUTHENTICATED


async def test_a_new_password_ends_every_session_but_the_one_that_it_opens(both: Both) -> None:
    await _user(both.one, "changer")
    before = (await _login(both.one, "changer")).json()["tokens"]
    wish = {"current_password": OWN_PASSWORD, "new_password": NEW_PASSWORD}
    answer = await both.one.post("/api/v1/auth/password", json=wish, headers=bearer(before))
    assert answer.status_code == 200, answer.text
    assert await _me(both.one, answer.json()["tokens"]) == 200
    assert await _me(both.other, answer.json()["tokens"]) == 200
    assert await _me(both.other, before) == 401
    assert (await _refresh(both.other, before["refresh_token"])).status_code == 401
    assert (await _login(both.one, "changer")).status_code == 401
    assert (await _login(both.one, "changer", NEW_PASSWORD)).status_code == 200


async def test_a_stolen_token_does_not_change_the_password(both: Both) -> None:
    await _user(both.one, "kept")
    tokens = (await _login(both.one, "kept")).json()["tokens"]
    wish = {"current_password": "guessed", "new_password": NEW_PASSWORD}
    answer = await both.one.post("/api/v1/auth/password", json=wish, headers=bearer(tokens))
    assert (answer.status_code, answer.json()["code"]) == (403, "PASSWORD_WRONG")
    assert await _me(both.one, tokens) == 200


@pytest.mark.parametrize("weak", ["short", "a" * 20, "weakling-and-more", "password1234", "x7" * 100])
async def test_a_password_that_is_soon_guessed_is_refused(both: Both, weak: str) -> None:
    wanted = {"username": "weakling", "password": weak, "role": "viewer"}
    answer = await both.one.post("/api/v1/users", json=wanted, headers=await _admin(both.one))
    assert (answer.status_code, answer.json()["code"]) == (400, "PASSWORD_WEAK")


async def test_another_role_counts_from_the_next_request_on_whatever_token_is_out(both: Both) -> None:
    made = await _user(both.one, "riser", "viewer")
    tokens = (await _login(both.one, "riser")).json()["tokens"]
    stop = {"scope": {"kind": "device", "esp_id": "ESP_000001"}}

    async def stopped(client: httpx.AsyncClient) -> int:
        return (await client.post("/api/v1/emergency-stops", json=stop, headers=bearer(tokens))).status_code

    assert await stopped(both.one) == 403
    change = await both.one.patch(
        f"/api/v1/users/{made['user_id']}", json={"role": "operator"}, headers=await _admin(both.one)
    )
    assert change.json()["role"] == "operator"
    assert await stopped(both.one) == 202
    await _until(202, lambda: stopped(both.other))


async def test_who_is_disabled_or_removed_is_out_at_once(both: Both) -> None:
    made, admin = await _user(both.one, "sacked"), await _admin(both.one)
    tokens = (await _login(both.one, "sacked")).json()["tokens"]
    path = f"/api/v1/users/{made['user_id']}"
    await both.one.patch(path, json={"disabled": True}, headers=admin)
    assert await _me(both.one, tokens) == 401
    assert (await _login(both.one, "sacked")).status_code == 401
    await both.one.patch(path, json={"disabled": False}, headers=admin)
    assert await _me(both.one, tokens) == 401
    assert (await _login(both.one, "sacked")).status_code == 200
    assert (await both.one.delete(path, headers=admin)).status_code == 204
    assert (await both.one.get(path, headers=admin)).json()["code"] == "USER_NOT_FOUND"
    assert (await _login(both.one, "sacked")).status_code == 401
    wanted = {"username": "sacked", "password": OWN_PASSWORD, "role": "viewer"}
    again = await both.one.post("/api/v1/users", json=wanted, headers=admin)
    assert (again.status_code, again.json()["code"]) == (409, "USER_EXISTS")


async def test_the_last_admin_stays(both: Both) -> None:
    admin = await _admin(both.one)
    for method, body in (("DELETE", None), ("PATCH", {"role": "viewer"}), ("PATCH", {"disabled": True})):
        answer = await both.one.request(method, "/api/v1/users/admin", json=body, headers=admin)
        assert (answer.status_code, answer.json()["code"]) == (409, "LAST_ADMIN")


async def test_who_guesses_a_password_does_not_keep_its_owner_out(both: Both) -> None:
    await _user(both.one, "victim")
    device = (await _login(both.one, "victim")).json()["device_token"]
    guesses = [(await _login(both.one, "victim", "guess")).status_code for _ in range(9)]
    assert guesses[-1] == 429
    assert (await _login(both.one, "victim")).status_code == 429
    assert (await _login(both.one, "victim", device_token=device)).status_code == 200


async def test_a_key_opens_what_its_scopes_say_until_it_is_revoked(both: Both) -> None:
    admin = await _admin(both.one)
    made = await both.one.post("/api/v1/keys", json={"name": "export", "scopes": ["read"]}, headers=admin)
    assert made.status_code == 201
    key = made.json()
    listed = (await both.one.get("/api/v1/keys", headers=admin)).text
    assert key["key_id"] in listed
    assert key["key"] not in listed
    as_tokens = {"access_token": key["key"]}
    sent = bearer(as_tokens)
    await _until(200, lambda: _me(both.other, as_tokens))
    assert (await both.one.get("/api/v1/auth/me", headers=sent)).json()["username"] == "key:export"
    stop = await both.one.post("/api/v1/emergency-stops", json={"scope": {"kind": "site"}}, headers=sent)
    assert (stop.status_code, stop.json()["code"]) == (403, "FORBIDDEN")
    assert (await both.one.delete(f"/api/v1/keys/{key['key_id']}", headers=admin)).status_code == 204
    assert (await both.one.get("/api/v1/auth/me", headers=sent)).status_code == 401
    await _until_refused(both.other, as_tokens)


async def test_sessions_outlive_the_gateway_that_gave_them(both: Both, replica: Service) -> None:
    await _user(both.other, "patient")
    tokens = (await _login(both.other, "patient")).json()["tokens"]
    gone = (await _login(both.other, "patient")).json()["tokens"]
    await both.other.post("/api/v1/auth/logout", headers=bearer(gone))
    await asyncio.to_thread(replica.kill)
    replica.start()
    async with httpx.AsyncClient(base_url=base_url(replica), timeout=30) as fresh:
        assert [await _me(fresh, tokens), await _me(fresh, gone)] == [200, 401]
        assert (await _refresh(fresh, tokens["refresh_token"])).status_code == 200


async def test_a_user_has_a_hundred_sessions_and_the_oldest_ends_for_one_more(both: Both) -> None:
    await _user(both.one, "script")
    first = (await _login(both.one, "script")).json()["tokens"]
    for _ in range(99):
        second = (await _login(both.one, "script")).json()["tokens"]
    assert await _me(both.one, first) == 200
    last = (await _login(both.one, "script")).json()["tokens"]
    assert [await _me(both.one, tokens) for tokens in (first, second, last)] == [401, 200, 200]


async def test_nobody_starts_with_a_secret_that_could_be_guessed(standing: Standing, tmp_path: Path) -> None:
    weak = {"KAISER_JWT_SECRET": "changeme" * 4, "KAISER_GATEWAY_PORT": str(free_port())}
    service = Service("gateway", tmp_path / "weak", standing.gateway.environment | weak)
    with pytest.raises(NotReadyError, match="KAISER_JWT_SECRET"):
        service.start()
    demo = Service("gateway", tmp_path / "demo", service.environment | {"KAISER_GATEWAY_DEMO": "true"})
    try:
        demo.start()
    finally:
        demo.kill()


async def test_the_password_of_a_user_is_in_no_answer(both: Both) -> None:
    listed = await both.one.get("/api/v1/users", headers=await _admin(both.one))
    assert listed.json()["items"]
    assert "argon2" not in json.dumps(listed.json())
