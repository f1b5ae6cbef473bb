"""Commands and actuators over REST: what is asked of the actuator service, and how its answers look."""

from typing import Any

import httpx
import msgspec
import pytest

from kaiser.contracts import actuation
from kaiser.contracts.actuation import Actuator, Command, CommandQuery, Desired, ReportedState, SendCommand
from kaiser.contracts.queries import Page
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.safeguarding import DecisionQuery, DecisionView

from .conftest import Owner

API = "/api/v1"
PUMP = f"{API}/actuators/ESP_9F03D4/25"
AT = 1_777_500_031_250_000

SENT = Command(
    command_id="cmd-1",
    correlation_id="c-1",
    esp_id="ESP_9F03D4",
    gpio=25,
    action="ON",
    asked="TOGGLE",
    level=1.0,
    duration_s=600,
    source="user",
    by="operator",
    state="requested",
    seq=7,
    requested_at=AT,
    deadline_at=AT + 30_000_000,
    steps={"requested": AT},
)
OVER = {"ended_at": AT + 1, "attempts": 1}
SUCCEEDED = msgspec.structs.replace(SENT, state="succeeded", steps={"acknowledged": AT, "succeeded": AT + 1}, **OVER)
REJECTED = msgspec.structs.replace(
    SENT, state="rejected", code="COOLING_DOWN", detail="paused for 12 s of 60", rule="min_off", decision_seq=812
)
DECISION = DecisionView(
    seq=812,
    at=AT,
    command_id="cmd-1",
    esp_id="ESP_9F03D4",
    gpio=25,
    approved=False,
    rule="min_off",
    code="COOLING_DOWN",
    detail="paused for 12 s of 60",
    saw={"off_for_s": 12.0, "min_off_s": 60},
)
ACTUATOR = Actuator(
    esp_id="ESP_9F03D4",
    gpio=25,
    kaiser_id="god",
    actuator_type="pump",
    name="Main pump",
    zone_id="",
    online=True,
    known=False,
    desired=Desired(level=1.0, version=3, at=AT, by="eva", off_at=AT + 600_000_000),
    reported=None,
    seq=7,
)


def send(answer: Any) -> tuple[str, type[SendCommand], Any]:
    return "command.actuator.send", SendCommand, answer


def command(answer: Any) -> tuple[str, type[CommandQuery], Any]:
    return "query.actuator.command", CommandQuery, answer


async def test_a_command_is_sent_for_whoever_asks_and_answered_before_it_ends(
    operator: httpx.AsyncClient, owner: Owner
) -> None:
    async with owner.answering(send(SENT)):
        answer = await operator.post(
            f"{PUMP}/command",
            json={"command": "TOGGLE", "value": 1.0, "duration": 600, "hold_s": 5, "reason": "dry"},
            headers={"Idempotency-Key": "k-1"},
        )
    (asked,) = owner.asked
    assert (asked.by, asked.esp_id, asked.gpio, asked.command, asked.level) == (
        "operator", "ESP_9F03D4", 25, "TOGGLE", None,
    )  # fmt: skip
    assert (asked.duration_s, asked.hold_s, asked.timeout_s, asked.source) == (600, 5, 30, "user")
    assert (asked.reason, asked.idempotency_key) == ("dry", "k-1")
    found = answer.json()
    assert (answer.status_code, found["command_id"], found["state"]) == (202, "cmd-1", "requested")
    monolith = ("success", "esp_id", "gpio", "command", "value", "command_sent", "acknowledged", "safety_warnings")
    assert [found[name] for name in monolith] == [True, "ESP_9F03D4", 25, "TOGGLE", 1.0, False, False, []]
    assert (found["action"], found["requested_at"], found["ended_at"]) == ("ON", "2026-04-29T22:00:31.250000Z", None)


async def test_with_wait_the_answer_is_the_command_at_its_end(operator: httpx.AsyncClient, owner: Owner) -> None:
    async with owner.answering(send(SENT), command(SUCCEEDED)):
        answer = await operator.post(f"{PUMP}/command", json={"command": "ON"}, params={"wait": 12})
    assert (answer.status_code, answer.json()["state"], answer.json()["acknowledged"]) == (200, "succeeded", True)
    assert owner.asked[1].command_id == "cmd-1"
    assert 11 < owner.asked[1].wait_s <= 12


