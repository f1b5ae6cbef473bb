"""Alerts of devices act."""

from tests.integration.safety.site import ESP

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import (
    ActuatorStopped,
    AlertCleared,
    AlertFolded,
    AlertRaised,
    EmergencyRequested,
    Scope,
)
from kaiser.contracts.safeguarding import AlertsQuery, ClearAlert, ReleaseEmergency


async def test_a_fault_stops_its_actuator(site, service):
    service.start()
    await site.has_device()
    await site.runs()
    await site.log.publish(site.alarm("hardware_error"))
    stopped, raised = await site.one(ActuatorStopped), await site.one(AlertRaised)
    assert (stopped.rule, stopped.code, stopped.correlation_id) == (
        "alert hardware_error", Code.DEVICE_ALERT, raised.alert_id,
    )  # fmt: skip
    assert (raised.severity, raised.acted, raised.detail) == ("error", "stopped", "smoke")
    await site.until(lambda: site.sent)


async def test_an_emergency_at_a_device_latches_its_actuator_until_somebody_releases_it(site, service):
    service.start()
    await site.has_device()
    await site.log.publish(site.alarm("emergency_stop"))
    latched = await site.one(EmergencyRequested)
    assert (latched.scope, latched.by) == (Scope(kind="actuator", esp_id=ESP, gpio=25), "kaiser")
    assert (await site.decided(await site.asks("ON"))).rule == "emergency"
    order = ReleaseEmergency(by="eva", reason="seen", emergency_id=latched.emergency_id, unconfirmed=True)
    assert (await site.orders("release_emergency", order)).ok["changed"]
    assert (await site.one(AlertCleared)).by == "eva"


async def test_the_alerts_of_a_stop_that_was_ordered_latch_nothing_more(site, service):
    service.start()
    await site.has_device()
    await site.stops_all()
    await site.log.publish(site.alarm("emergency_stop"))
    raised = await site.one(AlertRaised)
    assert raised.acted == "noted"
    assert len(site.of(EmergencyRequested)) == 1


async def test_what_is_only_to_be_known_is_noted_and_can_be_cleared(site, service):
    service.start()
    await site.has_device()
    await site.log.publish(site.alarm("offline_rule_hold"))
    raised = await site.one(AlertRaised)
    assert (raised.severity, raised.acted) == ("info", "noted")
    (shown,) = (await site.asked("alerts", AlertsQuery())).ok["items"]
    assert (shown["kind"], shown["count"]) == ("offline_rule_hold", 1)
    order = ClearAlert(by="eva", reason="seen", alert_id=raised.alert_id)
    assert (await site.orders("clear_alert", order)).ok["changed"]
    cleared = await site.one(AlertCleared)
    assert (cleared.by, cleared.reason) == ("eva", "seen")
    assert (await site.orders("clear_alert", order)).problem.code == Code.ALERT_NOT_FOUND


async def test_a_storm_of_ten_thousand_alerts_is_one_alert_with_a_few_counts_and_delays_no_decision(site, service):
    service.start()
    await site.has_device(ESP, 25, 26)
    for _ in range(10):
        await site.log.publish_all([site.alarm("hardware_error") for _ in range(1000)])
    assert (await site.decided(await site.asks("ON", 26))).rule == "clear"

    async def counted() -> int:
        items = (await site.asked("alerts", AlertsQuery(esp_id=ESP))).ok["items"]
        return items[0]["count"] if items else 0

    await site.comes_to(counted, 10_000)
    assert len(site.of(AlertRaised)) == 1
    assert 3 <= len(site.of(AlertFolded)) <= 4
    assert len(site.of(ActuatorStopped)) == 1
