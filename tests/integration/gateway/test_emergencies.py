"""Emergency stops over REST: written by the gateway itself, with nobody else there but the log."""

import asyncio

import httpx
import msgspec
import pytest

from kaiser.contracts.events.safeguards import EmergencyRequested, Scope
from kaiser.contracts.queries import Page
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.safeguarding import EmergenciesQuery, Emergency, ReleaseEmergency, SafetyDecided
from kaiser.eventlog import EventLog, connect
from kaiser.local.ephemeral import Nats
from kaiser.local.ephemeral_services import Service

from .clients import client_of, events, socket_of, subscribe
from .conftest import Owner, Standing

STOPS = "/api/v1/emergency-stops"
MONOLITH = "/api/v1/actuators/emergency_stop"


async def last_stop(nats: Nats) -> tuple[EmergencyRequested, int]:
    async with await connect(nats.url, name="test") as log:
        message = await log.js.get_last_msg("SAFETY", "safety.emergency.requested")
        assert message.data is not None
        assert message.seq is not None
        return msgspec.json.decode(message.data, type=EmergencyRequested), message.seq


async def stored(nats: Nats) -> int:
    async with await connect(nats.url, name="test") as log:
        return (await log.js.stream_info("SAFETY")).state.messages


async def test_a_stop_is_answered_once_the_log_has_it_and_needs_nobody_else(
    standing: Standing, operator: httpx.AsyncClient
) -> None:
    scope = {"kind": "zone", "zone_id": "north tent"}
    answer = await operator.post(STOPS, json={"scope": scope, "reason": "smoke"})
    requested, seq = await last_stop(standing.nats)
    found = answer.json()
    assert (answer.status_code, found["emergency_id"], found["seq"]) == (202, requested.emergency_id, seq)
    assert requested.scope == Scope(kind="zone", zone_id="north tent")
    assert (requested.reason, requested.by) == ("smoke", "operator")
    assert requested.correlation_id


@pytest.mark.parametrize(
    ("body", "scope"),
    [
        ({"reason": "operator"}, Scope(kind="site")),
        ({"esp_id": "ESP_9F03D4", "reason": "leak"}, Scope(kind="device", esp_id="ESP_9F03D4")),
        ({"esp_id": "ESP_9F03D4", "gpio": 0}, Scope(kind="actuator", esp_id="ESP_9F03D4", gpio=0)),
    ],
)
@pytest.mark.parametrize("path", [MONOLITH, MONOLITH.replace("_", "-")])
async def test_clients_of_the_monolith_stop_with_its_words(
    standing: Standing, operator: httpx.AsyncClient, path: str, body: dict, scope: Scope
) -> None:
    answer = await operator.post(path, json=body)
    requested, _ = await last_stop(standing.nats)
    assert (answer.status_code, answer.json()["success"]) == (202, True)
    assert (requested.scope, requested.emergency_id) == (scope, answer.json()["emergency_id"])
    assert requested.reason


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        (STOPS, {"scope": {"kind": "device"}}, "esp_id"),
        (STOPS, {"scope": {"kind": "site", "esp_id": "ESP_9F03D4"}}, "esp_id"),
        (STOPS, {"scope": {"kind": "device", "esp_id": "ESP_9f03d4"}}, "esp_id"),
        (MONOLITH, {"gpio": 25}, "gpio"),
        (STOPS, {"scope": {"kind": "galaxy"}}, "scope.kind"),
        (STOPS, {}, "scope"),
    ],
)
async def test_a_scope_that_stops_nothing_is_refused(
    standing: Standing, operator: httpx.AsyncClient, path: str, body: dict, where: str
) -> None:
    before = await stored(standing.nats)
    answer = await operator.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_PAYLOAD_FORMAT")
    assert where.rpartition(".")[2] in answer.json()["where"] + answer.json()["detail"]
    assert await stored(standing.nats) == before


async def test_whoever_watches_another_device_hears_of_a_stop_at_once(operator: httpx.AsyncClient) -> None:
    async with socket_of(operator) as ws:
        await subscribe(ws, operator, filters={"esp_ids": ["ESP_000001"]})
        await operator.post(STOPS, json={"scope": {"kind": "device", "esp_id": "ESP_9F03D4"}})
        (event,) = await events(ws, 1)
    assert (event["type"], event["data"]["state"]) == ("emergency_stop", "requested")
    assert event["data"]["scope"]["esp_id"] == "ESP_9F03D4"


async def test_a_stop_that_the_log_does_not_take_is_no_stop_and_works_again_after(
    gateway: Service, nats_server: Nats, log: EventLog
) -> None:
    async with client_of(gateway, "operator") as operator:
        await asyncio.to_thread(nats_server.kill)
        answer = await operator.post(STOPS, json={"scope": {"kind": "site"}})
        assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_ERROR")
        assert "by hand" in answer.json()["detail"]
        await asyncio.to_thread(nats_server.start)
        await log.wait_connected()
        async with asyncio.timeout(20):
            while (answer := await operator.post(STOPS, json={"scope": {"kind": "site"}})).status_code == 503:
                pass
    assert answer.status_code == 202
    requested, _ = await last_stop(nats_server)
    assert requested.emergency_id == answer.json()["emergency_id"]


