"""Rules over REST: what is asked of logic, how its answers look, and who may do what."""

import json
import re
from typing import Any, Final

import httpx
import msgspec
import pytest

from kaiser.contracts import logic, subjects
from kaiser.contracts.events.logic import Cause, NotificationAsked, RuleDefined, RunEnded, RunStarted, Seen
from kaiser.contracts.events.safeguards import ActuatorRef
from kaiser.contracts.logic import (
    BacktestReport,
    Change,
    Explanation,
    OnTime,
    RuleDecided,
    RuleView,
    RunView,
    Told,
    Vetoed,
    WhatIfReport,
)
from kaiser.contracts.queries import Page
from kaiser.contracts.refusals import Fault, Refusal, refusal_of
from kaiser.contracts.rules import Rule
from kaiser.eventlog import connect, new_id

from .clients import ROLES, client_of, events, socket_of, subscribe
from .conftest import Owner, Standing

API: Final = "/api/v1"
AT: Final = 1_777_500_031_250_000
TIME: Final = "2026-04-29T22:00:31.250000Z"
WATER: Final = {
    "name": "Water the bench",
    "condition": {
        "kind": "hysteresis",
        "sensor": {"esp_id": "ESP_9F03D4", "gpio": 34, "sensor_type": "moisture"},
        "on_below": 30,
        "off_above": 45,
    },
    "actions": [{"kind": "command", "actuator": {"esp_id": "ESP_9F03D4", "gpio": 25}, "command": "ON"}],
}
RULE: Final = msgspec.convert(WATER, Rule)
VIEW: Final = RuleView(
    rule_id="water",
    rule=RULE,
    version=3,
    newest=4,
    live=3,
    author="eva",
    defined_at=AT,
    truth=True,
    active=True,
    last_run_at=AT,
    running=["water.3.1"],
    damped={"ESP_9F03D4/25": AT},
)
DECIDED: Final = RuleDecided(
    rule_id="water",
    version=4,
    live=3,
    seq=12,
    warnings=[Fault(path="actions[0]", code="RULE_INVALID", detail="nothing switches it off", weight="warning")],
)
SEEN: Final = Seen(
    kind="all",
    truth=True,
    parts=(Seen(kind="compare", truth=True, what="ESP_9F03D4/34/moisture", value=29.4, at=AT, seq=7),),
)
WHY: Final = Explanation(
    rule_id="water", version=3, at=AT, verdict="cooldown", sentence="It is held back.", seen=SEEN, until=AT + 1_000_000
)
CAUSE: Final = Cause(kind="reading", what="ESP_9F03D4/34/moisture", stream="TELEMETRY", seq=7, at=AT)
ASKED: Final = {"esp_id": "ESP_9F03D4", "gpio": 25, "command": "ON", "at": AT}
RUN: Final = RunView(
    rule_id="water",
    version=3,
    run_id="water.3.1",
    branch="then",
    outcome="succeeded",
    started_at=AT,
    ended_at=AT + 2_500_000,
    cause=CAUSE,
    decisions=[Told(type="io.kaiser.run.command_asked.v1", decision=ASKED, seq=13)],
)
SKIP: Final = RunView(
    rule_id="water",
    version=3,
    run_id="",
    branch="then",
    outcome="skipped",
    reason="cooldown",
    started_at=AT,
    cause=CAUSE,
)
REPORT: Final = BacktestReport(
    rule_id="water",
    version=4,
    start=AT,
    end=AT + 1,
    digest="d" * 64,
    readings=9,
    run_count=1,
    skips={"cooldown": 2},
    on_time=[OnTime(actuator=ActuatorRef("ESP_9F03D4", 25), on_s=60.0, level_s=60.0, starts=1)],
    vetoed=[
        Vetoed(at=AT, run_id="r", step=1, actuator=ActuatorRef("ESP_9F03D4", 25), code="COOLING_DOWN", detail="paused")
    ],
    runs=[RUN],
    backtest_id="b-1",
)
DIFFERENT: Final = WhatIfReport(
    before=REPORT,
    after=REPORT,
    changes=[Change(kind="added", actuator=ActuatorRef("ESP_9F03D4", 25), command="ON", after=AT)],
    changed=1,
    on_s={"ESP_9F03D4/25": 30.0},
    vetoed=0,
)


def order(name: str, kind: Any, answer: Any = DECIDED) -> tuple[str, Any, Any]:
    return f"command.logic.{name}", kind, answer


