"""Limits, interlocks, violations and alerts over REST, and who may do what."""

import json
from typing import Any, Final

import httpx
import pytest

from kaiser.contracts import safeguarding
from kaiser.contracts.events.safeguards import ActuatorRef, AtMost, Limits
from kaiser.contracts.queries import Page
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.safeguarding import ActuatorLimits, Alert, DecisionView, Interlock, SafetyDecided, Violation
from kaiser.eventlog import connect

from .clients import ROLES, client_of, events, socket_of, subscribe
from .conftest import Owner, Standing

API: Final = "/api/v1"
PUMP: Final = f"{API}/actuators/ESP_9F03D4/25"
AT: Final = 1_777_500_031_250_000
TIME: Final = "2026-04-29T22:00:31.250000Z"
DECIDED: Final = SafetyDecided(seq=9, changed=True)
RULE: Final = AtMost(1, (ActuatorRef("ESP_9F03D4", 25), ActuatorRef("ESP_9F03D4", 26)))
RULE_BODY: Final = {
    "kind": "at_most",
    "most": 1,
    "actuators": [{"esp_id": "ESP_9F03D4", "gpio": 25}, {"esp_id": "ESP_9F03D4", "gpio": 26}],
}


def order(name: str, kind: Any, answer: Any = DECIDED) -> tuple[str, Any, Any]:
    return f"command.safety.{name}", kind, answer


async def test_limits_are_read_set_and_taken_back(engineer: httpx.AsyncClient, owner: Owner) -> None:
    found = ActuatorLimits(esp_id="ESP_9F03D4", gpio=25, limits=Limits(max_on_s=900))
    read = ("query.safety.limits", safeguarding.LimitsQuery, found)
    async with owner.answering(read, order("set_limits", safeguarding.SetLimits)):
        shown = (await engineer.get(f"{PUMP}/limits")).raise_for_status().json()
        body = {"limits": {"max_on_s": 60, "allowed_hours": [{"start": "06:00", "end": "21:30"}]}, "reason": "small"}
        put = (await engineer.put(f"{PUMP}/limits", json=body)).raise_for_status().json()
        (await engineer.delete(f"{PUMP}/limits", params={"reason": "bigger tank"})).raise_for_status()
        for wrong in ({"max_on": 60}, {"max_level": 1.5}, {"allowed_hours": [{"start": "6", "end": "7"}]}):
            answer = await engineer.put(f"{PUMP}/limits", json={"limits": wrong, "reason": "small"})
            assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_PAYLOAD_FORMAT")
        assert (await engineer.delete(f"{PUMP}/limits")).status_code == 400
    assert (shown["limits"]["max_on_s"], shown["by"], shown["at"]) == (900, "", None)
    assert put == {"seq": 9, "changed": True}
    _, given, back = owner.asked
    assert (given.limits.max_on_s, given.limits.max_level, given.by, given.reason) == (60, 1.0, "engineer", "small")
    assert (back.limits, back.reason) == (None, "bigger tank")


async def test_interlocks_are_listed_made_and_removed(engineer: httpx.AsyncClient, owner: Owner) -> None:
    item = Interlock(interlock_id="heater-or-fan", rule=RULE, by="eva", reason="they fight", at=AT, seq=3)
    listed = ("query.safety.interlocks", safeguarding.InterlocksQuery, Page(items=[item], next_cursor=None))
    path = f"{API}/interlocks/heater-or-fan"
    made = order("set_interlock", safeguarding.SetInterlock)
    gone = order("remove_interlock", safeguarding.RemoveInterlock)
    async with owner.answering(listed, made, gone):
        (shown,) = (await engineer.get(f"{API}/interlocks")).raise_for_status().json()["items"]
        (await engineer.put(path, json={"rule": RULE_BODY, "reason": "they fight"})).raise_for_status()
        (await engineer.delete(path, params={"reason": "no heater"})).raise_for_status()
        wrong = await engineer.put(f"{API}/interlocks/Heater", json={"rule": RULE_BODY, "reason": "they fight"})
        assert wrong.status_code == 400
    assert (shown["rule"], shown["at"]) == (RULE_BODY, TIME)
    assert (owner.asked[1].rule, owner.asked[1].interlock_id, owner.asked[1].by) == (RULE, "heater-or-fan", "engineer")
    assert owner.asked[2].reason == "no heater"
    contradiction = Refusal("INTERLOCK_CONTRADICTION", "25 needs 26, 26 needs 25", "rule")
    async with owner.answering(order("set_interlock", safeguarding.SetInterlock, contradiction)):
        answer = await engineer.put(path, json={"rule": RULE_BODY, "reason": "they fight"})
    assert (answer.status_code, answer.json()["code"]) == (409, "INTERLOCK_CONTRADICTION")