async def test_what_safety_rejects_is_a_conflict_that_names_the_rule_and_what_it_saw(
    operator: httpx.AsyncClient, owner: Owner
) -> None:
    decision = ("query.safety.decision", DecisionQuery, DECISION)
    async with owner.answering(send(SENT), command(REJECTED), decision):
        answer = await operator.post(f"{PUMP}/command", json={"command": "ON"}, params={"wait": 5})
    assert owner.asked[-1].seq == 812
    found = answer.json()
    assert (answer.status_code, found["code"], found["rule"]) == (409, "COOLING_DOWN", "min_off")
    assert (found["saw"], found["command_id"]) == ({"off_for_s": 12.0, "min_off_s": 60}, "cmd-1")
    async with owner.answering(send(REJECTED)):  # an idempotency key that was used before, and safety away
        again = (await operator.post(f"{PUMP}/command", json={"command": "ON"})).json()
    assert (again["status"], again["rule"], again["detail"]) == (409, "min_off", "paused for 12 s of 60")


async def test_without_safety_a_command_that_waits_says_who_is_missing(
    operator: httpx.AsyncClient, owner: Owner
) -> None:
    words = "safety did not decide within 2 s"
    failed = msgspec.structs.replace(SENT, state="failed", code="SAFETY_UNAVAILABLE", detail=words)
    async with owner.answering(send(SENT), command(failed)):
        answer = await operator.post(f"{PUMP}/command", json={"command": "ON"}, params={"wait": 5})
    assert (answer.status_code, answer.json()["code"]) == (503, "SAFETY_UNAVAILABLE")
    assert answer.headers["retry-after"]