def query(name: str, kind: Any, answer: Any) -> tuple[str, Any, Any]:
    return f"query.logic.{name}", kind, answer


async def test_rules_are_listed_and_shown_with_how_they_are(operator: httpx.AsyncClient, owner: Owner) -> None:
    listed = query("rules", logic.RulesQuery, Page(items=[VIEW], next_cursor="c2"))
    async with owner.answering(listed, query("rule", logic.RuleQuery, VIEW)):
        filters = {"enabled": "true", "esp_id": "ESP_9F03D4", "limit": 5, "cursor": "c1"}
        page = (await operator.get(f"{API}/rules", params=filters)).raise_for_status().json()
        one = (await operator.get(f"{API}/rules/water", params={"version": 3, "at_least": 9})).raise_for_status()
        old = (await operator.get(f"{API}/logic/rules/water")).raise_for_status().json()
    asked_list, asked_one, _ = owner.asked
    assert (asked_list.enabled, asked_list.esp_id, asked_list.limit, asked_list.cursor) == (True, "ESP_9F03D4", 5, "c1")
    assert (asked_one.rule_id, asked_one.version, asked_one.at_least) == ("water", 3, 9)
    assert (page["items"], page["next_cursor"]) == ([one.json()], "c2")
    assert old == one.json()
    shown = one.json()
    assert (shown["name"], shown["enabled"], shown["truth"], shown["running"]) == (
        "Water the bench", True, True, ["water.3.1"],
    )  # fmt: skip
    assert (shown["defined_at"], shown["last_run_at"], shown["blocked_until"]) == (TIME, TIME, None)
    assert shown["damped"] == {"ESP_9F03D4/25": TIME}
    assert shown["rule"]["condition"]["kind"] == "hysteresis"
    assert re.fullmatch('"4-[0-9a-f]{16}"', one.headers["etag"])


async def test_a_rule_is_defined_by_whoever_asks_and_against_the_version_that_they_know(
    operator: httpx.AsyncClient, owner: Owner
) -> None:
    path = f"{API}/rules/water"
    async with owner.answering(order("define", logic.DefineRule)):
        body = {"rule": WATER, "reason": "new bench", "enable": True, "expected_version": 3}
        answer = (await operator.put(path, json=body)).raise_for_status()
        await operator.put(path, json={"rule": WATER}, headers={"If-Match": '"3"'}, params={"dry": "true"})
        await operator.put(path, json={"rule": WATER, "monolith": True}, headers={"If-None-Match": "*"})
        await operator.put(path, json={"rule": WATER}, headers={"If-Match": "*"})
        wrong = await operator.put(path, json={"rule": WATER}, headers={"If-Match": "three"})
        assert (wrong.status_code, wrong.json()["where"]) == (400, "If-Match")
        assert (await operator.put(f"{API}/rules/Water", json={"rule": WATER})).status_code == 400
    first, second, third, fourth = owner.asked
    assert (first.rule_id, first.by, first.rule, first.reason) == ("water", "operator", WATER, "new bench")
    assert (first.enable, first.monolith, first.dry, first.expected_version) == (True, False, False, 3)
    assert (second.expected_version, second.dry, third.expected_version, third.monolith) == (3, True, 0, True)
    assert fourth.expected_version is None
    assert answer.headers["etag"] == '"4"'
    assert (answer.json()["version"], answer.json()["live"], answer.json()["seq"]) == (4, 3, 12)
    assert answer.json()["warnings"][0]["path"] == "actions[0]"


async def test_every_fault_of_a_rule_comes_with_its_path(operator: httpx.AsyncClient, owner: Owner) -> None:
    faults = [
        Fault(path="condition.sensor", code="SENSOR_NOT_FOUND", detail="there is no sensor"),
        Fault(path="condition.unit", code="UNIT_MISMATCH", detail="it measures in °C"),
    ]
    async with owner.answering(order("define", logic.DefineRule, refusal_of("RULE_INVALID", faults))):
        answer = await operator.put(f"{API}/rules/water", json={"rule": {"name": "x"}})
    found = answer.json()
    assert (answer.status_code, found["code"], found["where"]) == (400, "RULE_INVALID", "condition.sensor")
    assert [(each["path"], each["code"]) for each in found["faults"]] == [
        ("condition.sensor", "SENSOR_NOT_FOUND"),
        ("condition.unit", "UNIT_MISMATCH"),
    ]


