"""What of the log somebody sees who is confined to zones: what is about devices that are in them, and nothing else."""

from typing import Any

import httpx
import pytest

from kaiser.contracts import subjects
from kaiser.contracts.events.actuation import CommandEnded, CommandRequested
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.safeguards import CommandRejected
from kaiser.contracts.past import StateAt, StateAtQuery
from kaiser.eventlog import Event, EventLog, now_us
from kaiser.gateway.api.authorisation import PREFIX, TABLE

from .clients import client_of
from .conftest import Owner, Standing
from .test_authorisation import VALUES
from .test_zones import API, INSIDE, OUTSIDE, confined, zoned

__all__ = ("confined", "zoned")  # fixtures

UNDECIDABLE = ("TELEMETRY_RAW", "TELEMETRY", "LOGIC", "IDENTITY", "DEADLETTER")


async def _command(log: EventLog, esp_id: str, command_id: str, rejected_by: str = "") -> list[int]:
    """A command that was rejected; sequences of its request, the decision and its end."""
    place = {"kaiser_id": "god", "esp_id": esp_id, "gpio": 25, "at": now_us()}
    ids = {"command_id": command_id, "correlation_id": "c1"}
    what = {"action": "ON", "level": 1.0}
    asked = CommandRequested(
        **place, **ids, **what, asked="ON", source="user", by="eva", causation_id="why", deadline_at=now_us()
    )
    seq = (await log.publish(_event(subjects.command_event("god", esp_id, 25, asked.EVENT), asked))).seq
    decided = CommandRejected(
        at=now_us(), by="kaiser", **ids, **what, esp_id=rejected_by or esp_id, gpio=25, rule="r", code="c", detail="d",
        request_seq=seq,
    )  # fmt: skip
    subject = subjects.safety("decision", rejected_by or esp_id, 25)
    decision_seq = (await log.publish(_event(subject, decided))).seq
    ended = CommandEnded(**place, **ids, outcome="rejected", decision_seq=decision_seq)
    end_seq = (await log.publish(_event(subjects.command_event("god", esp_id, 25, ended.EVENT), ended))).seq
    return [seq, decision_seq, end_seq]


def _event(subject: str, body: Any) -> Event:
    return Event(subject=subject, type=body.TYPE, data=encode(body), source="test")


