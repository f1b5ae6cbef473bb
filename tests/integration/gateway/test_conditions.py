"""What can be read has a tag, and what is changed may be held to the one that was seen."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from kaiser.contracts import queries, subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.commands import DeviceDecided, RenameDevice, SetDeviceBoard
from kaiser.contracts.events.safeguards import ActuatorRef, AtMost
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.safeguarding import Interlock, InterlocksQuery, SafetyDecided, SetLimits

from .clients import client_of
from .conftest import Owner, Standing

DEVICE = "/api/v1/devices/ESP_000001"
NEW = {"username": "grace", "password": "a sentence is easy to keep", "role": "viewer"}


@pytest.fixture
async def admin(standing: Standing) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(standing.gateway, "admin") as http:
        yield http


async def test_who_has_an_answer_is_told_so_until_it_is_another_one(admin: httpx.AsyncClient) -> None:
    first = await admin.get("/api/v1/users")
    tag = first.headers["etag"]
    again = await admin.get("/api/v1/users", headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    await admin.post("/api/v1/users", json=NEW | {"username": "edsger"})
    changed = await admin.get("/api/v1/users", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.headers["etag"] != tag) == (200, True)


async def test_of_two_who_change_what_they_both_saw_the_second_is_told(admin: httpx.AsyncClient) -> None:
    made = await admin.post("/api/v1/users", json=NEW)
    path = f"/api/v1/users/{made.json()['user_id']}"
    seen = (await admin.get(path)).headers["etag"]
    first = await admin.patch(path, json={"role": "operator"}, headers={"If-Match": seen})
    assert (first.status_code, first.json()["role"]) == (200, "operator")
    second = await admin.patch(path, json={"role": "admin"}, headers={"If-Match": seen})
    assert (second.status_code, second.json()["code"]) == (412, "STATE_CHANGED")
    assert (await admin.delete(path, headers={"If-Match": seen})).status_code == 412
    assert (await admin.get(path)).json()["role"] == "operator"
    whatever = await admin.patch(path, json={"role": "viewer"}, headers={"If-Match": "*"})
    assert whatever.status_code == 200
    now = (await admin.get(path)).headers["etag"]
    assert (await admin.delete(path, headers={"If-Match": now})).status_code == 204


async def test_owners_hold_to_what_was_seen(engineer: httpx.AsyncClient, owner: Owner) -> None:
    refused = Refusal(Code.STATE_CHANGED, "the device is at 9, and you saw it at 7", "known_seq")
    decided = DeviceDecided(esp_id="ESP_000001", state="approved", seq=8, changed=True)
    async with owner.answering(
        (subjects.command("ingest", "rename_device"), RenameDevice, decided),
        (subjects.command("ingest", "set_device_board"), SetDeviceBoard, refused),
        (subjects.command("safety", "set_limits"), SetLimits, SafetyDecided(seq=3, changed=True)),
    ):
        change = {"name": "north", "board": "esp32_wroom"}
        answer = await engineer.patch(DEVICE, json={"name": "north"}, headers={"If-Match": '"7-0011223344556677"'})
        assert answer.status_code == 200
        assert owner.asked[-1].known_seq == 7
        answer = await engineer.patch(DEVICE, json={"name": "north"})
        assert owner.asked[-1].known_seq is None
        answer = await engineer.patch(DEVICE, json=change, headers={"If-Match": '"7"'})
        assert [asked.known_seq for asked in owner.asked[-2:]] == [7, 8]
        assert (answer.status_code, answer.json()["code"]) == (412, "STATE_CHANGED")
        limits = {"limits": {"max_on_s": 900}, "reason": "the tank is small"}
        await engineer.put("/api/v1/actuators/ESP_000001/25/limits", json=limits, headers={"If-Match": '"0-00"'})
        assert owner.asked[-1].known_seq == 0


@pytest.mark.parametrize("tag", ["7", '"x"', '"-7"', "", "7" * 5000], ids=["bare", "word", "negative", "none", "long"])
async def test_a_tag_that_is_none_is_refused_and_a_bare_number_taken(
    engineer: httpx.AsyncClient, owner: Owner, tag: str
) -> None:
    decided = DeviceDecided(esp_id="ESP_000001", state="approved", seq=8, changed=True)
    async with owner.answering((subjects.command("ingest", "rename_device"), RenameDevice, decided)):
        answer = await engineer.patch(DEVICE, json={"name": "north"}, headers={"If-Match": tag})
    assert answer.status_code == (200 if tag == "7" else 400)


async def test_a_condition_that_would_not_be_held_to_is_refused(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/api/v1/users", json=NEW | {"username": "alan"}, headers={"If-Match": '"7"'})
    assert (answer.status_code, answer.json()["where"]) == (400, "If-Match")


async def test_who_asks_for_the_same_at_once_shares_an_answer_unless_their_rights_differ(
    standing: Standing, engineer: httpx.AsyncClient, admin: httpx.AsyncClient, owner: Owner
) -> None:
    page: queries.Page[queries.Zone] = queries.Page(items=[], next_cursor=None)

    async def slowly(_: queries.ZonesQuery) -> queries.Page[queries.Zone]:
        await asyncio.sleep(0.3)
        return page

    async with owner.answering((subjects.query("ingest", "zones"), queries.ZonesQuery, slowly)):
        answers = await asyncio.gather(*(engineer.get("/api/v1/zones") for _ in range(20)), admin.get("/api/v1/zones"))
        nobody = await engineer.get("/api/v1/zones", headers={"Authorization": "Bearer x"})
    assert {answer.status_code for answer in answers} == {200}
    assert nobody.status_code == 401
    assert 2 <= len(owner.asked) <= 4  # two of the engineer's at most that came one after the other, and the admin's


async def test_users_keys_interlocks_and_stops_come_one_by_one_and_in_pages(
    admin: httpx.AsyncClient, owner: Owner
) -> None:
    for number in range(3):
        await admin.post("/api/v1/keys", json={"name": f"k{number}", "scopes": ["read"]})
    keys, cursor = [], ""
    while cursor is not None:
        page = (await admin.get("/api/v1/keys", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        keys += page["items"]
        cursor = page["next_cursor"]
    assert keys == (await admin.get("/api/v1/keys")).json()["items"]
    assert (await admin.get(f"/api/v1/keys/{keys[0]['key_id']}")).json() == keys[0]
    assert (await admin.get("/api/v1/keys/none")).json()["code"] == "KEY_NOT_FOUND"
    assert len((await admin.get("/api/v1/users?limit=1")).json()["items"]) == 1
    rule = AtMost(most=1, actuators=(ActuatorRef("ESP_000001", 25), ActuatorRef("ESP_000001", 26)))
    made = Interlock(interlock_id="one", rule=rule, by="ada", reason="r", at=1, seq=17)
    found: queries.Page[Interlock] = queries.Page(items=[made], next_cursor=None)
    async with owner.answering((subjects.query("safety", "interlocks"), InterlocksQuery, found)):
        answer = await admin.get("/api/v1/interlocks/one")
        assert (answer.json()["seq"], answer.headers["etag"][:4]) == (17, '"17-')
        assert (await admin.get("/api/v1/interlocks/two")).json()["code"] == "INTERLOCK_NOT_FOUND"


async def test_a_filter_with_a_typing_error_is_refused_and_does_not_show_everything(admin: httpx.AsyncClient) -> None:
    wrong = await admin.get("/api/v1/users", params={"limit": "2", "rolle": "admin"})
    assert (wrong.status_code, wrong.json()["code"], wrong.json()["where"]) == (400, "INVALID_PAYLOAD_FORMAT", "rolle")
    assert "cursor" in wrong.json()["detail"]
    none = await admin.get("/api/v1/auth/me", params={"_": "1"})
    assert (none.status_code, none.json()["detail"]) == (400, "no such parameter; this takes none")
    assert (await admin.get("/api/v1/users", params={"limit": "2"})).status_code == 200


async def test_an_emergency_stop_is_taken_whatever_else_its_address_says(operator: httpx.AsyncClient) -> None:
    wish = {"scope": {"kind": "device", "esp_id": "ESP_00A1B2"}, "reason": "smoke"}
    answer = await operator.post("/api/v1/emergency-stops", params={"urgent": "yes"}, json=wish)
    assert answer.status_code == 202