async def test_a_version_that_somebody_else_made_meanwhile_is_a_conflict(
    operator: httpx.AsyncClient, owner: Owner
) -> None:
    changed = Refusal("RULE_CHANGED", "version 4 is the newest, not 3", "expected_version")
    async with owner.answering(order("define", logic.DefineRule, changed)):
        body = {"rule": WATER, "expected_version": 3}
        by_body = await operator.put(f"{API}/rules/water", json=body)
        by_header = await operator.put(f"{API}/rules/water", json={"rule": WATER}, headers={"If-Match": '"3"'})
    assert [(each.status_code, each.json()["code"]) for each in (by_body, by_header)] == [
        (409, "RULE_CHANGED"),
        (412, "RULE_CHANGED"),
    ]


async def test_rules_are_enabled_disabled_and_removed(operator: httpx.AsyncClient, owner: Owner) -> None:
    orders = (
        order("enable", logic.EnableRule),
        order("disable", logic.DisableRule),
        order("remove", logic.RemoveRule),
    )
    async with owner.answering(*orders):
        for path, body in (
            ("enable", None),
            ("enable", {"version": 2, "backtest_id": "b-1", "override": "urgent"}),
            ("disable", None),
            ("disable", {"reason": "empty bench"}),
        ):
            answer = await operator.post(f"{API}/rules/water/{path}", json=body)
            assert answer.is_success, answer.text
        (await operator.delete(f"{API}/rules/water", params={"reason": "no bench"})).raise_for_status()
    plain, with_trial, rest, why, gone = owner.asked
    assert (plain.rule_id, plain.by, plain.version, plain.override) == ("water", "operator", None, "")
    assert (with_trial.version, with_trial.backtest_id, with_trial.override) == (2, "b-1", "urgent")
    assert (rest.reason, why.reason, gone.reason) == ("", "empty bench", "no bench")
    needed = Refusal("BACKTEST_REQUIRED", "version 4 needs a backtest", "backtest_id")
    async with owner.answering(order("enable", logic.EnableRule, needed)):
        answer = await operator.post(f"{API}/rules/water/enable")
    assert (answer.status_code, answer.json()["code"]) == (409, "BACKTEST_REQUIRED")


async def test_why_is_answered_for_a_rule_a_moment_a_run_and_a_draft(operator: httpx.AsyncClient, owner: Owner) -> None:
    answers = (query("explain", logic.ExplainQuery, WHY), query("test", logic.TestRule, WHY))
    async with owner.answering(*answers):
        now = (await operator.get(f"{API}/rules/water/explanation")).raise_for_status().json()
        await operator.get(f"{API}/rules/water/explanation", params={"at": TIME})
        await operator.get(f"{API}/rules/water/runs/water.3.1/explanation")
        await operator.post(f"{API}/rules/water/test")
        body = {"rule": WATER, "values": {"ESP_9F03D4/34/moisture": 12.5}}
        draft = (await operator.post(f"{API}/rules/draft/test", json=body)).raise_for_status().json()
    asked_now, asked_then, asked_run, asked_test, asked_draft = owner.asked
    assert (asked_now.at, asked_then.at) == (0, AT)
    assert (asked_run.rule_id, asked_run.run_id) == ("water", "water.3.1")
    assert (asked_test.rule_id, asked_test.rule) == ("water", None)
    assert (asked_draft.rule, asked_draft.values) == (WATER, {"ESP_9F03D4/34/moisture": 12.5})
    assert now == draft
    assert (now["verdict"], now["at"], now["until"]) == ("cooldown", TIME, "2026-04-29T22:00:32.250000Z")
    (part,) = now["seen"]["parts"]
    assert (part["value"], part["at"], part["seq"], part["truth"]) == (29.4, TIME, 7, True)


async def test_runs_are_listed_with_what_came_of_them(operator: httpx.AsyncClient, owner: Owner) -> None:
    page = Page(items=[RUN, SKIP], next_cursor="c2")
    async with owner.answering(query("runs", logic.RunsQuery, page)):
        filters = {"outcome": "skipped", "from": "1777500000", "limit": 7, "cursor": "c1"}
        listed = (await operator.get(f"{API}/rules/water/runs", params=filters)).raise_for_status().json()
        everybody = (await operator.get(f"{API}/rule-runs")).raise_for_status().json()
    of_one, of_all = owner.asked
    assert (of_one.rule_id, of_one.outcome, of_one.start, of_one.limit) == (
        "water", "skipped", 1_777_500_000_000_000, 7,
    )  # fmt: skip
    assert (of_all.rule_id, of_all.outcome) == (None, None)
    assert listed == everybody
    ran, skipped = listed["items"]
    assert (ran["started_at"], ran["ended_at"], ran["cause"]["seq"]) == (TIME, "2026-04-29T22:00:33.750000Z", 7)
    assert ran["decisions"] == [{"type": "io.kaiser.run.command_asked.v1", "seq": 13, "decision": ASKED}]
    assert (skipped["run_id"], skipped["reason"], skipped["ended_at"]) == ("", "cooldown", None)