async def test_a_command_that_was_taken_is_not_refused_because_its_owner_went_away(
    operator: httpx.AsyncClient, owner: Owner
) -> None:
    async with owner.answering(send(SENT)):
        answer = await operator.post(f"{PUMP}/command", json={"command": "ON"}, params={"wait": 0.5})
    assert (answer.status_code, answer.json()["state"]) == (202, "requested")
    answer = await operator.post(f"{PUMP}/command", json={"command": "OFF"})
    assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_ERROR")
    assert "actuator" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("code", "status"),
    [("ACTUATOR_NOT_FOUND", 404), ("ESP_OFFLINE", 409), ("COMMAND_NOT_FOR_TYPE", 400), ("IDEMPOTENCY_CONFLICT", 409)],
)
async def test_a_refusal_keeps_its_code(operator: httpx.AsyncClient, owner: Owner, code: str, status: int) -> None:
    async with owner.answering(send(Refusal(code, "in words", "command"))):
        answer = await operator.post(f"{PUMP}/command", json={"command": "ON"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"], answer.json()["where"]) == (status, code, "command")


@pytest.mark.parametrize(
    "body",
    [
        {"command": "PWM"},
        {"command": "PWM", "value": 75},
        {"command": "ON", "value": 0.5},
        {"command": "TOGGLE", "value": 0.0},
        {"command": "STOP"},
        {"command": "ON", "duration": -1},
        {"command": "ON", "duration_s": 5},
    ],
)
async def test_what_a_device_would_misread_is_not_asked_of_anybody(
    operator: httpx.AsyncClient, owner: Owner, body: dict
) -> None:
    async with owner.answering(send(SENT)):
        answer = await operator.post(f"{PUMP}/command", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_PAYLOAD_FORMAT")
    assert owner.asked == []


async def test_a_level_goes_with_pwm_only(operator: httpx.AsyncClient, owner: Owner) -> None:
    async with owner.answering(send(SENT)):
        await operator.post(f"{PUMP}/command", json={"command": "PWM", "value": 0})
        await operator.post(f"{PUMP}/command", json={"command": "OFF", "value": 1.0})
    assert [(asked.command, asked.level) for asked in owner.asked] == [("PWM", 0.0), ("OFF", None)]


async def test_a_command_is_taken_back_by_its_id_alone(operator: httpx.AsyncClient, owner: Owner) -> None:
    cancelled = msgspec.structs.replace(SENT, state="cancelled", ended_at=AT + 1)
    taken = ("command.actuator.cancel", actuation.CancelCommand, cancelled)
    async with owner.answering(command(SENT), taken):
        answer = await operator.delete(f"{API}/commands/cmd-1")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert (owner.asked[1].esp_id, owner.asked[1].gpio, owner.asked[1].by) == ("ESP_9F03D4", 25, "operator")
    async with owner.answering(command(Refusal("COMMAND_NOT_FOUND", "there is no command cmd-2"))):
        assert (await operator.delete(f"{API}/commands/cmd-2")).status_code == 404


async def test_commands_are_listed_a_page_at_a_time(operator: httpx.AsyncClient, owner: Owner) -> None:
    asked = {"esp_id": "ESP_9F03D4", "gpio": 25, "outcome": "succeeded", "limit": 1, "from": "2026-04-29T00:00:00Z"}
    page = Page(items=[SUCCEEDED], next_cursor="c2")
    async with owner.answering(("query.actuator.commands", actuation.CommandsQuery, page)):
        found = (await operator.get(f"{API}/commands", params=asked | {"cursor": "c1"})).raise_for_status().json()
    (query,) = owner.asked
    assert (query.esp_id, query.gpio, query.outcome, query.limit, query.cursor) == (
        "ESP_9F03D4", 25, "succeeded", 1, "c1",
    )  # fmt: skip
    assert (query.start, query.end) == (1_777_420_800_000_000, 0)
    assert ([item["command_id"] for item in found["items"]], found["next_cursor"]) == (["cmd-1"], "c2")


async def test_an_actuator_shows_both_of_its_states(operator: httpx.AsyncClient, owner: Owner) -> None:
    one = ("query.actuator.actuator", actuation.ActuatorQuery, ACTUATOR)
    page = Page(items=[ACTUATOR], next_cursor=None)
    several = ("query.actuator.actuators", actuation.ActuatorsQuery, page)
    async with owner.answering(one, several):
        found = (await operator.get(PUMP, params={"at_least": 7})).raise_for_status().json()
        listed = (await operator.get(f"{API}/actuators", params={"drifted": True})).raise_for_status().json()
    assert (owner.asked[0].at_least, owner.asked[1].drifted) == (7, True)
    assert listed["items"] == [found]
    assert (found["desired"]["level"], found["desired"]["off_at"]) == (1.0, "2026-04-29T22:10:31.250000Z")
    assert (found["reported"], found["known"], found["drift_since"]) == (None, False, None)


async def test_history_is_of_the_last_day_unless_a_span_is_given(operator: httpx.AsyncClient, owner: Owner) -> None:
    state = ReportedState(at=AT, level=None, emergency="normal", runtime_ms=5)
    page = Page(items=[state], next_cursor=None)
    async with owner.answering(("query.actuator.states", actuation.StatesQuery, page)):
        found = (await operator.get(f"{PUMP}/history")).raise_for_status().json()
    (query,) = owner.asked
    assert query.end - query.start == 86_400_000_000
    assert found["items"][0] | {"at": ""} == {"at": "", "level": None, "emergency": "normal", "runtime_ms": 5}


async def test_an_engineer_says_what_is_done_about_drift(engineer: httpx.AsyncClient, owner: Owner) -> None:
    accepted = msgspec.structs.replace(ACTUATOR, policy="accept")
    async with owner.answering(("command.actuator.set_policy", actuation.SetShadowPolicy, accepted)):
        answer = await engineer.put(f"{PUMP}/policy", json={"policy": "accept", "reason": "by hand, at night"})
    (asked,) = owner.asked
    assert (asked.policy, asked.reason, asked.by) == ("accept", "by hand, at night", "engineer")
    assert (answer.status_code, answer.json()["policy"]) == (200, "accept")