async def test_events_are_shown_of_devices_inside_and_of_no_others(
    confined: httpx.AsyncClient, zoned: EventLog
) -> None:
    inside = await _command(zoned, INSIDE, "in")
    outside = await _command(zoned, OUTSIDE, "out")
    for stream in ("ACTUATORS", "SAFETY", "DEVICES"):
        items = (await confined.get(f"{API}/events", params={"stream": stream})).raise_for_status().json()["items"]
        assert items
        assert {each["esp_id"] for each in items} == {INSIDE}, stream
    found = (await confined.get(f"{API}/events", params={"aggregate": f"actuator/{INSIDE}/25"})).json()["items"]
    assert inside[0] in [each["seq"] for each in found]
    for name in (f"actuator/{OUTSIDE}/25", f"device/{OUTSIDE}", f"safety/{OUTSIDE}/25", "device/ESP_DEAD00"):
        answer = await confined.get(f"{API}/events", params={"aggregate": name})
        assert (answer.status_code, answer.json()["code"]) == (404, "ESP_DEVICE_NOT_FOUND"), name
    for params in (
        {"aggregate": "rule/water"},
        {"aggregate": "user/admin"},
        *({"stream": each} for each in UNDECIDABLE),
    ):
        answer = await confined.get(f"{API}/events", params=params)
        assert (answer.status_code, answer.json()["code"]) == (403, "OUTSIDE_ZONES"), params

    one = (await confined.get(f"{API}/events/ACTUATORS/{inside[0]}")).raise_for_status().json()
    assert (one["esp_id"], one["correlation_id"], one["causation_id"]) == (INSIDE, "c1", "why")
    assert one["causes"] == f"{API}/events/ACTUATORS/{inside[0]}/causes"
    for path in ("", "/causes"):
        answer = await confined.get(f"{API}/events/ACTUATORS/{outside[0]}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "EVENT_NOT_FOUND")
        for stream in UNDECIDABLE:
            answer = await confined.get(f"{API}/events/{stream}/1{path}")
            assert (answer.status_code, answer.json()["code"]) == (403, "OUTSIDE_ZONES"), stream


async def test_causes_end_where_they_leave_the_zones_and_say_so(
    standing: Standing, confined: httpx.AsyncClient, zoned: EventLog
) -> None:
    whole = await _command(zoned, INSIDE, "all-inside")
    chain = (await confined.get(f"{API}/events/ACTUATORS/{whole[2]}/causes")).raise_for_status().json()
    assert {each["event"]["seq"] for each in chain["causes"]} == set(whole[:2])
    assert chain["withheld"] == 0
    crossing = await _command(zoned, INSIDE, "across", rejected_by=OUTSIDE)
    path = f"{API}/events/ACTUATORS/{crossing[2]}/causes"
    chain = (await confined.get(path)).raise_for_status().json()
    assert {each["event"]["esp_id"] for each in chain["causes"]} <= {INSIDE}
    assert (chain["withheld"], chain["complete"]) == (1, False)
    async with client_of(standing.gateway, "engineer") as engineer:
        seen = (await engineer.get(path)).raise_for_status().json()
    assert {each["event"]["esp_id"] for each in seen["causes"]} == {INSIDE, OUTSIDE}
    assert seen["withheld"] == 0


async def test_what_something_was_is_shown_where_it_was_inside(
    confined: httpx.AsyncClient, zoned: EventLog, owner: Owner
) -> None:
    assert (await confined.get(f"{API}/aggregates/device/{INSIDE}")).status_code == 200
    for path in (
        f"device/{OUTSIDE}",
        f"registry/{OUTSIDE}",
        f"calibration/{OUTSIDE}",
        f"actuator/{OUTSIDE}/25",
        f"limits/{OUTSIDE}/25",
    ):
        answer = await confined.get(f"{API}/aggregates/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "ESP_DEVICE_NOT_FOUND"), path
    for kind in ("user", "session", "key", "dead-letter", "rule", "run", "interlock"):
        answer = await confined.get(f"{API}/aggregates/{kind}/x")
        assert (answer.status_code, answer.json()["code"]) == (403, "OUTSIDE_ZONES"), kind

    async def then(asked: StateAtQuery) -> StateAt:
        scope = {"kind": "site"} if asked.name == "site" else {"kind": "device", "esp_id": asked.name}
        state = {"scope": scope} if asked.kind == "emergency" else {"esp_id": asked.name}
        return StateAt(stream="S", seq=1, events=1, state=state)

    async with owner.answering(
        ("query.actuator.state_at", StateAtQuery, then), ("query.safety.state_at", StateAtQuery, then)
    ):
        for kind in ("command", "alert", "stop", "emergency"):
            assert (await confined.get(f"{API}/aggregates/{kind}/{INSIDE}")).status_code == 200, kind
            answer = await confined.get(f"{API}/aggregates/{kind}/{OUTSIDE}")
            assert (answer.status_code, answer.json()["code"]) == (404, "EVENT_NOT_FOUND"), kind
        assert (await confined.get(f"{API}/aggregates/emergency/site")).status_code == 200  # it concerns everybody
        assert (await confined.get(f"{API}/aggregates/actuator/{INSIDE}/25")).status_code == 200
    assert OUTSIDE not in {asked.name.partition("/")[0] for asked in owner.asked if asked.kind == "actuator"}


@pytest.mark.parametrize("role", ["engineer", "admin"])
async def test_every_route_keeps_who_is_confined_to_the_reach_of_its_row(
    standing: Standing, confined: httpx.AsyncClient, role: str
) -> None:
    async with client_of(standing.gateway, "admin") as admin:
        user = {"username": f"walker-{role}", "password": "a long enough sentence", "role": role, "zones": ["tent"]}
        assert (await admin.post(f"{API}/users", json=user)).status_code in (201, 409)
        tokens = (await admin.post(f"{API}/auth/login", json=user)).json()["tokens"]
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    values = VALUES | {"esp_id": OUTSIDE}
    for route in sorted(TABLE, key=lambda route: route == "POST /auth/logout"):
        needs = TABLE[route]
        method, path = route.split(" ")
        answer = await confined.request(method, PREFIX + path.format(**values), headers=headers)
        if needs.role is None or (needs.role == "admin" and role != "admin"):
            continue
        code = answer.json().get("code", "") if answer.status_code >= 400 else ""
        if needs.reach == "site":
            assert (answer.status_code, code) == (403, "OUTSIDE_ZONES"), route
        elif needs.reach == "device":
            assert (answer.status_code, code) == (404, "ESP_DEVICE_NOT_FOUND"), route
        else:
            assert answer.status_code != 500, route