async def test_rules_are_tried_on_the_past_and_compared(operator: httpx.AsyncClient, owner: Owner) -> None:
    answers = (query("backtest", logic.Backtest, REPORT), query("whatif", logic.WhatIf, DIFFERENT))
    span = {"start": "2026-04-01T00:00:00Z", "end": "2026-05-01T00:00:00+02:00"}
    async with owner.answering(*answers):
        tried = (await operator.post(f"{API}/rules/water/backtest", json=span | {"version": 4})).raise_for_status()
        body = span | {"version": 4, "against": 3}
        compared = (await operator.post(f"{API}/rules/water/whatif", json=body)).raise_for_status().json()
        await operator.post(f"{API}/rules/water/backtest", json={"start": span["start"], "rule": WATER})
        for wrong in ({}, {"start": "yesterday"}, {"start": span["end"], "end": span["start"]}):
            answer = await operator.post(f"{API}/rules/water/backtest", json=wrong)
            assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_PAYLOAD_FORMAT"), answer.text
    first, second, third = owner.asked
    assert (first.version, first.by, first.start, first.end) == (
        4, "operator", 1_775_001_600_000_000, 1_777_586_400_000_000,
    )  # fmt: skip
    assert (second.version, second.against) == (4, 3)
    assert (third.rule, third.version, third.end > third.start) == (WATER, None, True)
    report = tried.json()
    assert (report["start"], report["backtest_id"], report["skips"]) == (TIME, "b-1", {"cooldown": 2})
    assert (report["on_time"][0]["on_s"], report["vetoed"][0]["at"]) == (60.0, TIME)
    assert report["runs"][0]["run_id"] == "water.3.1"
    assert (compared["changes"][0]["after"], compared["changes"][0]["before"]) == (TIME, None)
    assert compared["on_s"] == {"ESP_9F03D4/25": 30.0}


async def test_rules_go_out_and_come_in_as_yaml(operator: httpx.AsyncClient, owner: Owner) -> None:
    text = 'rules:\n  water:\n    name: "Wässern"\n'
    exported = query("export", logic.ExportRules, logic.RulesText(text=text))
    imported = order("import", logic.ImportRules, [DECIDED])
    async with owner.answering(exported, imported):
        everything = (await operator.get(f"{API}/rules.yaml")).raise_for_status()
        await operator.get(f"{API}/rules.yaml", params={"rule_id": ["water", "heat"]})
        query_of = {"enable": "true", "dry": "true", "reason": "from the repository"}
        headers = {"Content-Type": "application/yaml"}
        answer = await operator.post(f"{API}/rules.yaml", content=text.encode(), params=query_of, headers=headers)
        broken = await operator.post(f"{API}/rules.yaml", content=b"\xff", headers=headers)
        assert (broken.status_code, broken.json()["code"]) == (400, "INVALID_PAYLOAD_FORMAT")
    assert (everything.text, everything.headers["content-type"]) == (text, "application/yaml")
    all_of_them, some, given = owner.asked
    assert (all_of_them.rule_ids, some.rule_ids) == (None, ["water", "heat"])
    assert (given.text, given.by, given.enable, given.dry) == (text, "operator", True, True)
    assert given.reason == "from the repository"
    assert [each["version"] for each in answer.raise_for_status().json()] == [4]


async def test_templates_are_listed_and_filled(operator: httpx.AsyncClient, owner: Owner) -> None:
    parameter = logic.TemplateParameter(name="dry", kind="number", description="d", required=False, default=30.0)
    template = logic.Template(name="irrigation", description="Water", parameters=[parameter])
    answers = (
        query("templates", logic.TemplatesQuery, [template]),
        query("fill", logic.FillTemplate, RULE),
    )
    async with owner.answering(*answers):
        listed = (await operator.get(f"{API}/rule-templates")).raise_for_status().json()
        body = {"parameters": {"dry": 28}}
        made = (await operator.post(f"{API}/rule-templates/irrigation", json=body)).raise_for_status().json()
        (await operator.put(f"{API}/rules/water", json={"rule": made}))
    assert listed == [msgspec.to_builtins(template)]
    assert (owner.asked[1].name, owner.asked[1].parameters) == ("irrigation", {"dry": 28})
    assert msgspec.convert(made, Rule) == RULE


