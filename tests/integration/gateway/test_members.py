"""One of what a list has, with its tag, and a stable code where there is none; and what something was, by its owner."""

from typing import Any, Final

import httpx
import msgspec
import pytest

from kaiser.contracts import logic, queries, safeguarding
from kaiser.contracts.codes import Code
from kaiser.contracts.past import StateAt, StateAtQuery
from kaiser.contracts.queries import Page
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.safeguarding import Alert, Violation

from .conftest import Owner
from .test_rules import RUN

API: Final = "/api/v1"
ESP: Final = "ESP_9F03D4"
AT: Final = 1_777_500_031_250_000
ZONE: Final = queries.Zone(
    zone_id="tent", zone_name="Tent", master_zone_id="", master="", devices=1, online=1, ordered=0
)
SENSOR: Final = queries.Sensor(
    sensor_id=1, esp_id=ESP, gpio=4, sensor_type="ds18b20", address="28AA", unit="°C", zone_id="tent"
)
OTHER: Final = msgspec.structs.replace(SENSOR, sensor_id=2, address="28BB")
ALERT: Final = Alert(
    alert_id="a1", esp_id=ESP, gpio=25, kind="k", severity="info", detail="", acted="noted", raised_at=AT, last_at=AT,
    count=1,
)  # fmt: skip
VIOLATION: Final = Violation(
    seq=7, at=AT, kind="stopped", esp_id=ESP, gpio=25, rule="max_on", code="RUN_TOO_LONG", detail="", saw={},
    reference="s1",
)  # fmt: skip
TEMPLATE: Final = logic.Template(name="irrigation", description="d", parameters=[])


async def _zones(asked: queries.ZonesQuery) -> Page[queries.Zone]:
    return Page(items=[ZONE] if asked.zone_id == ZONE.zone_id else [], next_cursor=None)


async def _sensors(asked: queries.SensorsQuery) -> Page[queries.Sensor]:
    return Page(items=[SENSOR, OTHER] if asked.esp_id == ESP else [], next_cursor=None)


async def _alerts(asked: safeguarding.AlertsQuery) -> Page[Alert]:
    return Page(items=[ALERT] if asked.alert_id == ALERT.alert_id else [], next_cursor=None)


async def _violations(asked: safeguarding.ViolationsQuery) -> Page[Violation]:
    return Page(items=[VIOLATION] if asked.seq == VIOLATION.seq else [], next_cursor=None)


async def _run(asked: logic.RunQuery) -> logic.RunView:
    if asked.run_id != RUN.run_id:
        raise Refusal(Code.RUN_NOT_FOUND, "there is none")
    return RUN


ANSWERS: Final = (
    ("query.ingest.zones", queries.ZonesQuery, _zones),
    ("query.ingest.sensors", queries.SensorsQuery, _sensors),
    ("query.safety.alerts", safeguarding.AlertsQuery, _alerts),
    ("query.safety.violations", safeguarding.ViolationsQuery, _violations),
    ("query.logic.run", logic.RunQuery, _run),
    ("query.logic.templates", logic.TemplatesQuery, [TEMPLATE]),
)


@pytest.mark.parametrize(
    ("path", "shown", "absent", "code"),
    [
        ("zones/tent", {"zone_id": "tent", "master": None}, "zones/attic", "ZONE_NOT_FOUND"),
        (f"sensors/{ESP}/4/ds18b20?address=28BB", {"sensor_id": "2"}, f"sensors/{ESP}/5/ds18b20", "SENSOR_NOT_FOUND"),
        ("alerts/a1", {"alert_id": "a1", "count": 1}, "alerts/a2", "ALERT_NOT_FOUND"),
        ("safety/violations/7", {"seq": 7, "rule": "max_on"}, "safety/violations/8", "EVENT_NOT_FOUND"),
        ("rules/water/runs/water.3.1", {"run_id": "water.3.1"}, "rules/water/runs/water.3.2", "RUN_NOT_FOUND"),
        ("rule-templates/irrigation", {"name": "irrigation"}, "rule-templates/toy", "RULE_NOT_FOUND"),
    ],
)
async def test_one_is_shown_with_its_tag_and_an_absent_one_has_its_code(
    engineer: httpx.AsyncClient, owner: Owner, path: str, shown: dict[str, Any], absent: str, code: str
) -> None:
    async with owner.answering(*ANSWERS):
        answer = (await engineer.get(f"{API}/{path}")).raise_for_status()
        assert answer.json() | shown == answer.json()
        again = await engineer.get(f"{API}/{path}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        missing = await engineer.get(f"{API}/{absent}")
    assert (missing.status_code, missing.json()["code"]) == (404, code)


async def test_of_several_sensors_on_a_pin_the_address_says_which(engineer: httpx.AsyncClient, owner: Owner) -> None:
    async with owner.answering(*ANSWERS):
        answer = await engineer.get(f"{API}/sensors/{ESP}/4/ds18b20")
    assert (answer.status_code, answer.json()["code"]) == (409, "SENSOR_AMBIGUOUS")


async def test_what_something_was_is_asked_of_its_owner_in_the_words_of_all_kinds(
    engineer: httpx.AsyncClient, owner: Owner
) -> None:
    async def then(asked: StateAtQuery) -> StateAt:
        if asked.name == "gone":
            raise Refusal(Code.EVENTS_GONE, "its first events are gone", "at")
        if asked.name == "busy":
            raise Refusal(Code.TOO_MANY_EVENTS, "too many", "at")
        return StateAt(stream="S", seq=5, events=2, state={"kind": asked.kind})

    of_all = [
        (f"query.{service}.state_at", StateAtQuery, then) for service in ("ingest", "actuator", "safety", "logic")
    ]
    async with owner.answering(*of_all):
        for kind in ("registry", "calibration", "command", "interlock", "emergency", "alert", "stop", "rule", "run"):
            found = (await engineer.get(f"{API}/aggregates/{kind}/x?at=1777500031.25")).raise_for_status().json()
            assert (found["kind"], found["aggregate_id"], found["state"]) == (kind, "x", {"kind": kind})
            assert (found["stream"], found["seq"], found["events"]) == ("S", 5, 2)
            assert owner.asked[-1] == StateAtQuery(kind=kind, name="x", at=AT)
        for kind in ("actuator", "limits"):
            found = (await engineer.get(f"{API}/aggregates/{kind}/{ESP}/25")).raise_for_status().json()
            assert (found["kind"], found["aggregate_id"]) == (kind, f"{ESP}/25")
        for name, status, code in (("gone", 410, "EVENTS_GONE"), ("busy", 409, "TOO_MANY_EVENTS")):
            answer = await engineer.get(f"{API}/aggregates/rule/{name}")
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        answer = await engineer.get(f"{API}/aggregates/rule/x?seq=999999999")
        assert (answer.status_code, answer.json()["code"]) == (404, "EVENT_NOT_FOUND")
    for path in ("toy/x", "actuator/x", f"toy/{ESP}/25", "rule/x?at=1&seq=1"):
        answer = await engineer.get(f"{API}/aggregates/{path}")
        assert (answer.status_code, answer.json()["code"]) == (400, "VALUE_OUT_OF_RANGE"), path


async def test_an_owner_that_is_away_is_named(engineer: httpx.AsyncClient) -> None:
    for path, service in ((f"actuator/{ESP}/25", "actuator"), ("interlock/x", "safety"), ("rule/x", "logic")):
        answer = await engineer.get(f"{API}/aggregates/{path}")
        assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_ERROR")
        assert answer.json()["detail"] == f"{service} is not running"