def in_force(*scopes: Scope) -> Page[Emergency]:
    items = [
        Emergency(
            emergency_id=f"e-{number}",
            scope=scope,
            by="eva",
            reason="smoke",
            at=1_777_500_031_250_000,
            seq=number,
            actuators=2,
            confirmed=1,
            unconfirmed=["ESP_9F03D4/25"],
        )
        for number, scope in enumerate(scopes, start=1)
    ]
    return Page(items=items, next_cursor=None)


async def test_stops_in_force_say_who_has_not_confirmed(operator: httpx.AsyncClient, owner: Owner) -> None:
    async with owner.answering(("query.safety.emergencies", EmergenciesQuery, in_force(Scope(kind="site")))):
        (found,) = (await operator.get(STOPS)).raise_for_status().json()["items"]
    assert (found["emergency_id"], found["scope"]["kind"], found["confirmed"]) == ("e-1", "site", 1)
    assert found["unconfirmed"] == ["ESP_9F03D4/25"]


async def test_a_release_takes_a_reason_and_an_engineer(
    operator: httpx.AsyncClient, engineer: httpx.AsyncClient, owner: Owner
) -> None:
    path = f"{STOPS}/e-1/release"
    released = ("command.safety.release_emergency", ReleaseEmergency, SafetyDecided(seq=9, changed=True))
    async with owner.answering(released):
        assert (await operator.post(path, json={"reason": "dry"})).status_code == 403
        assert (await engineer.post(path, json={"reason": ""})).status_code == 400
        answer = await engineer.post(path, json={"reason": "dry", "unconfirmed": True})
    (asked,) = owner.asked
    assert (asked.emergency_id, asked.by, asked.reason, asked.unconfirmed) == ("e-1", "engineer", "dry", True)
    assert (answer.status_code, answer.json()) == (200, {"seq": 9, "changed": True})
    unconfirmed = Refusal("EMERGENCY_UNCONFIRMED", "ESP_9F03D4/25 has not said that it is off")
    async with owner.answering(("command.safety.release_emergency", ReleaseEmergency, unconfirmed)):
        answer = await engineer.post(path, json={"reason": "dry"})
    assert (answer.status_code, answer.json()["code"]) == (409, "EMERGENCY_UNCONFIRMED")
    answer = await engineer.post(path, json={"reason": "dry"})
    assert (answer.status_code, "safety" in answer.json()["detail"]) == (503, True)


@pytest.mark.parametrize(
    ("body", "released"),
    [
        ({}, ["e-1", "e-2", "e-3", "e-4"]),
        ({"esp_id": "ESP_000001"}, ["e-2", "e-3"]),
        ({"esp_id": "ESP_000001", "gpio": 25}, ["e-3"]),
        ({"esp_id": "ESP_000009"}, []),
    ],
)
async def test_clients_of_the_monolith_release_what_was_stopped_for_a_device(
    engineer: httpx.AsyncClient, owner: Owner, body: dict, released: list[str]
) -> None:
    stops = in_force(
        Scope(kind="site"),
        Scope(kind="device", esp_id="ESP_000001"),
        Scope(kind="actuator", esp_id="ESP_000001", gpio=25),
        Scope(kind="device", esp_id="ESP_000002"),
    )
    listed = ("query.safety.emergencies", EmergenciesQuery, stops)
    ordered = ("command.safety.release_emergency", ReleaseEmergency, SafetyDecided(seq=9, changed=True))
    async with owner.answering(listed, ordered):
        answer = await engineer.post("/api/v1/actuators/clear_emergency", json=body | {"reason": "dry"})
    assert [asked.emergency_id for asked in owner.asked if isinstance(asked, ReleaseEmergency)] == released
    found = answer.raise_for_status().json()
    assert found["released"] == released
    assert sorted(found["released"] + found["in_force"]) == ["e-1", "e-2", "e-3", "e-4"]


@pytest.mark.parametrize("body", [{"gpio": 25}, {"espId": "ESP_000001"}, {"esp-id": "ESP_000001", "gpio": 25}])
async def test_a_release_that_names_no_device_by_mistake_releases_nothing(
    engineer: httpx.AsyncClient, owner: Owner, body: dict
) -> None:
    listed = ("query.safety.emergencies", EmergenciesQuery, in_force(Scope(kind="site")))
    ordered = ("command.safety.release_emergency", ReleaseEmergency, SafetyDecided(seq=9, changed=True))
    async with owner.answering(listed, ordered):
        answer = await engineer.post("/api/v1/actuators/clear_emergency", json=body | {"reason": "dry"})
    assert (answer.status_code, owner.asked) == (400, [])
