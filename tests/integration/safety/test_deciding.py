"""Requests to decisions, end to end: what the actuator service stores, and what safety stores of it."""

from tests.integration.safety.site import ESP

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import CommandApproved, CommandRejected


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
