"""Every change that is asked for is in the audit, whichever gateway it was asked of, and nobody can take it out."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from kaiser.contracts.events.identity import Audited
from kaiser.eventlog import Event, EventLog, replay
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import PASSWORD, Nats, Postgres
from kaiser.local.ephemeral_services import Service

from .clients import base_url, bearer

STOP = {"scope": {"kind": "device", "esp_id": "ESP_000001"}, "reason": "smoke"}


@pytest.fixture
def replica(gateway: Service, nats_server: Nats, postgres: Postgres, tmp_path: Path) -> Iterator[Service]:
    service = ephemeral_services.gateway(tmp_path / "replica", nats_server, postgres)
    try:
        yield service.start()
    finally:
        service.kill()


@pytest.fixture
async def other(replica: Service, client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """The same user at the second gateway."""
    async with httpx.AsyncClient(base_url=base_url(replica), headers=client.headers, timeout=30) as http:
        yield http


def _audit(gateway: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, with the environment of a gateway."""
    return subprocess.run(
        [sys.executable, "-m", "kaiser.gateway", "audit", *arguments],
        env=gateway.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def _entries(client: httpx.AsyncClient, **wanted: object) -> list[dict]:
    answer = await client.get("/api/v1/audit", params=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_who_did_what_from_where_and_what_came_of_it(client: httpx.AsyncClient) -> None:
    stop = (await client.post("/api/v1/emergency-stops", json=STOP)).json()
    await client.post("/api/v1/emergency-stops", json={"scope": {"kind": "zone"}})
    await client.post("/api/v1/auth/login", json={"username": "admin", "password": "wrong"})
    await client.post("/api/v1/emergency-stops", json=STOP, headers={"Authorization": "Bearer nobody"})
    login, stopped, refused, failed = await _entries(client)
    assert (login["route"], login["status"], login["user_id"]) == ("POST /auth/login", 200, "admin")
    assert login["via"]
    assert stopped["username"] == "admin"
    assert stopped["via"] == login["via"]
    assert stopped["address"] == "127.0.0.1"
    assert (stopped["method"], stopped["path"]) == ("POST", "/api/v1/emergency-stops")
    assert (stopped["status"], stopped["subject"], stopped["seq"]) == (202, stop["emergency_id"], stop["seq"])
    assert (refused["status"], refused["code"]) == (400, "INVALID_PAYLOAD_FORMAT")
    assert (failed["username"], failed["user_id"], failed["status"]) == ("admin", "", 401)
    assert [entry["number"] for entry in (login, stopped, refused, failed)] == [1, 2, 3, 4]


async def test_entries_are_found_by_user_path_and_outcome_a_page_at_a_time(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await client.post(f"/api/v1/emergency-stops/{number}/release", json={"reason": "dry"})  # safety is away
    await client.post("/api/v1/emergency-stops", json=STOP)
    assert len(await _entries(client, path="/api/v1/emergency-stops/", refused="true")) == 5
    assert len(await _entries(client, user_id="admin")) == 7
    assert await _entries(client, user_id="somebody") == []
    numbers, cursor = [], {}
    while True:
        answer = (await client.get("/api/v1/audit", params={"limit": 3} | cursor)).json()
        numbers += [entry["number"] for entry in answer["items"]]
        if not answer["next_cursor"]:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert numbers == [1, 2, 3, 4, 5, 6, 7]


async def test_an_entry_is_read_by_its_number(client: httpx.AsyncClient) -> None:
    for number in range(9):
        user = {"username": f"u{number}", "password": "a long enough sentence", "role": "viewer"}
        (await client.post("/api/v1/users", json=user)).raise_for_status()  # an event of the same stream in between
    listed = await _entries(client)
    assert [entry["number"] for entry in listed] == list(range(1, 11))
    for entry in listed:
        answer = await client.get(f"/api/v1/audit/{entry['number']}")
        assert answer.json() == entry
        assert answer.headers["etag"]
    for number in (0, -1, 11, 10**30):
        answer = await client.get(f"/api/v1/audit/{number}")
        assert (answer.status_code, answer.json()["code"]) == (404, "EVENT_NOT_FOUND"), number


async def test_many_at_once_on_two_gateways_are_one_chain(
    client: httpx.AsyncClient, other: httpx.AsyncClient, gateway: Service
) -> None:
    answers = await asyncio.gather(
        *(each.post("/api/v1/emergency-stops", json=STOP) for _ in range(40) for each in (client, other))
    )
    assert {answer.status_code for answer in answers} == {202}
    wanted = {answer.json()["emergency_id"] for answer in answers}
    async with asyncio.timeout(30):
        while True:
            found = await _entries(client, limit=1000)
            if {entry["subject"] for entry in found} >= wanted:
                break
            await asyncio.sleep(0.1)
    assert [entry["number"] for entry in found] == list(range(1, 82))  # the login came first
    verified = await asyncio.to_thread(_audit, gateway)
    assert (verified.returncode, verified.stderr) == (0, ""), verified.stderr
    assert "81 entries" in verified.stdout


async def test_the_command_finds_what_was_changed_and_a_chain_that_was_written_anew(
    client: httpx.AsyncClient, gateway: Service, log: EventLog, tmp_path: Path
) -> None:
    for _ in range(3):
        await client.post("/api/v1/emergency-stops", json=STOP)
    whole = await asyncio.to_thread(_audit, gateway)
    head = whole.stdout.split()[-1]
    assert (await asyncio.to_thread(_audit, gateway, "--known", head)).returncode == 0
    exported = await client.get("/api/v1/audit/export.jsonl")
    assert exported.headers["content-type"].startswith("application/x-ndjson")
    file = tmp_path / "audit.jsonl"
    file.write_bytes(exported.content)
    assert (await asyncio.to_thread(_audit, gateway, "--file", str(file), "--known", head)).returncode == 0
    file.write_bytes(exported.content.replace(b'"status":202', b'"status":403', 1))
    forged = await asyncio.to_thread(_audit, gateway, "--file", str(file))
    assert (forged.returncode, "was changed" in forged.stderr) == (1, True)
    last = [delivery async for delivery in replay(log, "IDENTITY", subjects=("identity.audit.>",))][-1]
    added = msgspec.structs.replace(msgspec.json.decode(last.data, type=Audited), username="eve")
    await log.publish(
        Event(subject="identity.audit.eve", type=Audited.TYPE, data=msgspec.json.encode(added), source="eve")
    )
    assert (await asyncio.to_thread(_audit, gateway)).returncode == 1


async def test_no_answer_is_there_without_its_entry_though_the_gateway_is_killed(
    client: httpx.AsyncClient, gateway: Service, log: EventLog
) -> None:
    answered = []

    async def stop() -> None:
        while True:
            answered.append((await client.post("/api/v1/emergency-stops", json=STOP)).json()["emergency_id"])

    asking = [asyncio.create_task(stop()) for _ in range(4)]
    async with asyncio.timeout(30):
        while True:
            if len(answered) >= 20:
                break
            await asyncio.sleep(0.01)
    gateway.kill()
    await asyncio.wait(asking)
    assert all(isinstance(each.exception(), (httpx.HTTPError, json.JSONDecodeError)) for each in asking)
    noted = {
        json.loads(delivery.data)["subject"]
        async for delivery in replay(log, "IDENTITY", subjects=("identity.audit.>",))
    }
    assert set(answered) <= noted
    gateway.start()
    async with httpx.AsyncClient(base_url=base_url(gateway), timeout=30) as again:
        tokens = (await again.post("/api/v1/auth/login", json={"username": "admin", "password": PASSWORD})).json()
        await again.post("/api/v1/emergency-stops", json=STOP, headers=bearer(tokens["tokens"]))
    assert (await asyncio.to_thread(_audit, gateway)).returncode == 0


async def test_only_admins_and_keys_for_it_see_the_audit(client: httpx.AsyncClient) -> None:
    user = {"username": "nosy", "password": "a long enough sentence", "role": "engineer"}
    await client.post("/api/v1/users", json=user)
    tokens = (await client.post("/api/v1/auth/login", json=user)).json()["tokens"]
    assert (await client.get("/api/v1/audit", headers=bearer(tokens))).status_code == 403
    key = (await client.post("/api/v1/keys", json={"name": "archive", "scopes": ["audit"]})).json()["key"]
    sent = {"Authorization": f"Bearer {key}"}
    assert (await client.get("/api/v1/audit/export.jsonl", headers=sent)).status_code == 200
    assert (await client.get("/api/v1/devices", headers=sent)).status_code == 403
