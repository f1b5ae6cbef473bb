"""What people do with the log on a whole suite: dead letters, events, and what they come of."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiomqtt
import httpx
import pytest

from .living import until
from .suite import Suite, logged_in


@pytest.fixture
async def api(suite: Suite) -> AsyncIterator[httpx.AsyncClient]:
    async with logged_in(suite.gateway) as client:
        yield client


async def said(suite: Suite, topic: str, *payloads: bytes) -> None:
    """A device that says this and nothing else."""
    mosquitto = suite.mosquitto
    async with aiomqtt.Client(
        mosquitto.host, mosquitto.port, username=mosquitto.username, password=mosquitto.password
    ) as device:
        for payload in payloads:
            await device.publish(topic, payload, qos=1)


async def letters(api: httpx.AsyncClient, **wanted: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get("/dead-letters", params=wanted)).raise_for_status().json()["items"]
    return found


async def rows(api: httpx.AsyncClient, esp_id: str) -> list[Any]:
    """Readings of its probe in the table, those of unapproved devices too."""
    asked = {"resolution": "raw", "pending": "true"}
    answer = await api.get(f"/sensors/{esp_id}/32/ph/history", params=asked)
    return [each["raw"] for each in answer.json()["readings"]] if answer.is_success else []


def reading(esp_id: str, raw: int) -> dict[str, Any]:
    return {"ts": int(time.time()), "esp_id": esp_id, "gpio": 32, "sensor_type": "ph", "raw": raw, "raw_mode": True}


async def test_a_dead_letter_is_mended_and_replayed_and_there_once(suite: Suite, api: httpx.AsyncClient) -> None:
    esp_id = "ESP_0DEAD1"
    topic = f"kaiser/god/esp/{esp_id}/sensor/32/data"
    whole = json.dumps(reading(esp_id, 1900)).encode()
    await said(suite, topic, whole[:-1], b"\xff\xfe", b"toy")
    first, second, third = await until(lambda: letters(api, about=esp_id), lambda found: len(found) == 3)
    assert {each["state"] for each in (first, second, third)} == {"open"}
    assert (first["service"], first["topic"], first["size"]) == ("bridge", topic, len(whole) - 1)
    shown = (await api.get(f"/dead-letters/{second['letter_id']}")).raise_for_status().json()
    assert (base64.b64decode(shown["payload_base64"]), shown["payload_text"]) == (b"\xff\xfe", None)

    path = f"/dead-letters/{first['letter_id']}"
    refused = await api.post(f"{path}/replay", json={"reason": "perhaps it was us"})
    assert (refused.status_code, refused.json()["code"]) == (400, first["code"])
    shown = (await api.get(path)).json()
    assert (shown["state"], shown["last_code"]) == ("open", first["code"])

    mended = {"reason": "a brace was missing", "payload_text": whole.decode()}
    answers = await asyncio.gather(*(api.post(f"{path}/replay", json=mended) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    done = (await api.get(path)).json()
    assert (done["state"], done["settled_by"], done["reason"]) == ("replayed", "admin", "a brace was missing")
    assert base64.b64decode(done["replayed_base64"]) == whole
    assert all(answer.json() == done for answer in answers)
    other = await api.post(f"{path}/replay", json={"reason": "another", "payload_text": "{}"})
    assert (other.status_code, other.json()["code"]) == (409, "DEADLETTER_SETTLED")
    assert await until(lambda: rows(api, esp_id), lambda found: found != []) == [1900]

    toy = {"reason": "a toy"}
    for _ in range(2):
        discarded = (await api.post(f"/dead-letters/{third['letter_id']}/discard", json=toy)).raise_for_status().json()
        assert (discarded["state"], discarded["reason"]) == ("discarded", "a toy")
    answer = await api.post(f"/dead-letters/{third['letter_id']}/replay", json=toy)
    assert (answer.status_code, answer.json()["code"]) == (409, "DEADLETTER_SETTLED")
    assert [each["letter_id"] for each in await letters(api, about=esp_id, state="open")] == [second["letter_id"]]
    entries = (await api.get("/audit", params={"path": "/api/v1/dead-letters/"})).json()["items"]
    assert [(each["subject"], each["status"]) for each in entries if each["status"] == 200][-3:] == [
        (first["letter_id"], 200),
        (third["letter_id"], 200),
        (third["letter_id"], 200),
    ]


async def test_letters_come_a_page_at_a_time_and_none_is_there_that_is_not(
    suite: Suite, api: httpx.AsyncClient
) -> None:
    esp_id = "ESP_0DEAD2"
    await said(suite, f"kaiser/god/esp/{esp_id}/sensor/32/data", *(b"%d" % number for number in range(5)))
    found = await until(lambda: letters(api, about=esp_id), lambda found: len(found) == 5)
    paged, cursor = [], {}
    while True:
        page = (await api.get("/dead-letters", params={"about": esp_id, "limit": 2} | cursor)).json()
        paged += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert paged == found
    assert await letters(api, about=esp_id, code="NO_SUCH_CODE") == []
    for letter_id in ("1", "999999-0", f"{found[0]['letter_id']}9", "x"):
        answer = await api.get(f"/dead-letters/{letter_id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "DEADLETTER_NOT_FOUND")


async def test_the_log_is_browsed_by_what_it_is_about_and_shows_no_secrets(
    suite: Suite, api: httpx.AsyncClient
) -> None:
    esp_id = "ESP_0DEAD3"
    topic = f"kaiser/god/esp/{esp_id}/sensor/32/data"
    await said(suite, topic, *(json.dumps(reading(esp_id, raw)).encode() for raw in (1901, 1902, 1903)))
    await until(lambda: rows(api, esp_id), lambda found: len(found) == 3)

    async def of_device() -> list[dict[str, Any]]:
        return (await api.get("/events", params={"aggregate": f"device/{esp_id}"})).raise_for_status().json()["items"]

    found = await until(of_device, lambda found: len(found) >= 2)
    assert [each["type"] for each in found] == ["io.kaiser.device.discovered.v1", "io.kaiser.device.registered.v1"]
    assert {each["data"]["esp_id"] for each in found} == {esp_id}
    one = (await api.get(f"/events/DEVICES/{found[0]['seq']}")).raise_for_status().json()
    assert one == found[0]
    assert (one["stream"], one["source"]) == ("DEVICES", "kaiser/bridge")
    kind = {"type": "io.kaiser.device.registered"}
    registered = (await api.get("/events", params={"aggregate": f"device/{esp_id}"} | kind)).json()["items"]
    assert registered == found[1:]
    later = {"stream": "DEVICES", "from": found[0]["stored_at"], "subject": f"device.*.{esp_id}.>", "limit": 1}
    page = (await api.get("/events", params=later)).raise_for_status().json()
    assert page["items"] == found[:1]
    rest = (await api.get("/events", params=later | {"cursor": page["next_cursor"]})).json()["items"]
    assert rest == found[1:]

    users = (await api.get("/events", params={"stream": "IDENTITY", "type": "io.kaiser.identity.user"})).json()["items"]
    assert users[0]["data"]["username"] == "admin"
    assert not any("password_hash" in each["data"] for each in users)
    for params in ({}, {"stream": "DOWNLINK"}, {"stream": "DEVICES", "subject": "safety.>"}, {"cursor": "x"}):
        assert (await api.get("/events", params=params)).status_code == 400, params
    assert (await api.get("/events/DEVICES/999999999")).json()["code"] == "EVENT_NOT_FOUND"
    user = {"username": "eve", "password": "a long enough sentence", "role": "engineer"}
    (await api.post("/users", json=user)).raise_for_status()
    token = (await api.post("/auth/login", json=user)).json()["tokens"]["access_token"]
    as_eve = {"Authorization": f"Bearer {token}"}
    assert (await api.get("/events", params={"stream": "DEVICES"}, headers=as_eve)).status_code == 200
    for path in ("/events?stream=IDENTITY", "/events?aggregate=user/admin", "/events/IDENTITY/1"):
        assert (await api.get(path, headers=as_eve)).status_code == 403
