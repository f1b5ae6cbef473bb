"""What limits, interlocks, emergency stops, alerts and stops were, told by safety."""

from tests.integration.safety.site import ESP

from kaiser.contracts.codes import Code
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.safeguards import (
    ActuatorRef,
    ActuatorStopped,
    AlertRaised,
    AtMost,
    EmergencyRequested,
    Limits,
    Scope,
    StopConfirmed,
)
from kaiser.contracts.past import StateAtQuery
from kaiser.contracts.safeguarding import (
    AlertsQuery,
    ClearAlert,
    EmergenciesQuery,
    InterlocksQuery,
    LimitsQuery,
    ReleaseEmergency,
    RemoveInterlock,
    SetInterlock,
    SetLimits,
)
from kaiser.eventlog import Event, message_at, now_us

PIN = f"{ESP}/25"


async def was(site, kind: str, name: str, at: int = 0, seq: int = 0) -> dict:
    found = await site.asked("state_at", StateAtQuery(kind=kind, name=name, at=at or now_us(), seq=seq))
    assert found.problem is None, found.problem
    return found.ok


async def refused(site, kind: str, name: str, at: int = 0) -> str:
    return (await site.asked("state_at", StateAtQuery(kind=kind, name=name, at=at or now_us()))).problem.code


async def stored(site, seq: int) -> int:
    return (await message_at(site.log, "SAFETY", seq)).stored_at


async def test_limits_were_those_that_held_then(site, service):
    service.start()
    await site.has_device(max_runtime_s=120)
    unset = await was(site, "limits", PIN)
    assert (unset["seq"], unset["state"]["by"], unset["state"]["limits"]["max_on_s"]) == (0, "", 120)
    seqs = []
    for limits in (Limits(max_on_s=60), Limits(max_on_s=30), None):
        order = SetLimits(by="eva", reason="r", esp_id=ESP, gpio=25, limits=limits)
        seqs.append((await site.orders("set_limits", order)).ok["seq"])
    for seq, longest in zip(seqs, (60, 30, 120), strict=True):
        found = await was(site, "limits", PIN, await stored(site, seq))
        assert (found["seq"], found["state"]["limits"]["max_on_s"]) == (seq, longest)
        assert (await was(site, "limits", PIN, seq=seq))["state"] == found["state"]
    live = (await site.asked("limits", LimitsQuery(esp_id=ESP, gpio=25))).ok
    assert (await was(site, "limits", PIN))["state"] == live
    assert await refused(site, "limits", PIN, 1) == Code.EVENT_NOT_FOUND
    assert await refused(site, "limits", f"{ESP}/26") == Code.EVENT_NOT_FOUND
    assert await refused(site, "limits", ESP) == Code.VALUE_OUT_OF_RANGE
    assert await refused(site, "toy", "x") == Code.VALUE_OUT_OF_RANGE


async def test_an_interlock_was_as_it_was_set_until_it_was_removed(site, service):
    service.start()
    place = {"interlock_id": "one-pump", "by": "eva", "reason": "fuse"}
    group = (ActuatorRef(ESP, 25), ActuatorRef(ESP, 26))
    await site.has_device(ESP, 25, 26)
    first = (await site.orders("set_interlock", SetInterlock(rule=AtMost(most=1, actuators=group), **place))).ok["seq"]
    live = (await site.asked("interlocks", InterlocksQuery())).ok["items"][0]
    assert (await was(site, "interlock", "one-pump"))["state"] == live | {"removed": False}
    gone = (await site.orders("remove_interlock", RemoveInterlock(**place))).ok["seq"]
    then = await was(site, "interlock", "one-pump", await stored(site, gone) - 1)
    assert (then["seq"], then["state"]) == (first, live | {"removed": False})
    now = await was(site, "interlock", "one-pump")
    assert (now["seq"], now["state"]["removed"], now["events"]) == (gone, True, 2)
    assert await refused(site, "interlock", "one-pump", await stored(site, first) - 1) == Code.EVENT_NOT_FOUND
    assert await refused(site, "interlock", "two-pumps") == Code.EVENT_NOT_FOUND


async def test_an_emergency_stop_was_in_force_until_it_was_released(site, service):
    service.start()
    await site.has_device()
    request = EmergencyRequested(
        at=now_us(), by="ada", emergency_id="e1", scope=Scope(kind="device", esp_id=ESP), reason="smoke"
    )
    event = Event(subject="safety.emergency.requested", type=request.TYPE, data=encode(request), source="test")
    seq = (await site.log.publish(event)).seq
    await site.one(EmergencyRequested)
    release = ReleaseEmergency(by="eva", reason="dry", emergency_id="e1", unconfirmed=True)
    live = (await site.asked("emergencies", EmergenciesQuery())).ok["items"]
    while not live:  # it follows the log, too
        live = (await site.asked("emergencies", EmergenciesQuery())).ok["items"]
    released = (await site.orders("release_emergency", release)).ok["seq"]
    then = (await was(site, "emergency", "e1", await stored(site, seq)))["state"]
    assert then.pop("released") is None
    assert then == {name: value for name, value in live[0].items() if name in then}
    now = await was(site, "emergency", "e1")
    assert (now["seq"], now["state"]["released"]["by"], now["state"]["released"]["reason"]) == (released, "eva", "dry")
    assert await refused(site, "emergency", "e2") == Code.EVENT_NOT_FOUND
    assert await refused(site, "emergency", "e1", await stored(site, seq) - 1) == Code.EVENT_NOT_FOUND


async def test_an_alert_was_open_until_it_was_cleared_and_its_stop_until_it_was_confirmed(site, service):
    service.start()
    await site.has_device()
    await site.runs()
    await site.log.publish(site.alarm("runtime_protection"))
    raised = await site.one(AlertRaised, kind="runtime_protection")
    live = (await site.asked("alerts", AlertsQuery())).ok["items"]
    while not live:  # it follows the log, too
        live = (await site.asked("alerts", AlertsQuery())).ok["items"]
    assert (await was(site, "alert", raised.alert_id))["state"] == live[0] | {"cleared": None}
    for alert_id, found in ((raised.alert_id, live), ("a0", [])):
        assert (await site.asked("alerts", AlertsQuery(alert_id=alert_id))).ok["items"] == found
    order = ClearAlert(alert_id=raised.alert_id, by="eva", reason="looked at")
    seq = (await site.orders("clear_alert", order)).ok["seq"]
    then = (await was(site, "alert", raised.alert_id, await stored(site, seq) - 1))["state"]
    assert (then["cleared"], then["esp_id"], then["acted"]) == (None, ESP, "stopped")
    now = (await was(site, "alert", raised.alert_id))["state"]
    assert (now["cleared"]["by"], now["cleared"]["reason"], now["count"]) == ("eva", "looked at", then["count"])
    assert await refused(site, "alert", "a999999") == Code.EVENT_NOT_FOUND

    stopped = await site.one(ActuatorStopped)
    open_stop = (await was(site, "stop", stopped.stop_id))["state"]
    assert (open_stop["confirmed"], open_stop["rule"], open_stop["gpio"]) == (None, stopped.rule, 25)
    await site.says(on=False)
    confirmed = await site.one(StopConfirmed)
    ended = (await was(site, "stop", stopped.stop_id))["state"]
    assert ended["confirmed"] == {"at": confirmed.at, "tries": confirmed.tries}
