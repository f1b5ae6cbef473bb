"""``kaiserctl rules`` against a real gateway: what it asks, what it prints, and how it fails."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from kaiser.contracts import logic
from kaiser.contracts.queries import Page
from kaiser.contracts.refusals import Fault, refusal_of

from .clients import client_of
from .conftest import Owner, Standing
from .test_rules import AT, DECIDED, DIFFERENT, REPORT, RUN, SKIP, VIEW, WATER, WHY, order, query


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Shell:
    """Runs the command line as an operator of a gateway."""

    def __init__(self, standing: Standing, folder: Path) -> None:
        client = client_of(standing.gateway, "operator")
        token = folder / "token"
        token.write_text(client.headers["Authorization"].removeprefix("Bearer ") + "\n")
        url = f"http://{client.base_url.host}:{client.base_url.port}"
        self.environment = {**os.environ, "KAISER_URL": url, "KAISER_TOKEN_FILE": str(token)}

    async def __call__(self, *words: str, given: str = "", **environment: str) -> Done:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kaiser.ctl", "rules", *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment | environment,
        )
        out, err = await process.communicate(given.encode())
        return Done(process.returncode or 0, out.decode(), err.decode())

    async def done(self, *words: str, given: str = "") -> str:
        """What a command prints that succeeds."""
        found = await self(*words, given=given)
        assert (found.code, found.err) == (0, ""), found
        return found.out


@pytest.fixture
def rules(standing: Standing, tmp_path: Path) -> Shell:
    return Shell(standing, tmp_path)


async def test_rules_are_listed_page_by_page_and_shown(rules: Shell, owner: Owner) -> None:
    async def page(asked: logic.RulesQuery) -> Any:
        rest = msgspec.structs.replace(VIEW, rule_id="heat", live=0, running=[])
        return Page(items=[VIEW], next_cursor="c") if asked.cursor is None else Page(items=[rest], next_cursor=None)

    async with owner.answering(query("rules", logic.RulesQuery, page), query("rule", logic.RuleQuery, VIEW)):
        listed = (await rules.done("list", "--enabled", "--device", "ESP_9F03D4")).splitlines()
        shown = json.loads(await rules.done("show", "water", "--version", "3"))
    assert [line.split()[:4] for line in listed[1:]] == [
        ["water", "3/4", "+", "running"],
        ["heat", "-/4", "disabled", "2026-04-29T22:00:31.250000Z"],
    ]
    assert [(asked.enabled, asked.esp_id) for asked in owner.asked[:2]] == [(True, "ESP_9F03D4")] * 2
    assert (shown["rule_id"], shown["rule"]["name"], owner.asked[2].version) == ("water", "Water the bench", 3)


async def test_yaml_goes_in_and_out(rules: Shell, owner: Owner, tmp_path: Path) -> None:
    text = "rules:\n  water: {name: Wässern}\n"
    (tmp_path / "rules.yaml").write_text(text)
    exported = query("export", logic.ExportRules, logic.RulesText(text=text))
    async with owner.answering(exported, order("import", logic.ImportRules, [DECIDED])):
        assert await rules.done("export", "water", "heat") == text
        said = await rules.done("import", str(tmp_path / "rules.yaml"), "--enable", "--reason", "new bench")
        await rules.done("import", "-", "--dry", given=text)
    asked, enabled, dry = owner.asked
    assert asked.rule_ids == ["water", "heat"]
    assert (enabled.text, enabled.enable, enabled.reason, enabled.dry) == (text, True, "new bench", False)
    assert (dry.text, dry.enable, dry.dry) == (text, False, True)
    assert said.splitlines() == [
        "water: version 4; version 3 is live",
        "  warning: actions[0]  RULE_INVALID  nothing switches it off",
    ]


async def test_rules_are_enabled_disabled_and_removed(rules: Shell, owner: Owner) -> None:
    orders = (order("enable", logic.EnableRule), order("disable", logic.DisableRule), order("remove", logic.RemoveRule))
    async with owner.answering(*orders):
        await rules.done("enable", "water", "--version", "2", "--backtest", "b-1")
        await rules.done("disable", "water", "--reason", "empty bench")
        await rules.done("remove", "water")
    enabled, disabled, removed = owner.asked
    assert (enabled.version, enabled.backtest_id, enabled.override) == (2, "b-1", "")
    assert (disabled.reason, removed.rule_id, removed.by) == ("empty bench", "water", "operator")


async def test_why_is_told_with_the_tree_of_conditions(rules: Shell, owner: Owner) -> None:
    answers = (query("explain", logic.ExplainQuery, WHY), query("test", logic.TestRule, WHY))
    async with owner.answering(*answers):
        said = await rules.done("why", "water", "--at", "1777500031.25")
        await rules.done("why", "water", "--run", "water.3.1")
        await rules.done("test", "water", "--value", "ESP_9F03D4/34/moisture=12.5")
    assert said.splitlines() == [
        "cooldown: It is held back.",
        "  + all",
        "    + compare ESP_9F03D4/34/moisture is 29.4",
    ]
    then, run, test = owner.asked
    assert (then.at, run.run_id, test.values) == (AT, "water.3.1", {"ESP_9F03D4/34/moisture": 12.5})


async def test_the_past_and_what_rules_did_are_tables(rules: Shell, owner: Owner, tmp_path: Path) -> None:
    draft = tmp_path / "draft.json"
    draft.write_text(json.dumps(WATER))
    answers = (
        query("backtest", logic.Backtest, REPORT),
        query("whatif", logic.WhatIf, DIFFERENT),
        query("runs", logic.RunsQuery, Page(items=[RUN, SKIP], next_cursor=None)),
        query("templates", logic.TemplatesQuery, []),
    )
    span = ("--from", "2026-04-01T00:00:00Z", "--to", "2026-05-01T00:00:00Z")
    async with owner.answering(*answers):
        tried = await rules.done("backtest", "water", *span, "--file", str(draft))
        compared = await rules.done("whatif", "water", *span, "--version", "4", "--against", "3")
        listed = await rules.done("runs", "water", "--outcome", "skipped", "--limit", "2")
        raw = json.loads(await rules.done("runs", "--json"))
        assert await rules.done("templates") == "\n"
    assert (owner.asked[0].rule, owner.asked[1].version, owner.asked[1].against) == (WATER, 4, 3)
    assert "on       ESP_9F03D4/25 for 60 s, 1 starts" in tried
    assert "backtest b-1" in tried
    assert "added    ESP_9F03D4/25 ON" in compared
    assert [line.split()[1:4] for line in listed.splitlines()[1:]] == [
        ["water.3.1", "then", "succeeded"],
        ["water", "then", "skipped"],
    ]
    assert (owner.asked[2].rule_id, owner.asked[2].outcome, owner.asked[2].limit) == ("water", "skipped", 2)
    assert raw[0]["run_id"] == "water.3.1"


async def test_a_refusal_is_told_fault_by_fault_and_fails(rules: Shell, owner: Owner, tmp_path: Path) -> None:
    faults = [Fault(path="rules.water.condition.sensor", code="SENSOR_NOT_FOUND", detail="there is no sensor")]
    refused = refusal_of("RULE_INVALID", faults)
    async with owner.answering(order("import", logic.ImportRules, refused)):
        found = await rules("import", "-", given="rules: {}")
    assert (found.code, found.out) == (1, "")
    assert found.err.splitlines() == [
        "kaiserctl: RULE_INVALID:",
        "  rules.water.condition.sensor  SENSOR_NOT_FOUND  there is no sensor",
    ]
    away = await rules("list")
    assert (away.code, away.err) == (3, "kaiserctl: SERVICE_ERROR: logic is not running\n")
    assert (await rules("import", str(tmp_path / "none.yaml"))).err.startswith("kaiserctl: cannot read")
    assert "ESP_9F03D4/34/moisture=12.5" in (await rules("test", "water", "--value", "dry")).err


async def test_another_kaiser_is_asked_with_a_token_only(rules: Shell) -> None:
    found = await rules("list", KAISER_TOKEN_FILE="")
    assert (found.code, "--token-file" in found.err) == (2, True)
    nobody = await rules("list", KAISER_URL="http://127.0.0.1:9", KAISER_TOKEN="t")
    assert (nobody.code, "http://127.0.0.1:9" in nobody.err) == (3, True)
