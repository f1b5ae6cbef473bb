"""What safety stops by itself, and how often it says so."""

import asyncio

import msgspec
from tests.integration.safety.site import ESP

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import (
    ActuatorStopped,
    AlertCleared,
    AlertRaised,
    Limits,
    StopConfirmed,
)
from kaiser.contracts.safeguarding import SetLimits, ViolationsQuery
from kaiser.eventlog import now_us
from kaiser.safety.worries import SETTLED_US


async def test_a_run_is_ended_and_the_actuator_told_off_until_it_says_so(site, service):
    service.start()
    await site.has_device()
    await site.orders("set_limits", SetLimits(by="e", reason="r", esp_id=ESP, gpio=25, limits=Limits(max_on_s=1)))
    await site.runs()
    stopped = await site.one(ActuatorStopped)
    assert (stopped.rule, stopped.code, stopped.esp_id, stopped.gpio) == ("max_on", Code.RUN_TOO_LONG, ESP, 25)
    await site.until(lambda: len(site.sent) >= 2)
    assert {one.topic for one in site.sent} == {f"kaiser/god/esp/{ESP}/actuator/25/command"}
    assert {msgspec.json.decode(one.payload)["command"] for one in site.sent} == {"OFF"}
    await site.says(on=False)
    confirmed = await site.one(StopConfirmed, stop_id=stopped.stop_id)
    assert confirmed.tries >= 2


async def test_a_stop_goes_on_after_a_restart(site, service):
    service.start()
    await site.has_device()
    await site.orders("set_limits", SetLimits(by="e", reason="r", esp_id=ESP, gpio=25, limits=Limits(max_on_s=1)))
    await site.runs()
    stopped = await site.one(ActuatorStopped)
    await site.until(lambda: site.sent)
    service.kill()
    site.sent.clear()
    service.start()
    await site.until(lambda: site.sent)
    await site.says(on=False)
    await site.one(StopConfirmed, stop_id=stopped.stop_id)
    assert len(site.of(ActuatorStopped)) == 1


async def test_a_run_ends_in_time_although_safety_was_killed_meanwhile(site, service):
    service.start()
    await site.has_device()
    await site.orders("set_limits", SetLimits(by="e", reason="r", esp_id=ESP, gpio=25, limits=Limits(max_on_s=2)))
    await site.runs()
    service.kill()
    service.start()
    assert (await site.one(ActuatorStopped)).rule == "max_on"


async def test_a_device_that_vanishes_while_on_is_alarmed_and_stopped_first_when_it_is_back(site, service):
    service.start()
    await site.has_device()
    await site.runs()
    lost_at = await site.vanishes()
    alert = await site.one(AlertRaised, kind="unknown_state")
    assert (alert.esp_id, alert.gpio, alert.severity, alert.acted) == (ESP, 25, "error", "noted")
    assert not site.of(ActuatorStopped)
    await site.returns(lost_at)
    stopped = await site.one(ActuatorStopped)
    assert (stopped.rule, stopped.code) == ("returned", Code.STATE_UNKNOWN)
    assert (await site.decided(await site.asks("ON"))).rule == "stop"
    await site.until(lambda: site.sent)
    await site.says(on=False)
    await site.one(AlertCleared, alert_id=alert.alert_id)


async def test_an_output_that_is_on_without_a_command_is_alarmed_and_not_stopped(site, service):
    service.start()
    await site.has_device()
    await site.says(on=True, at=now_us() - SETTLED_US)
    alert = await site.one(AlertRaised, kind="uncommanded")
    assert alert.severity == "warning"
    assert not site.of(ActuatorStopped)
    await site.says(on=False)
    await site.one(AlertCleared, alert_id=alert.alert_id)


async def test_what_was_rejected_and_stopped_is_listed_newest_first(site, service):
    service.start()
    await site.has_device()
    await site.decided(await site.asks("ON", duration_s=7200))
    await site.orders("set_limits", SetLimits(by="e", reason="r", esp_id=ESP, gpio=25, limits=Limits(max_on_s=1)))
    await site.runs()
    await site.one(ActuatorStopped)
    items = await site.pages(ViolationsQuery(esp_id=ESP), "violations", 2)
    assert [(item["kind"], item["rule"]) for item in items] == [("stopped", "max_on"), ("rejected", "max_on")]
    assert items[1]["code"] == Code.RUN_TOO_LONG
    assert items[1]["saw"]
    only = await site.asked("violations", ViolationsQuery(kind="rejected", limit=1))
    assert [item["seq"] for item in only.ok["items"]] == [items[1]["seq"]]


async def test_safety_that_cannot_store_a_stop_does_not_say_that_it_lives(site, service, log):
    """Or nobody ended a run: the bridge switches off only what hears nothing of safety."""
    service.start()
    await site.has_device()
    await site.orders("set_limits", SetLimits(by="e", reason="r", esp_id=ESP, gpio=25, limits=Limits(max_on_s=6)))
    await site.runs()
    await site.until(lambda: site.alive)
    full = (await log.js.stream_info("SAFETY")).config
    full.max_bytes = 1
    await log.js.update_stream(full)
    before = -1
    while site.alive != before:
        before = site.alive
        await asyncio.sleep(4)  # four words of its life
    assert not site.of(ActuatorStopped)
    full.max_bytes = -1
    await log.js.update_stream(full)
    assert (await site.one(ActuatorStopped)).rule == "max_on"
    await site.until(lambda: site.alive > before)
