"""Rules are ordered and asked about, and none of it needs the database."""

import msgspec
import nats.errors
from tests.integration.logic.again import assert_the_same_again
from tests.integration.logic.site import ESP, PUMP, below, rule, switch

from kaiser.contracts import subjects
from kaiser.contracts.events.logic import RuleDefined, RuleEnabled, RunEnded
from kaiser.contracts.logic import (
    DefineRule,
    DisableRule,
    EnableRule,
    ExplainQuery,
    ImportRules,
    RemoveRule,
    RuleQuery,
    RulesQuery,
    TestRule,
)
from kaiser.local import ephemeral_services

YAML = """
rules:
  water:
    name: Water
    condition: {kind: compare, sensor: {esp_id: ESP_0A1B2C, gpio: 34, sensor_type: moisture}, operator: "<", value: 30}
    actions:
      - {kind: command, actuator: {esp_id: ESP_0A1B2C, gpio: 25}, command: ON}
  told:
    name: Told
    triggers:
      - {kind: ran, rule: water}
    actions:
      - {kind: notify, channel: websocket, message: watered}
"""


def command(name: str) -> str:
    return subjects.command("logic", name)


async def problem(site, subject: str, asked: msgspec.Struct) -> str:
    reply = await site.ask(subject, asked)
    return "" if reply.problem is None else reply.problem.code


async def test_rules_are_defined_changed_rested_and_removed_with_who_did_it(site, new_logic):
    new_logic().start()
    await site.has_device()
    first = await site.orders("define", DefineRule(rule_id="water", rule=rule(below(30), switch("ON")), by="eva"))
    assert (first["version"], first["live"]) == (1, 0)
    other = rule(below(20), switch("ON"))
    changed = DefineRule(rule_id="water", rule=other, by="ada", enable=True, expected_version=1, reason="too wet")
    second = await site.orders("define", changed)
    assert (second["version"], second["live"]) == (2, 2)
    assert await problem(site, command("define"), changed) == "RULE_CHANGED"
    view = await site.asked("rule", RuleQuery(rule_id="water", at_least=second["seq"]))
    assert (view["author"], view["reason"], view["live"]) == ("ada", "too wet", 2)
    back = await site.orders("enable", EnableRule(rule_id="water", version=1, by="eva"))
    assert back["live"] == 1
    assert (await site.orders("disable", DisableRule(rule_id="water", by="eva")))["live"] == 0
    await site.orders("remove", RemoveRule(rule_id="water", by="eva"))
    assert await problem(site, subjects.query("logic", "rule"), RuleQuery(rule_id="water")) == "RULE_NOT_FOUND"
    assert await problem(site, command("define"), changed) == "RULE_NOT_FOUND"
    assert [event.version for event in site.of(RuleEnabled)] == [2, 1]


async def test_what_cannot_be_meant_is_refused_with_where_and_a_dry_order_defines_nothing(site, acting, new_logic):
    new_logic().start()
    await site.knows_device()
    wrong = rule(below(30), switch("ON", 99), switch("OFF", duration_s=5))
    reply = await site.ask(command("define"), DefineRule(rule_id="odd", rule=wrong, by="eva"))
    assert reply.problem.code == "RULE_INVALID"
    faults = {fault.path: fault.code for fault in reply.problem.faults}
    assert faults == {"actions[0].actuator": "ACTUATOR_NOT_FOUND", "actions[1].duration_s": "RULE_INVALID"}
    fine = rule(below(30), switch("ON"))
    dry = await site.orders("define", DefineRule(rule_id="odd", rule=fine, by="eva", dry=True))
    assert (dry["version"], dry["live"], [fault["path"] for fault in dry["warnings"]]) == (0, 0, ["actions[0]"])
    assert site.of(RuleDefined) == []


async def test_many_rules_come_as_yaml_all_or_none(site, acting, new_logic):
    new_logic().start()
    await site.knows_device()
    broken = YAML.replace("rule: water", "rule: wotar")
    assert await problem(site, command("import"), ImportRules(text=broken, by="eva", enable=True)) == "RULE_INVALID"
    assert site.of(RuleDefined) == []
    done = await site.orders("import", ImportRules(text=YAML, by="eva", enable=True))
    assert [(each["rule_id"], each["live"]) for each in done] == [("water", 1), ("told", 1)]
    for rule_id in ("water", "told"):
        await site.goes_by(rule_id)
    await site.measures(20)
    await site.one(RunEnded, rule_id="told")
    page = await site.asked("rules", RulesQuery(limit=1))
    assert [view["rule_id"] for view in page["items"]] == ["told"]
    page = await site.asked("rules", RulesQuery(limit=1, cursor=page["next_cursor"]))
    assert [view["rule_id"] for view in page["items"]] == ["water"]
    assert page["next_cursor"] is None
    assert [view["rule_id"] for view in (await site.asked("rules", RulesQuery(esp_id=ESP)))["items"]] == ["water"]


async def test_a_rule_says_why_it_does_not_run_and_a_draft_is_held_against_what_is_known(site, acting, new_logic):
    new_logic().start()
    await site.knows_device()
    await site.live("water", rule(below(30), switch("ON")))

    async def verdict() -> str:
        return (await site.asked("explain", ExplainQuery(rule_id="water")))["verdict"]

    assert await verdict() == "condition_unknown"
    await site.measures(50)
    await site.comes_to(verdict, "condition_false")
    why = await site.asked("explain", ExplainQuery(rule_id="water"))
    assert "50" in why["sentence"]
    draft = TestRule(rule=rule(below(60), switch("ON")), rule_id="water")
    assert (await site.asked("test", draft))["seen"]["truth"] is True
    assumed = TestRule(rule_id="water", values={f"{ESP}/34/moisture": 10.0})
    assert (await site.asked("test", assumed))["seen"]["truth"] is True
    assert await verdict() == "condition_false"
    await site.measures(20)
    await site.comes_to(verdict, "acted")


async def test_it_starts_decides_and_answers_while_the_database_is_away(site, own_postgres, nats_server, tmp_path):
    acting = [
        ephemeral_services.actuator(tmp_path / "actuator", nats_server, own_postgres),
        ephemeral_services.safety(tmp_path / "safety", nats_server, own_postgres),
    ]
    service = ephemeral_services.logic(tmp_path / "logic", nats_server, own_postgres, lease_s="1")
    try:
        for each in acting:
            each.start()
        await site.knows_device()
        own_postgres.stop()
        service.wait = False
        service.start()

        await site.comes_to(answers_with(site), [])
        await site.live("water", rule(below(30), switch("ON")))
        await site.measures(20)
        await site.until(lambda: site.told == [(ESP, PUMP, "ON")])
        service.kill()
        service.start()
        await site.comes_to(answers_with(site), ["water"])
        await site.one(RunEnded)
        await assert_the_same_again(site.log)
    finally:
        for each in (service, *acting):
            each.kill()


def answers_with(site):
    async def ids() -> list[str]:
        try:
            return [view["rule_id"] for view in (await site.asked("rules", RulesQuery()))["items"]]
        except nats.errors.Error as error:  # not there yet
            return [repr(error)]

    return ids
