"""Rules run: from a reading to a device, with the real actuator service and safety in between."""

import msgspec
from tests.integration.logic.again import assert_the_same_again
from tests.integration.logic.site import ESP, FAN, PUMP, below, rule, switch

from kaiser.contracts.events.logic import CommandAsked, RuleDisabled, RunEnded, RunStarted, StepRefused
from kaiser.contracts.logic import ImportRules


async def test_a_reading_makes_a_device_switch_a_pump_on_and_off_again(site, acting, new_logic):
    new_logic().start()
    await site.knows_device()
    await site.live("water", rule(below(30), switch("ON"), otherwise=[switch("OFF")]))
    await site.measures(20)
    await site.until(lambda: site.told == [(ESP, PUMP, "ON")])
    assert (await site.one(RunEnded)).outcome == "succeeded"
    await site.measures(40)
    await site.until(lambda: site.told == [(ESP, PUMP, "ON"), (ESP, PUMP, "OFF")])
    await site.until(lambda: len(site.of(RunEnded)) == 2)
    assert [event.outcome for event in site.of(RunEnded)] == ["succeeded", "succeeded"]
    assert [(event.source, event.by, event.idempotency_key) for event in site.requested()] == [
        ("rule", "rule water", "water.1.1/1"), ("rule", "rule water", "water.1.2/1"),
    ]  # fmt: skip
    numbers = [event.n for _, event in site.events if hasattr(event, "n")]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_what_is_refused_at_once_fails_the_run(site, acting, new_logic):
    new_logic().start()
    await site.knows_device()
    await site.live("water", rule(below(30), switch("ON")))
    await site.stops_all()
    await site.measures(20)
    assert (await site.one(StepRefused)).code == "EMERGENCY_ACTIVE"
    ended = await site.one(RunEnded)
    assert (ended.outcome, ended.code) == ("failed", "EMERGENCY_ACTIVE")
    assert [event.action for event in site.requested() if event.action != "OFF"] == []


async def test_a_rule_switches_another_one_off_for_good(site, acting, new_logic):
    new_logic().start()
    await site.knows_device()
    await site.live("second", rule(below(10), switch("ON", FAN)))
    await site.live("first", rule(below(30), {"kind": "switch_rule", "rule": "second", "enabled": False}))
    await site.measures(20)
    await site.one(RunEnded, rule_id="first")
    await site.comes_to(lambda: site.live_version("second"), 0)
    await site.measures(5)
    await site.measures(40)
    await site.measures(20)
    await site.until(lambda: len(site.of(RunEnded, rule_id="first")) == 2)
    assert site.of(RunStarted, rule_id="second") == []
    assert site.of(CommandAsked) == []
    (disabled,) = site.of(RuleDisabled)
    assert (disabled.by, disabled.correlation_id) == ("rule first", "first.1.1")


async def test_while_the_actuator_service_is_away_on_lapses_and_off_waits_for_it(site, acting, new_logic):
    new_logic().start()
    await site.knows_device()
    await site.live("water", rule(below(30), switch("ON", timeout_s=2)))
    actuator, _ = acting
    actuator.kill()
    await site.measures(20)
    assert (await site.one(StepRefused)).code == "SERVICE_ERROR"
    assert (await site.one(RunEnded)).outcome == "failed"
    actuator.start()
    (off,) = await site.until(site.requested)
    assert (off.action, off.idempotency_key) == ("OFF", "water.1.1/2")
    await site.until(lambda: site.told == [(ESP, PUMP, "OFF")])


async def test_many_rules_that_run_at_once_all_get_their_commands(site, acting, new_logic):
    new_logic().start()
    devices, pins = [f"ESP_0A1C{number:02X}" for number in range(8)], (4, 14, 18, 19, 21, 22)
    for esp_id in devices:
        await site.has_device(esp_id, *pins)
    for esp_id in devices:
        await site.knows_device(esp_id, *pins)
    await site.has_device()
    text = {f"{esp_id.lower()}-{pin}": rule(below(30), switch("ON", pin, esp_id)) for esp_id in devices for pin in pins}
    asked = ImportRules(text=msgspec.yaml.encode({"rules": text}).decode(), by="eva", enable=True)
    await site.orders("import", asked)
    for rule_id in text:
        await site.goes_by(rule_id)
    await site.measures(20)
    await site.until(lambda: len(site.of(RunEnded)) == len(text))
    keys = [event.idempotency_key for event in site.requested()]
    assert sorted(keys) == sorted(f"{rule_id}.1.1/1" for rule_id in text)
    assert len(site.of(RunEnded, outcome="succeeded")) == len(text)
    await assert_the_same_again(site.log)