OLD: Final = {"rule_name": "Water the North bench!", "trigger_conditions": {}, "actions": []}


async def test_clients_of_the_monolith_find_their_routes(operator: httpx.AsyncClient, owner: Owner) -> None:
    orders = (
        order("define", logic.DefineRule),
        order("enable", logic.EnableRule),
        order("disable", logic.DisableRule),
        order("remove", logic.RemoveRule),
        query("rule", logic.RuleQuery, VIEW),
        query("test", logic.TestRule, WHY),
    )
    rules = f"{API}/logic/rules"
    async with owner.answering(*orders):
        made = await operator.post(rules, json=OLD | {"enabled": False})
        assert (made.status_code, made.json()["success"]) == (201, True)
        (await operator.put(f"{rules}/water", json=OLD)).raise_for_status()
        (await operator.post(f"{rules}/water/toggle")).raise_for_status()
        (await operator.post(f"{rules}/water/toggle", json={"enabled": True})).raise_for_status()
        (await operator.post(f"{rules}/water/test", json={"values": {"ESP_9F03D4/34/moisture": 3}})).raise_for_status()
        (await operator.delete(f"{rules}/water")).raise_for_status()
        assert (await operator.post(rules, json={"rule_name": "!"})).json()["where"] == "rule_name"
    created, changed, _, toggled, enabled, tested, removed = owner.asked
    assert (created.rule_id, created.expected_version, created.enable) == ("water-the-north-bench", 0, False)
    assert created.rule == OLD | {"enabled": False}
    assert (changed.rule_id, changed.expected_version, changed.enable) == ("water", None, True)
    assert (created.monolith, changed.monolith) == (True, True)
    assert [type(each) for each in (toggled, enabled)] == [logic.DisableRule, logic.EnableRule]
    assert (tested.values, removed.rule_id) == ({"ESP_9F03D4/34/moisture": 3.0}, "water")


async def test_an_id_of_a_rule_that_was_removed_is_passed_over(operator: httpx.AsyncClient, owner: Owner) -> None:
    async def define(asked: logic.DefineRule) -> RuleDecided:
        if asked.rule_id == "water-the-north-bench":
            raise Refusal("RULE_NOT_FOUND", "it was removed; its id is not used again")
        return msgspec.structs.replace(DECIDED, rule_id=asked.rule_id)

    async with owner.answering(order("define", logic.DefineRule, define)):
        made = (await operator.post(f"{API}/logic/rules", json=OLD)).raise_for_status().json()
    assert made["rule_id"] == "water-the-north-bench-2"


async def test_the_history_has_the_monoliths_words(operator: httpx.AsyncClient, owner: Owner) -> None:
    page = Page(items=[RUN, SKIP], next_cursor=None)
    async with owner.answering(query("runs", logic.RunsQuery, page)):
        path = f"{API}/logic/execution_history"
        everything = (await operator.get(path, params={"rule_id": "water"})).raise_for_status().json()
        failed = (await operator.get(path, params={"success": "false"})).raise_for_status().json()
        await operator.get(path, params={"success": "true", "start_time": TIME})
    ran, skipped = everything["entries"]
    assert (ran["success"], ran["execution_time_ms"], ran["timestamp"]) == (True, 2500, TIME)
    assert (ran["trigger_data"]["what"], ran["actions_executed"]) == ("ESP_9F03D4/34/moisture", [ASKED])
    assert (skipped["success"], skipped["error_message"]) == (False, "cooldown")
    assert failed["entries"] == everything["entries"]  # logic chooses
    assert [asked.outcomes for asked in owner.asked[:3]] == [
        ("succeeded", "failed", "cancelled", "skipped"),
        ("failed", "cancelled", "skipped"),
        ("succeeded",),
    ]
    assert owner.asked[2].start == AT


