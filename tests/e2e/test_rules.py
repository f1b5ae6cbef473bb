"""Rules on a whole suite, with firmware of both generations: made over REST, run by readings, explained, at rest."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from kaiser.fleet.sensors import SensorSpec

from .living import now, until
from .plant import PUMP, Plant, planted
from .suite import Heard, Suite, hearing, logged_in

BOTH: Final = pytest.mark.parametrize("generation", ["dec", "head"])
TANK: Final = 32
SOUR, FINE = 2800, 1861
"""Counts of the pH probe for about 4.3 and 7.0."""


@pytest.fixture
async def api(suite: Suite) -> AsyncIterator[httpx.AsyncClient]:
    async with logged_in(suite.gateway) as client:
        yield client


def dosing(esp_id: str, **sensor: Any) -> dict[str, Any]:
    """Dose while the tank is sour."""
    tank = {"esp_id": esp_id, "gpio": TANK, "sensor_type": "ph"} | sensor
    pump, off = {"esp_id": esp_id, "gpio": PUMP}, {"esp_id": esp_id, "gpio": PUMP}
    return {
        "name": f"Dose the tank of {esp_id}",
        "condition": {"kind": "hysteresis", "sensor": tank, "on_below": 5, "off_above": 6.5, "unit": "pH"},
        "actions": [{"kind": "command", "actuator": pump, "command": "ON"}],
        "otherwise": [{"kind": "command", "actuator": off, "command": "OFF"}],
        "hold_s": 0,
    }


def measures(plant: Plant, count: int) -> None:
    """The probe measures this from now on."""
    plant.device.firmware.replace_sensors(TANK, [SensorSpec(sensor_type="ph", gpio=TANK, middle=count, swing=0)])


async def pumps(plant: Plant, level: float) -> None:
    """Wait until the pump really does that."""
    await until(lambda: now(plant.level(PUMP)), lambda found: found == level)


async def measured(plant: Plant, *, below: float = 99.0, above: float = 0.0, after: str = "") -> str:
    """Wait for a reading between two values; when it was measured."""
    found = await until(
        lambda: plant.seen.latest(TANK, "ph"),
        lambda reading: reading and above < reading["value"] < below and reading["measured_at"] > after,
    )
    at: str = found["measured_at"]
    return at


async def told(heard: Heard, *states: str) -> list[dict[str, Any]]:
    """What was heard of executions, once they ended so."""
    async with asyncio.timeout(30):
        while [each["data"]["state"] for each in heard.events] != [*states]:
            await heard.more()
    return [each["data"] for each in heard.events]


async def explained(api: httpx.AsyncClient, path: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get(f"{path}/explanation")).raise_for_status().json()
    return found


@BOTH
async def test_a_rule_switches_what_it_watches_says_why_and_rests(
    suite: Suite, api: httpx.AsyncClient, generation: str
) -> None:
    esp_id = "ESP_71DEC0" if generation == "dec" else "ESP_714EAD"
    path = f"/rules/dose-{generation}"
    async with planted(suite, api, esp_id, generation) as plant:
        measures(plant, FINE)
        await measured(plant, above=6.5)
        async with hearing(suite.gateway, api, types=["logic_execution"], rule_ids=[f"dose-{generation}"]) as heard:
            body = {"rule": dosing(esp_id), "reason": "new tank", "enable": True, "expected_version": 0}
            made = (await api.put(path, json=body)).raise_for_status().json()
            assert (made["version"], made["live"], made["warnings"]) == (1, 1, [])
            shown = (await api.get(path, params={"at_least": made["seq"]})).raise_for_status().json()
            assert (shown["enabled"], shown["author"], shown["rule"]["name"]) == (True, "admin", body["rule"]["name"])

            measures(plant, SOUR)
            await pumps(plant, 1.0)
            began, ended = await told(heard, "started", "succeeded")
            assert (began["rule_name"], began["action"], ended["success"]) == (body["rule"]["name"], "then", True)
            assert (began["run_id"], began["trigger"]) == (ended["run_id"], f"{esp_id}/{TANK}/ph")
            recorded = f"{path}/runs/{began['run_id']}/explanation"
            why = (await until(lambda: api.get(recorded), lambda answer: answer.is_success)).json()
            assert (why["seen"]["truth"], why["seen"]["value"] < 5, why["seen"]["seq"] > 0) == (True, True, True)
            assert (await explained(api, path))["verdict"] == "acted"
            commands = (await api.get("/commands", params={"esp_id": esp_id})).json()["items"]
            assert commands[0]["source"] == "rule"

            measures(plant, FINE)
            await pumps(plant, 0.0)
            assert (await told(heard, "started", "succeeded", "started", "succeeded"))[2]["action"] == "otherwise"
        listed = await until(lambda: runs(api, path), lambda items: len(items) == 2 and items[0]["ended_at"])
        assert [(item["branch"], item["outcome"]) for item in listed] == [
            ("otherwise", "succeeded"),
            ("then", "succeeded"),
        ]
        assert listed[1]["run_id"] == began["run_id"]
        await looked_back_on(api, path, shown["defined_at"], listed[1])
        await resting(api, plant, path)


async def looked_back_on(api: httpx.AsyncClient, path: str, since: str, run: dict[str, Any]) -> None:
    """The past says of the rule what was so, and lets it go live with the trial on it."""
    then = (await api.get(f"{path}/explanation", params={"at": run["started_at"]})).raise_for_status().json()
    assert (then["at"], then["version"], then["seen"]["truth"]) == (run["started_at"], 1, True)
    tried = (await api.post(f"{path}/backtest", json={"start": since})).raise_for_status().json()
    assert (tried["version"], tried["run_count"] >= 1, tried["on_time"][0]["starts"] >= 1) == (1, True, True)
    enabled = await api.post(f"{path}/enable", json={"backtest_id": tried["backtest_id"]})
    assert enabled.raise_for_status().json()["live"] == 1
    wrong = await api.post(f"{path}/enable", json={"backtest_id": "of-nothing"})
    assert (wrong.status_code, wrong.json()["code"]) == (404, "BACKTEST_NOT_FOUND")


async def resting(api: httpx.AsyncClient, plant: Plant, path: str) -> None:
    """A rule that is disabled while it has something on switches that off, and does nothing any more."""
    measures(plant, SOUR)
    await pumps(plant, 1.0)
    (await api.post(f"{path}/disable", json={"reason": "the tank is cleaned"})).raise_for_status()
    await pumps(plant, 0.0)
    at = ""
    for _ in range(3):
        at = await measured(plant, below=5, after=at)
    assert (await explained(api, path))["verdict"] == "disabled"
    assert plant.level(PUMP) == 0.0
    assert (await api.get(path)).json()["live"] == 0


async def runs(api: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get(f"{path}/runs")).raise_for_status().json()["items"]
    return found


async def test_what_cannot_be_meant_is_refused_with_the_path_of_every_fault(
    suite: Suite, api: httpx.AsyncClient
) -> None:
    esp_id = "ESP_724EAD"
    async with planted(suite, api, esp_id, "head") as plant:
        await measured(plant)
        wrong = dosing(esp_id, gpio=33)
        wrong["otherwise"][0]["actuator"]["gpio"] = 4
        answer = await api.put("/rules/wrong", json={"rule": wrong}, params={"dry": True})
        assert (answer.status_code, answer.json()["code"]) == (400, "RULE_INVALID")
        assert [(fault["path"], fault["code"]) for fault in answer.json()["faults"]] == [
            ("condition.sensor", "SENSOR_NOT_FOUND"),
            ("otherwise[0].actuator", "ACTUATOR_NOT_FOUND"),
        ]
        unit = dosing(esp_id)
        unit["condition"]["unit"] = "°C"
        answer = await api.put("/rules/wrong", json={"rule": unit})
        assert [(fault["path"], fault["code"]) for fault in answer.json()["faults"]] == [
            ("condition.unit", "UNIT_MISMATCH")
        ]
    assert (await api.get("/rules/wrong")).status_code == 404


async def test_rules_of_templates_and_of_the_monolith_and_from_yaml_are_rules(
    suite: Suite, api: httpx.AsyncClient
) -> None:
    esp_id = "ESP_734EAD"
    async with planted(suite, api, esp_id, "head") as plant:
        await measured(plant)
        tank, pump = {"esp_id": esp_id, "gpio": TANK, "sensor_type": "ph"}, {"esp_id": esp_id, "gpio": PUMP}
        facts = {"parameters": {"soil": tank, "pump": pump, "dry": 5, "wet": 6}}
        made = (await api.post("/rule-templates/irrigation", json=facts)).raise_for_status().json()
        (await api.put("/rules/of-template", json={"rule": made})).raise_for_status()
        old = {
            "rule_name": "Old dosing",
            "enabled": False,
            "trigger_conditions": {"type": "sensor_threshold", **tank, "operator": "<", "value": 5},
            "actions": [{"type": "actuator_command", **pump, "command": "ON", "duration_seconds": 5}],
        }
        (await api.post("/logic/rules", json=old)).raise_for_status()
        text = (await api.get("/rules.yaml", params={"rule_id": ["of-template", "old-dosing"]})).raise_for_status().text
        renamed = text.replace("of-template:", "of-yaml:").replace("old-dosing:", "old-of-yaml:")
        imported = (await api.post("/rules.yaml", content=renamed.encode())).raise_for_status().json()
        assert {each["rule_id"]: (each["version"], each["live"]) for each in imported} == {
            "of-yaml": (1, 0),
            "old-of-yaml": (1, 0),
        }
        again = (await api.get("/rules/of-yaml")).raise_for_status().json()
        assert again["rule"] == made
        body = {"values": {f"{esp_id}/{TANK}/ph": 3.0}}
        held_up = (await api.post("/rules/old-of-yaml/test", json=body)).raise_for_status().json()
        assert (held_up["seen"]["truth"], held_up["seen"]["value"]) == (True, 3.0)
