"""A request that is sent again with its key gets the answer of the first time, and nothing is done twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from kaiser.contracts import subjects
from kaiser.contracts.commands import ApproveDevice, DeviceDecided
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import Postgres

from .clients import client_of
from .conftest import Owner, Standing

APPROVE = "/api/v1/devices/ESP_000001/approve"
SUBJECT = subjects.command("ingest", "approve_device")
DECIDED = DeviceDecided(esp_id="ESP_000001", state="approved", seq=7, changed=True, key="kaiser-device-key-of-a-test")


def key(number: int) -> dict[str, str]:
    return {"Idempotency-Key": f"k-{number}"}


@pytest.fixture
async def admin(standing: Standing) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(standing.gateway, "admin") as http:
        yield http


async def test_the_same_request_gets_the_same_answer_on_any_gateway_and_after_a_kill(
    standing: Standing, engineer: httpx.AsyncClient, owner: Owner, shared_postgres: Postgres, tmp_path: Path
) -> None:
    async with owner.answering((SUBJECT, ApproveDevice, DECIDED)):
        first = await engineer.post(APPROVE, json={"name": "north"}, headers=key(1))
        again = await engineer.post(APPROVE, json={"name": "north"}, headers=key(1))
    assert (first.status_code, first.json()["key"]) == (200, DECIDED.key)
    assert (again.status_code, again.json(), again.headers["cache-control"]) == (200, first.json(), "no-store")
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len(owner.asked) == 1
    other = ephemeral_services.gateway(tmp_path / "other", standing.nats, shared_postgres)
    try:
        await asyncio.to_thread(standing.gateway.kill)
        other_client = client_of(other.start(), "engineer")
        async with other_client:  # there is nobody to ask any more
            assert (await other_client.post(APPROVE, json={"name": "north"}, headers=key(1))).json() == first.json()
    finally:
        other.kill()
        standing.gateway.start()


async def test_a_key_belongs_to_one_request_of_one_user(
    engineer: httpx.AsyncClient, admin: httpx.AsyncClient, owner: Owner
) -> None:
    async with owner.answering((SUBJECT, ApproveDevice, DECIDED)):
        await engineer.post(APPROVE, json={"name": "north"}, headers=key(2))
        others = [
            await engineer.post(APPROVE, json={"name": "south"}, headers=key(2)),
            await engineer.post(APPROVE.replace("001/", "002/"), json={"name": "north"}, headers=key(2)),
            await engineer.post("/api/v1/devices/ESP_000001/key", headers=key(2)),
        ]
        assert {(each.status_code, each.json()["code"]) for each in others} == {(409, "IDEMPOTENCY_CONFLICT")}
        assert len(owner.asked) == 1
        elses = await admin.post(APPROVE, json={"name": "north"}, headers=key(2))
        assert (elses.status_code, len(owner.asked)) == (200, 2)


async def test_of_many_at_once_one_is_worked_on(engineer: httpx.AsyncClient, owner: Owner) -> None:
    async def slowly(_: ApproveDevice) -> DeviceDecided:
        await asyncio.sleep(0.5)
        return DECIDED

    async with owner.answering((SUBJECT, ApproveDevice, slowly)):
        asked = [engineer.post(APPROVE, json={"name": "north"}, headers=key(3)) for _ in range(8)]
        answers = await asyncio.gather(*asked)
    assert [answer.json() for answer in answers] == [answers[0].json()] * 8
    assert len(owner.asked) == 1


async def test_what_nobody_decided_may_be_asked_again(engineer: httpx.AsyncClient, owner: Owner) -> None:
    away = await engineer.post(APPROVE, json={"name": "north"}, headers=key(4))
    assert away.status_code == 503
    async with owner.answering((SUBJECT, ApproveDevice, DECIDED)):
        assert (await engineer.post(APPROVE, json={"name": "north"}, headers=key(4))).status_code == 200


async def test_a_user_is_made_once_and_a_key_of_a_machine_too(admin: httpx.AsyncClient) -> None:
    user = {"username": "ada", "password": "a sentence is easy to keep", "role": "viewer"}
    made = [await admin.post("/api/v1/users", json=user, headers=key(5)) for _ in range(2)]
    assert [each.status_code for each in made] == [201, 201]
    machine = {"name": "scada", "scopes": ["read"]}
    issued = [await admin.post("/api/v1/keys", json=machine, headers=key(6)) for _ in range(2)]
    assert issued[0].status_code == 201, issued[0].text
    assert issued[0].json()["key"] == issued[1].json()["key"]
    keys = (await admin.get("/api/v1/keys")).json()["items"]
    assert [each["name"] for each in keys].count("scada") == 1


async def test_no_secret_of_an_answer_stands_in_the_log(
    standing: Standing, engineer: httpx.AsyncClient, owner: Owner
) -> None:
    async with owner.answering((SUBJECT, ApproveDevice, DECIDED)) as log:
        await engineer.post(APPROVE, json={"name": "north"}, headers=key(7))
        bucket = await log.js.key_value("gateway")
        kept = [
            (await bucket.get(name)).value or b"" for name in await bucket.keys() if name.startswith("idempotency.")
        ]
    assert kept
    assert not any(DECIDED.key.encode() in value for value in kept)


async def test_a_repetition_without_a_right_to_ask_is_refused(engineer: httpx.AsyncClient, owner: Owner) -> None:
    async with owner.answering((SUBJECT, ApproveDevice, DECIDED)):
        await engineer.post(APPROVE, json={"name": "north"}, headers=key(8))
        nobody = await engineer.post(APPROVE, json={"name": "north"}, headers=key(8) | {"Authorization": "Bearer x"})
    assert nobody.status_code == 401


@pytest.mark.parametrize("wrong", ["", "x" * 201])
async def test_a_key_that_is_none_is_refused(engineer: httpx.AsyncClient, wrong: str) -> None:
    answer = await engineer.post(APPROVE, json={}, headers={"Idempotency-Key": wrong})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_PAYLOAD_FORMAT")
