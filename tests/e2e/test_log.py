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

from kaiser.contracts.events.deadletter import ReplayOrdered
from kaiser.eventlog import connect, now_us
from kaiser.gateway.deadletters import LETTER

from .living import now, until
from .plant import PUMP, Plant, planted
from .suite import Suite, logged_in
from .test_rules import FINE, SOUR, dosing, measured, measures, pumps


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
    for path in ("DEVICES/999999999", "DEVICES/0", f"DEVICES/{10**30}", "DOWNLINK/1", "TOYS/1"):
        answer = await api.get(f"/events/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "EVENT_NOT_FOUND"), path
    long_ago = {"stream": "DEVICES", "from": "1800-01-01T00:00:00Z", "limit": 1}
    assert len((await api.get("/events", params=long_ago)).raise_for_status().json()["items"]) == 1
    user = {"username": "eve", "password": "a long enough sentence", "role": "engineer"}
    (await api.post("/users", json=user)).raise_for_status()
    token = (await api.post("/auth/login", json=user)).json()["tokens"]["access_token"]
    as_eve = {"Authorization": f"Bearer {token}"}
    assert (await api.get("/events", params={"stream": "DEVICES"}, headers=as_eve)).status_code == 200
    for path in ("/events?stream=IDENTITY", "/events?aggregate=user/admin", "/events/IDENTITY/1"):
        assert (await api.get(path, headers=as_eve)).status_code == 403


async def events(api: httpx.AsyncClient, aggregate: str, kind: str) -> list[dict[str, Any]]:
    """Events of something, of one type."""
    wanted = {"aggregate": aggregate, "type": f"io.kaiser.{kind}."}
    found: list[dict[str, Any]] = (await api.get("/events", params=wanted)).raise_for_status().json()["items"]
    return found


async def caused(api: httpx.AsyncClient, event: dict[str, Any]) -> dict[str, Any]:
    """The chain of causes of an event."""
    answer = await api.get(f"/events/{event['stream']}/{event['seq']}/causes")
    found: dict[str, Any] = answer.raise_for_status().json()
    assert found["event"] == event
    return found


def kinds(chain: dict[str, Any]) -> set[str]:
    return {each["event"]["type"].removeprefix("io.kaiser.").removesuffix(".v1") for each in chain["causes"]}


async def switched(api: httpx.AsyncClient, plant: Plant, **wanted: Any) -> dict[str, Any]:
    """The last event of the last command, once it has come to its end."""
    name = f"actuator/{plant.esp_id}/{PUMP}"
    found: list[dict[str, Any]] = await until(
        lambda: events(api, name, "command.ended"),
        lambda found: found and all(found[-1]["data"][key] == value for key, value in wanted.items()),
    )
    return found[-1]


@pytest.mark.parametrize("generation", ["dec", "head"])
async def test_one_call_tells_who_switched_it_on_and_what_the_device_said(
    suite: Suite, api: httpx.AsyncClient, generation: str
) -> None:
    esp_id = "ESP_0CDEC0" if generation == "dec" else "ESP_0C4EAD"
    async with planted(suite, api, esp_id, generation) as plant:
        done = await plant.done(PUMP, "ON")
        ended = await switched(api, plant, command_id=done["command_id"])
        chain = await caused(api, ended)
        assert (chain["complete"], chain["missing"], chain["root"]) == (True, [], None)
        assert {"command.requested", "safety.command_approved", "command.dispatched", "identity.audited"} <= kinds(
            chain
        )
        assert kinds(chain) & {"actuator.status", "actuator.response"}
        (entry,) = [each["event"] for each in chain["causes"] if each["root"] == "user"]
        assert (entry["data"]["username"], entry["data"]["address"]) == ("admin", "127.0.0.1")
        assert entry["data"]["subject"] == done["command_id"]

        name = f"actuator/{esp_id}/{PUMP}"
        status = (await events(api, name, "actuator.status"))[-1]
        chain = await caused(api, status)
        assert chain["complete"], chain["missing"]
        assert {"command.dispatched", "command.requested", "identity.audited"} <= kinds(chain)
        user = {"username": f"why-{generation}", "password": "a long enough sentence", "role": "engineer"}
        (await api.post("/users", json=user)).raise_for_status()
        token = (await api.post("/auth/login", json=user)).json()["tokens"]["access_token"]
        answer = await api.get(
            f"/events/{status['stream']}/{status['seq']}/causes", headers={"Authorization": f"Bearer {token}"}
        )
        (entry,) = [each["event"]["data"] for each in answer.json()["causes"] if each["root"] == "user"]
        assert (entry["username"], "address" in entry, "via" in entry) == ("admin", False, False)


async def test_what_a_rule_did_is_traced_down_to_what_the_bridge_took(suite: Suite, api: httpx.AsyncClient) -> None:
    esp_id = "ESP_0C1EAD"
    async with planted(suite, api, esp_id, "head") as plant:
        measures(plant, FINE)
        await measured(plant, above=6.5)
        body = {"rule": dosing(esp_id), "reason": "new tank", "enable": True, "expected_version": 0}
        (await api.put("/rules/dose-why", json=body)).raise_for_status()
        measures(plant, SOUR)
        await pumps(plant, 1.0)
        chain = await caused(api, await switched(api, plant, outcome="succeeded"))
        assert (chain["complete"], chain["missing"]) == (True, [])
        wanted = {"run.started", "rule.defined", "telemetry.reading", "telemetry.raw", "safety.command_approved"}
        assert wanted | {"identity.audited"} <= kinds(chain), kinds(chain)
        raw = [each for each in chain["causes"] if each["event"]["stream"] == "TELEMETRY_RAW"]
        assert {each["root"] for each in raw} == {"device"}
        taken = [json.loads(base64.b64decode(each["body_base64"])) for each in raw]
        said_it = [
            (esp, raw > FINE + 500) for each in taken for esp, raw in zip(each["esp_id"], each["raw"], strict=True)
        ]
        assert (esp_id, True) in said_it
        as_sent = [json.loads(each["text"]) for cause in raw for each in cause["sent"]]
        assert {said["esp_id"] for said in as_sent} == {esp_id}, "of what came with it, only what the rule saw"
        assert max(said["raw"] for said in as_sent) > FINE + 500
        (await api.post("/rules/dose-why/disable", json={"reason": "the test is over"})).raise_for_status()
        await until(lambda: now(plant.level(PUMP)), lambda level: level == 0.0)


async def test_what_was_replayed_came_of_the_bytes_of_its_letter(suite: Suite, api: httpx.AsyncClient) -> None:
    esp_id = "ESP_0DEAD4"
    whole = json.dumps(reading(esp_id, 1904)).encode()
    await said(suite, f"kaiser/god/esp/{esp_id}/sensor/32/data", whole[:-1])
    (letter,) = await until(lambda: letters(api, about=esp_id), lambda found: len(found) == 1)
    mended = {"reason": "a brace was missing", "payload_text": whole.decode()}
    (await api.post(f"/dead-letters/{letter['letter_id']}/replay", json=mended)).raise_for_status()
    await until(lambda: rows(api, esp_id), lambda found: found == [1904])
    newest = (await api.get("/events", params={"stream": "TELEMETRY", "limit": 1000})).json()["items"]
    (event,) = [each for each in newest if esp_id in each["data"]["esp_id"]]
    chain = await caused(api, event)
    assert chain["complete"], chain["missing"]
    assert [each["event"]["type"] for each in chain["causes"] if each["root"] == "device"] == [
        "io.kaiser.deadletter.v1"
    ]
    (told,) = [each["event"]["data"] for each in chain["causes"] if each["root"] == "device"]
    assert base64.b64decode(told["letters"][0]["payload"]) == whole[:-1]
    assert [each["event"]["data"]["username"] for each in chain["causes"] if each["root"] == "user"] == ["admin"]


async def was(api: httpx.AsyncClient, name: str, at: str) -> dict[str, Any]:
    """What something was."""
    found: dict[str, Any] = (await api.get(f"/aggregates/{name}", params={"at": at})).raise_for_status().json()
    return found


async def test_what_a_device_and_a_user_were_before_something_was_decided_about_them(
    suite: Suite, api: httpx.AsyncClient
) -> None:
    esp_id = "ESP_0DEAD5"
    await said(suite, f"kaiser/god/esp/{esp_id}/sensor/32/data", json.dumps(reading(esp_id, 1905)).encode())
    (registered,) = await until(
        lambda: events(api, f"device/{esp_id}", "device.registered"), lambda found: len(found) == 1
    )
    (await api.post(f"/devices/{esp_id}/approve", json={})).raise_for_status()
    (approved,) = await events(api, f"device/{esp_id}", "device.approved")
    before, after = await was(api, f"device/{esp_id}", registered["stored_at"]), approved["stored_at"]
    assert (before["state"]["standing"], before["seq"]) == ("pending", registered["seq"])
    later = await was(api, f"device/{esp_id}", after)
    assert (later["state"]["standing"], later["seq"], later["events"]) == ("approved", approved["seq"], 3)

    user = {"username": "rose", "password": "a long enough sentence", "role": "viewer"}
    made = (await api.post("/users", json=user)).raise_for_status().json()
    name = f"user/{made['user_id']}"
    (await api.patch(f"/users/{made['user_id']}", json={"role": "operator"})).raise_for_status()
    created, changed = (await api.get("/events", params={"aggregate": name})).json()["items"]
    for event, route in ((approved, "POST /devices/{esp_id}/approve"), (created, "POST /users")):
        chain = await caused(api, event)
        assert chain["complete"], chain["missing"]
        (entry,) = [each["event"]["data"] for each in chain["causes"] if each["root"] == "user"]
        assert (entry["route"], entry["username"]) == (route, "admin")
    for event, role in ((created, "viewer"), (changed, "operator")):
        state = (await was(api, name, event["stored_at"]))["state"]
        assert (state["username"], state["role"], "password_hash" in state) == ("rose", role, False)
    for path in (f"device/{esp_id}?at=2026-01-01T00:00:00Z", "device/ESP_000000", "user/nobody"):
        answer = await api.get(f"/aggregates/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "EVENT_NOT_FOUND")
    for name, status, code in (("toy/x", 400, "VALUE_OUT_OF_RANGE"), ("rule/nobodys", 404, "EVENT_NOT_FOUND")):
        answer = await api.get(f"/aggregates/{name}")
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_what_an_actuator_was_when_a_command_ended_is_one_call_from_its_event(
    suite: Suite, api: httpx.AsyncClient
) -> None:
    esp_id = "ESP_0C3EAD"
    async with planted(suite, api, esp_id, "head") as plant:
        done = await plant.done(PUMP, "ON")
        ended = await switched(api, plant, command_id=done["command_id"])
        await plant.done(PUMP, "OFF")
        then = await api.get(f"/aggregates/actuator/{esp_id}/{PUMP}", params={"seq": ended["seq"]})
        found = then.raise_for_status().json()
        assert (found["seq"], found["state"]["desired"]["level"], found["state"]["reported"]["level"]) == (
            ended["seq"], 1.0, 1.0,
        )  # fmt: skip
        now_it_is = (await api.get(f"/actuators/{esp_id}/{PUMP}")).raise_for_status().json()
        shown = (await api.get(f"/aggregates/actuator/{esp_id}/{PUMP}")).raise_for_status().json()["state"]
        assert (shown["desired"]["level"], shown["policy"]) == (now_it_is["desired"]["level"], now_it_is["policy"])
        command = (await api.get(f"/aggregates/command/{done['command_id']}", params={"seq": ended["seq"]})).json()
        assert (command["state"]["state"], command["seq"]) == ("succeeded", ended["seq"])
        assert ended["causes"].endswith(f"/events/ACTUATORS/{ended['seq']}/causes")
        chain = (await api.get(ended["causes"].removeprefix("/api/v1"))).raise_for_status().json()
        assert (chain["event"], chain["withheld"]) == (ended, 0)
        assert ended["correlation_id"] == done["correlation_id"]
        limits = (await api.get(f"/aggregates/limits/{esp_id}/{PUMP}")).raise_for_status().json()
        in_force = (await api.get(f"/actuators/{esp_id}/{PUMP}/limits")).raise_for_status().json()
        assert limits["state"]["limits"] == in_force["limits"]
        registry = (await api.get(f"/aggregates/registry/{esp_id}")).raise_for_status().json()
        assert (registry["state"]["standing"], "digest" in registry["state"]) == ("approved", False)
        for name in ("alert/a1", "stop/none", "emergency/none", "interlock/none", "run/none.1.1", "command/none"):
            answer = await api.get(f"/aggregates/{name}")
            assert (answer.status_code, answer.json()["code"]) == (404, "EVENT_NOT_FOUND"), name


async def test_a_replay_whose_gateway_died_goes_on_with_what_it_had_ordered(
    suite: Suite, api: httpx.AsyncClient
) -> None:
    esp_id = "ESP_0DEAD6"
    whole = json.dumps(reading(esp_id, 1906)).encode()
    await said(suite, f"kaiser/god/esp/{esp_id}/sensor/32/data", whole[:-1])
    (letter,) = await until(lambda: letters(api, about=esp_id), lambda found: len(found) == 1)
    name = letter["letter_id"]
    ordered = ReplayOrdered(
        letter_id=name, at=now_us(), by="ada", replay_id=f"{name}.1", payload=whole, edited=True, reason="mended"
    )
    async with await connect(suite.nats.url, name="test") as log:
        await log.publish(LETTER.encode(ordered))
    assert [each["state"] for each in await letters(api, about=esp_id)] == ["replaying"]
    path = f"/dead-letters/{name}/replay"
    other = await api.post(path, json={"reason": "as it is"})
    assert (other.status_code, other.json()["code"]) == (409, "DEADLETTER_SETTLED")
    done = (await api.post(path, json={"reason": "go on", "payload_text": whole.decode()})).raise_for_status().json()
    assert (done["state"], done["settled_by"], len(done["event_ids"])) == ("replayed", "ada", 2)
    assert await until(lambda: rows(api, esp_id), lambda found: found != []) == [1906]


async def test_the_end_of_a_duration_and_a_stop_are_traced_to_who_began_them(
    suite: Suite, api: httpx.AsyncClient
) -> None:
    esp_id = "ESP_0C2EAD"
    name = f"actuator/{esp_id}/{PUMP}"
    async with planted(suite, api, esp_id, "head") as plant:
        done = await plant.done(PUMP, "ON", duration=1)
        await plant.settled(PUMP, 0.0)
        requests = await until(lambda: events(api, name, "command.requested"), lambda found: len(found) == 2)
        assert (requests[1]["data"]["source"], requests[1]["data"]["action"]) == ("timer", "OFF")
        chain = await caused(api, requests[1])
        assert chain["complete"], chain["missing"]
        (entry,) = [each["event"]["data"] for each in chain["causes"] if each["root"] == "user"]
        assert (entry["subject"], entry["username"]) == (done["command_id"], "admin")

        await plant.done(PUMP, "ON")
        scope = {"kind": "actuator", "esp_id": esp_id, "gpio": PUMP}
        stop = (await api.post("/emergency-stops", json={"scope": scope, "reason": "drill"})).raise_for_status().json()
        await plant.settled(PUMP, 0.0)
        off = await until(
            lambda: events(api, name, "actuator.status"), lambda found: not found[-1]["data"]["message"]["state"]
        )
        chain = await caused(api, off[-1])
        assert chain["complete"], chain["missing"]
        assert "safety.emergency_requested" in kinds(chain), kinds(chain)
        users = [each["event"]["data"] for each in chain["causes"] if each["root"] == "user"]
        assert stop["emergency_id"] in {entry["subject"] for entry in users}
        release = {"reason": "the test is over", "unconfirmed": True}
        (await api.post(f"/emergency-stops/{stop['emergency_id']}/release", json=release)).raise_for_status()