async def test_what_rules_do_is_pushed_with_their_names_to_those_who_ask_for_them(
    standing: Standing, operator: httpx.AsyncClient
) -> None:
    about = {"rule_id": "north", "at": AT, "by": "eva"}
    defined = RuleDefined(version=1, rule=RULE, **about)
    run = {"n": 1, "at": AT, "rule_id": "north", "version": 1, "run_id": "north.1.1"}
    started = RunStarted(branch="then", cause=CAUSE, seen=SEEN, **run)
    ended = RunEnded(branch="then", outcome="succeeded", **run)
    mailed = NotificationAsked(step=1, path="actions[0]", channel="email", target="a@b", message="dry", **run)
    told = msgspec.structs.replace(mailed, channel="websocket")
    of_another = msgspec.structs.replace(started, rule_id="south")
    async with socket_of(operator) as ws, await connect(standing.nats.url, name="test") as log:
        await subscribe(ws, operator, filters={"rule_ids": ["north"]}, delivery="immediate")
        for event in (defined, started, of_another, mailed, told, ended):
            subject = subjects.rule("north", "defined") if event is defined else subjects.run(event.rule_id)
            headers = {"ce-type": event.TYPE, "ce-id": new_id()}
            ack = await log.js.publish(subject, msgspec.json.encode(event), headers=headers)
        found = await events(ws, 4)
    assert [each["type"] for each in found] == ["rule_changed", "logic_execution", "notification", "logic_execution"]
    assert {each["data"]["rule_name"] for each in found} == {"Water the bench"}
    began, over = found[1]["data"], found[3]["data"]
    assert (began["state"], began["success"], began["trigger"]) == ("started", None, "ESP_9F03D4/34/moisture")
    assert (over["state"], over["success"], over["timestamp"]) == ("succeeded", True, AT // 1_000_000)
    assert found[3]["seq"] == ack.seq
    assert "rule" not in found[0]["data"]


ONE: Final = f"{API}/rules/water"
OLD_ONE: Final = f"{API}/logic/rules/water"
WRITES: Final = [
    ("PUT", ONE, {"rule": WATER}),
    ("DELETE", ONE, None),
    ("POST", f"{ONE}/enable", None),
    ("POST", f"{ONE}/disable", None),
    ("POST", f"{ONE}/test", None),
    ("POST", f"{ONE}/backtest", {"start": "1777500000"}),
    ("POST", f"{ONE}/whatif", {"start": "1777500000"}),
    ("POST", f"{API}/rules.yaml", {}),
    ("POST", f"{API}/logic/rules", OLD),
    ("PUT", OLD_ONE, OLD),
    ("DELETE", OLD_ONE, None),
    ("POST", f"{OLD_ONE}/toggle", None),
    ("POST", f"{OLD_ONE}/test", None),
]
READS: Final = [
    ("GET", f"{API}/rules", None),
    ("GET", ONE, None),
    ("GET", f"{ONE}/runs", None),
    ("GET", f"{ONE}/explanation", None),
    ("GET", f"{ONE}/runs/water.3.1", None),
    ("GET", f"{ONE}/runs/water.3.1/explanation", None),
    ("GET", f"{API}/rule-runs", None),
    ("GET", f"{API}/rules.yaml", None),
    ("GET", f"{API}/rule-templates", None),
    ("GET", f"{API}/rule-templates/irrigation", None),
    ("POST", f"{API}/rule-templates/irrigation", {}),
    ("GET", f"{API}/logic/rules", None),
    ("GET", OLD_ONE, None),
    ("GET", f"{API}/logic/execution_history", None),
]


@pytest.mark.parametrize("role", ROLES)
async def test_who_may_do_what(standing: Standing, role: str) -> None:
    """Where nobody answers, whoever may ask gets 503, and whoever may not 403."""
    async with client_of(standing.gateway, role) as client:
        for method, path, body in WRITES:
            answer = await client.request(method, path, json=body)
            assert answer.status_code == (403 if role == "viewer" else 503), (role, method, path, answer.text)
        for method, path, body in READS:
            answer = await client.request(method, path, json=body)
            assert answer.status_code == 503, (role, method, path, answer.text)


async def test_no_route_for_rules_is_left_out_of_the_walk(operator: httpx.AsyncClient) -> None:
    document = (await operator.get("/schema/openapi.json")).raise_for_status().json()
    routes = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        if "rule" in path or "/logic/" in path
        for method in methods
    }
    walked = {
        (method, path.replace("water.3.1", "{run_id}").replace("water", "{rule_id}").replace("irrigation", "{name}"))
        for method, path, _ in WRITES + READS
    }
    assert routes == walked
    assert json.dumps(document["components"]["schemas"]["SeenView"]).count("SeenView")