async def test_violations_and_decisions_say_the_rule_and_what_it_saw(operator: httpx.AsyncClient, owner: Owner) -> None:
    what = {"rule": "min_off", "code": "COOLING_DOWN", "detail": "paused for 12 s of 60", "saw": {"off_for_s": 12.0}}
    where = {"esp_id": "ESP_9F03D4", "gpio": 25, "at": AT}
    violation = Violation(seq=4, kind="rejected", reference="cmd-1", **what, **where)
    decision = DecisionView(seq=4, command_id="cmd-1", approved=False, **what, **where)
    page = Page(items=[violation], next_cursor="c2")
    async with owner.answering(
        ("query.safety.violations", safeguarding.ViolationsQuery, page),
        ("query.safety.decision", safeguarding.DecisionQuery, decision),
    ):
        filters = {"kind": "rejected", "rule": "min_off", "to": "1777500032", "cursor": "c1"}
        listed = (await operator.get(f"{API}/safety/violations", params=filters)).raise_for_status().json()
        shown = (await operator.get(f"{API}/safety/decisions/4")).raise_for_status().json()
    query = owner.asked[0]
    assert (query.kind, query.rule, query.start, query.end, query.cursor) == (
        "rejected", "min_off", 0, 1_777_500_032_000_000, "c1",
    )  # fmt: skip
    (item,) = listed["items"]
    assert (item["at"], item["saw"], listed["next_cursor"]) == (TIME, {"off_for_s": 12.0}, "c2")
    assert (shown["approved"], shown["rule"], shown["saw"]) == (False, "min_off", {"off_for_s": 12.0})


async def test_open_alerts_are_listed_and_cleared_with_a_reason(operator: httpx.AsyncClient, owner: Owner) -> None:
    alert = Alert(
        alert_id="a-1",
        esp_id="ESP_9F03D4",
        gpio=25,
        kind="hardware_error",
        severity="critical",
        detail="driver",
        acted="stopped",
        raised_at=AT,
        last_at=AT,
        count=12,
    )
    page = Page(items=[alert], next_cursor=None)
    listed = ("query.safety.alerts", safeguarding.AlertsQuery, page)
    async with owner.answering(listed, order("clear_alert", safeguarding.ClearAlert)):
        (shown,) = (await operator.get(f"{API}/alerts")).raise_for_status().json()["items"]
        (await operator.post(f"{API}/alerts/a-1/clear", json={"reason": "replaced"})).raise_for_status()
    assert (shown["severity"], shown["count"], shown["raised_at"]) == ("critical", 12, TIME)
    assert (owner.asked[1].alert_id, owner.asked[1].by, owner.asked[1].reason) == ("a-1", "operator", "replaced")


WRITES: Final = [
    ("operator", "POST", f"{PUMP}/command", {"command": "OFF"}),
    ("operator", "DELETE", f"{API}/commands/cmd-1", None),
    ("operator", "POST", f"{API}/emergency-stops", {"scope": {"kind": "device", "esp_id": "ESP_9F03D4"}}),
    ("operator", "POST", f"{API}/actuators/emergency_stop", {"esp_id": "ESP_9F03D4"}),
    ("operator", "POST", f"{API}/alerts/a-1/clear", {"reason": "x"}),
    ("engineer", "PUT", f"{PUMP}/policy", {"policy": "alarm", "reason": "x"}),
    ("engineer", "PUT", f"{PUMP}/limits", {"limits": {}, "reason": "x"}),
    ("engineer", "DELETE", f"{PUMP}/limits?reason=x", None),
    ("engineer", "PUT", f"{API}/interlocks/a", {"rule": RULE_BODY, "reason": "x"}),
    ("engineer", "DELETE", f"{API}/interlocks/a?reason=x", None),
    ("engineer", "POST", f"{API}/emergency-stops/e-1/release", {"reason": "x"}),
    ("engineer", "POST", f"{API}/actuators/clear_emergency", {"reason": "x"}),
]
READS: Final = [
    f"{API}/actuators",
    PUMP,
    f"{PUMP}/history",
    f"{PUMP}/limits",
    f"{API}/commands",
    f"{API}/commands/cmd-1",
    f"{API}/interlocks",
    f"{API}/emergency-stops",
    f"{API}/safety/violations",
    f"{API}/safety/decisions/4",
    f"{API}/alerts",
]


@pytest.mark.parametrize("role", ROLES)
async def test_who_may_do_what(standing: Standing, role: str) -> None:
    """Where nobody answers, whoever may ask gets 503, and whoever may not 403."""
    async with client_of(standing.gateway, role) as client:
        for needed, method, path, body in WRITES:
            answer = await client.request(method, path, json=body)
            allowed = ROLES.index(role) >= ROLES.index(needed)
            assert (answer.status_code != 403) is allowed, (role, method, path, answer.text)
        for path in READS:
            assert (await client.get(path)).status_code == 503, path


async def test_what_safety_decides_is_pushed_under_the_name_of_the_command(
    standing: Standing, operator: httpx.AsyncClient
) -> None:
    sample = {"command_id": "cmd-1", "esp_id": "ESP_9F03D4", "gpio": 25, "action": "ON", "level": 1.0, "at": AT}
    rejected = sample | {"by": "kaiser", "rule": "min_off", "saw": {"off_for_s": 12.0}, "code": "COOLING_DOWN"}
    async with socket_of(operator) as ws, await connect(standing.nats.url, name="test") as log:
        await subscribe(ws, operator, filters={"types": ["command"]}, delivery="immediate")
        headers = {"ce-type": "io.kaiser.safety.command_rejected.v1", "ce-id": "d-1"}
        body = json.dumps(rejected | {"detail": "paused"}).encode()
        ack = await log.js.publish("safety.decision.ESP_9F03D4.25", body, headers=headers)
        (event,) = await events(ws, 1)
    assert (event["type"], event["seq"], event["data"]["state"]) == ("command", ack.seq, "rejected")
    assert (event["data"]["rule"], event["data"]["saw"]) == ("min_off", {"off_for_s": 12.0})
