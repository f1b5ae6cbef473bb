"""A user who is confined to a zone: what is outside is not there, cannot be reached, and is not pushed."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from kaiser.contracts import actuation, logic, queries, safeguarding
from kaiser.contracts.events import codec
from kaiser.contracts.events.registry import ZoneSettled
from kaiser.contracts.events.safeguards import ActuatorRef, Scope
from kaiser.contracts.queries import Page
from kaiser.contracts.rules import ActuatorIs, AllOf, DeviceIs, EventTrigger, Notify, Rule
from kaiser.eventlog import Event, EventLog, connect

from .clients import OWN_PASSWORD, base_url, bearer, client_of, events, socket_of, subscribe
from .conftest import Owner, Standing
from .test_commands import SENT
from .test_resuming import batch
from .test_rules import RUN, VIEW, WHY

API = "/api/v1"
SAY = Notify(channel="websocket", message="so")
LOST = EventTrigger(event="lost")
INSIDE, OUTSIDE = "ESP_0000A1", "ESP_0000B2"
AT = 1_777_500_031_250_000


def rule_about(*devices: str) -> Rule:
    """A rule that watches devices, and says so when one is lost."""
    watched = [DeviceIs(esp_id=esp_id, state="offline") for esp_id in devices[1:]]
    first = ActuatorIs(actuator=ActuatorRef(devices[0], 25), state="on") if devices else None
    condition = AllOf(conditions=(first, *watched)) if first else None
    return Rule(name="A rule", condition=condition, triggers=(LOST,), actions=(SAY,))


def _settled(esp_id: str, zone_id: str) -> Event:
    settled = ZoneSettled(
        esp_id=esp_id, kaiser_id="god", at=AT, by="admin", correlation_id="c", zone_id=zone_id, outcome="confirmed"
    )
    return Event(
        subject=f"device.god.{esp_id}.registry.zone_settled",
        type=ZoneSettled.TYPE,
        data=codec.encode(settled),
        source="test",
    )


@pytest.fixture
async def zoned(standing: Standing) -> AsyncIterator[EventLog]:
    """The log, with a device in each of two zones."""
    async with await connect(standing.nats.url, name="test") as log:
        await log.publish_all([_settled(INSIDE, "tent"), _settled(OUTSIDE, "attic")])
        yield log


@pytest.fixture
async def confined(standing: Standing, zoned: EventLog) -> AsyncIterator[httpx.AsyncClient]:
    """An engineer who is confined to the tent."""
    user = {"username": "tenant", "password": OWN_PASSWORD, "role": "engineer", "zones": ["tent"]}
    async with client_of(standing.gateway, "admin") as admin:
        assert (await admin.post(f"{API}/users", json=user)).status_code in (201, 409)
        tokens = (await admin.post(f"{API}/auth/login", json=user)).json()["tokens"]
    async with httpx.AsyncClient(base_url=base_url(standing.gateway), headers=bearer(tokens), timeout=30) as client:
        async with asyncio.timeout(30):
            while True:  # the gateway reads where devices are
                stop = {"scope": {"kind": "device", "esp_id": INSIDE}}
                if (await client.post(f"{API}/emergency-stops", json=stop)).status_code == 202:
                    break
                await asyncio.sleep(0.02)
        yield client


async def test_a_device_outside_is_not_there_whatever_is_asked_of_it(confined: httpx.AsyncClient) -> None:
    for method, path in (
        ("GET", f"/devices/{OUTSIDE}"),
        ("GET", f"/sensors/{OUTSIDE}/4/ds18b20/latest"),
        ("GET", f"/sensors/{OUTSIDE}/4/ds18b20/export.csv"),
        ("POST", f"/actuators/{OUTSIDE}/25/command"),
        ("PUT", f"/actuators/{OUTSIDE}/25/limits"),
        ("POST", f"/devices/{OUTSIDE}/key"),
        ("GET", "/devices/ESP_DEAD00"),
    ):
        answer = await confined.request(method, API + path, json={"command": "ON"})
        assert (answer.status_code, answer.json()["code"]) == (404, "ESP_DEVICE_NOT_FOUND"), path
    inside = await confined.get(f"{API}/devices/{INSIDE}")
    assert inside.status_code == 503  # ingest is not running, and was asked


async def test_lists_have_what_is_inside(confined: httpx.AsyncClient, owner: Owner) -> None:
    sent = [msgspec.structs.replace(SENT, esp_id=esp_id, command_id=esp_id) for esp_id in (INSIDE, OUTSIDE)]
    zones = [
        queries.Zone(zone_id=zone_id, zone_name="", master_zone_id="", master="", devices=1, online=1, ordered=0)
        for zone_id in ("attic", "tent")
    ]
    async with owner.answering(
        ("query.actuator.commands", actuation.CommandsQuery, Page(items=sent, next_cursor=None)),
        ("query.actuator.command", actuation.CommandQuery, sent[1]),
        ("query.ingest.zones", queries.ZonesQuery, Page(items=zones, next_cursor="more")),
    ):
        listed = (await confined.get(f"{API}/commands")).json()
        assert [item["esp_id"] for item in listed["items"]] == [INSIDE]
        page = (await confined.get(f"{API}/zones")).json()
        assert ([item["zone_id"] for item in page["items"]], page["next_cursor"]) == (["tent"], "more")
        for method in ("GET", "DELETE"):
            answer = await confined.request(method, f"{API}/commands/{OUTSIDE}")
            assert (answer.status_code, answer.json()["code"]) == (404, "ESP_DEVICE_NOT_FOUND")
    assert not any(isinstance(asked, actuation.CancelCommand) for asked in owner.asked)


async def test_rules_are_shown_that_are_about_what_is_inside_alone(confined: httpx.AsyncClient, owner: Owner) -> None:
    rules = {"inside": rule_about(INSIDE), "across": rule_about(INSIDE, OUTSIDE), "nowhere": rule_about()}
    views = {name: msgspec.structs.replace(VIEW, rule_id=name, rule=rule) for name, rule in rules.items()}

    async def one(asked: logic.RuleQuery) -> logic.RuleView:
        return views[asked.rule_id]

    async with owner.answering(
        ("query.logic.rules", logic.RulesQuery, Page(items=list(views.values()), next_cursor=None)),
        ("query.logic.rule", logic.RuleQuery, one),
        ("query.logic.runs", logic.RunsQuery, Page(items=[RUN], next_cursor=None)),
        ("query.logic.explain", logic.ExplainQuery, WHY),
    ):
        listed = (await confined.get(f"{API}/rules")).raise_for_status().json()
        assert [(item["rule_id"], item["touches"]) for item in listed["items"]] == [("inside", [INSIDE])]
        for path in ("", "/explanation", "/runs", "/runs/r.1.1/explanation"):
            assert (await confined.get(f"{API}/rules/inside{path}")).status_code == 200, path
            for name in ("across", "nowhere"):
                answer = await confined.get(f"{API}/rules/{name}{path}")
                assert (answer.status_code, answer.json()["code"]) == (404, "RULE_NOT_FOUND"), (name, path)
    for method, path in (("PUT", "rules/inside"), ("DELETE", "rules/inside"), ("POST", "rules/inside/enable")):
        assert (await confined.request(method, f"{API}/{path}", json={"rule": {}})).status_code == 403, path


async def test_stops_reach_no_further_than_the_zone(confined: httpx.AsyncClient, owner: Owner) -> None:
    for scope, status in (
        ({"kind": "zone", "zone_id": "tent"}, 202),
        ({"kind": "actuator", "esp_id": INSIDE, "gpio": 25}, 202),
        ({"kind": "zone", "zone_id": "attic"}, 403),
        ({"kind": "site"}, 403),
        ({"kind": "device", "esp_id": OUTSIDE}, 404),
    ):
        answer = await confined.post(f"{API}/emergency-stops", json={"scope": scope})
        assert answer.status_code == status, scope
    assert (await confined.post(f"{API}/actuators/emergency_stop", json={})).status_code == 403
    found = [
        safeguarding.Emergency(
            emergency_id=f"e{seq}",
            scope=scope,
            by="admin",
            reason="",
            at=AT,
            seq=seq,
            actuators=0,
            confirmed=0,
            unconfirmed=[],
        )
        for seq, scope in enumerate(
            [Scope(kind="site"), Scope(kind="device", esp_id=OUTSIDE), Scope(kind="zone", zone_id="tent")]
        )
    ]
    asked = ("query.safety.emergencies", safeguarding.EmergenciesQuery, Page(items=found, next_cursor=None))
    async with owner.answering(asked):
        listed = (await confined.get(f"{API}/emergency-stops")).json()["items"]
        assert [item["emergency_id"] for item in listed] == ["e0", "e2"]
        for emergency_id, status in (("e0", 403), ("e1", 404), ("none", 404)):
            path = f"{API}/emergency-stops/{emergency_id}/release"
            assert (await confined.post(path, json={"reason": "dry"})).status_code == status, emergency_id
    assert not any(isinstance(each, safeguarding.ReleaseEmergency) for each in owner.asked)


async def test_a_device_is_not_ordered_into_a_zone_that_is_not_theirs(confined: httpx.AsyncClient) -> None:
    answer = await confined.put(f"{API}/devices/{INSIDE}/zone", json={"zone_id": "attic"})
    assert (answer.status_code, answer.json()["code"]) == (403, "OUTSIDE_ZONES")


@pytest.mark.parametrize("path", ["/interlocks", "/rule-runs", "/rules.yaml"])
async def test_what_is_about_the_whole_site_is_not_for_them(confined: httpx.AsyncClient, path: str) -> None:
    answer = await confined.get(API + path)
    assert (answer.status_code, answer.json()["code"]) == (403, "OUTSIDE_ZONES")


@pytest.mark.parametrize("filters", [{}, {"esp_ids": [INSIDE, OUTSIDE]}, {"zones": ["tent", "attic"]}])
async def test_their_socket_gets_what_is_inside(
    confined: httpx.AsyncClient, zoned: EventLog, filters: dict[str, object]
) -> None:
    async with socket_of(confined) as ws:
        await subscribe(ws, confined, filters={"types": ["sensor_data"], **filters}, delivery="immediate")
        await zoned.publish_all(
            [
                batch(1, esp_id=OUTSIDE, zone_id="attic"),
                batch(2, esp_id=INSIDE, zone_id="tent"),
                batch(3, esp_id=INSIDE, zone_id="tent"),
            ]
        )
        assert [event["data"]["reading_id"] for event in await events(ws, 2)] == ["2", "3"]


async def test_a_socket_for_other_zones_only_is_refused(confined: httpx.AsyncClient) -> None:
    async with socket_of(confined) as ws:
        await subscribe(ws, confined)
        await ws.send(json.dumps({"action": "subscribe", "filters": {"zones": ["attic"]}}))
        async with asyncio.timeout(20):
            while True:
                message = json.loads(await ws.recv())
                if message["type"] == "error":
                    break
    assert message["code"] == "OUTSIDE_ZONES"
