"""Requests to decisions, end to end: what the actuator service stores, and what safety stores of it."""

import msgspec
from tests.integration.safety.site import ESP

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import ActuatorRef, AtMost, CommandApproved, CommandRejected, Limits
from kaiser.contracts.safeguarding import RemoveInterlock, SetInterlock, SetLimits


async def test_a_request_that_nothing_speaks_against_is_approved(site, service):
    service.start()
    await site.has_device()
    decision = await site.decided(await site.asks("ON"))
    assert isinstance(decision, CommandApproved)
    assert (decision.rule, decision.esp_id, decision.gpio, decision.max_on_s) == ("clear", ESP, 25, 3600)


async def test_a_request_for_a_device_that_nobody_knows_is_rejected_with_rule_and_values(site, service):
    service.start()
    decision = await site.decided(await site.asks("ON"))
    assert isinstance(decision, CommandRejected)
    assert (decision.rule, decision.code) == ("device", Code.DEVICE_STATE_FORBIDS)
    assert decision.saw["standing"] == "unknown"


async def test_off_is_approved_whatever_is_known(site, service):
    service.start()
    decision = await site.decided(await site.asks("OFF"))
    assert (type(decision), decision.rule) == (CommandApproved, "off")


async def test_limits_and_interlocks_are_held_to_what_was_seen(site, service):
    service.start()
    await site.has_device()
    order = SetLimits(by="e", reason="r", esp_id=ESP, gpio=25, limits=Limits(max_on_s=900), known_seq=0)
    first = await site.orders("set_limits", order)
    other = msgspec.structs.replace(order, limits=Limits(max_on_s=60))
    assert (await site.orders("set_limits", other)).problem.code == "STATE_CHANGED"
    seen = msgspec.structs.replace(other, known_seq=first.ok["seq"])
    assert (await site.orders("set_limits", seen)).ok["changed"]
    rule = AtMost(most=1, actuators=(ActuatorRef(ESP, 25), ActuatorRef(ESP, 26)))
    new = SetInterlock(by="e", reason="r", interlock_id="one", rule=rule, known_seq=0)
    made = (await site.orders("set_interlock", new)).ok["seq"]
    gone = RemoveInterlock(by="e", reason="r", interlock_id="one", known_seq=made - 1)
    assert (await site.orders("remove_interlock", gone)).problem.code == "STATE_CHANGED"
    assert (await site.orders("remove_interlock", msgspec.structs.replace(gone, known_seq=made))).ok["changed"]
