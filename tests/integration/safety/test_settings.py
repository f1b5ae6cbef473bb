"""Limits and interlocks, as events with an author and a reason."""

from tests.integration.safety.site import ESP

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import (
    ActuatorRef,
    AtMost,
    CommandApproved,
    Hours,
    InterlockRemoved,
    InterlockSet,
    Limits,
    LimitsSet,
    OnlyWhile,
    PowerBudget,
)
from kaiser.contracts.safeguarding import (
    InterlocksQuery,
    LimitsQuery,
    RemoveInterlock,
    SetInterlock,
    SetLimits,
)

GROUP = AtMost(most=1, actuators=(ActuatorRef(ESP, 25), ActuatorRef(ESP, 26)))


async def test_limits_are_events_with_author_and_reason_and_hold_at_once(site, service):
    service.start()
    await site.has_device()
    order = SetLimits(by="eva", reason="it overheats", esp_id=ESP, gpio=25, limits=Limits(max_on_s=60))
    reply = await site.orders("set_limits", order)
    assert reply.ok["changed"]
    event = await site.one(LimitsSet)
    assert (event.by, event.reason, event.limits.max_on_s) == ("eva", "it overheats", 60)
    rejected = await site.decided(await site.asks("ON", duration_s=120))
    assert (rejected.rule, rejected.code) == ("max_on", Code.RUN_TOO_LONG)
    shown = (await site.asked("limits", LimitsQuery(esp_id=ESP, gpio=25))).ok
    assert (shown["limits"]["max_on_s"], shown["by"], shown["reason"]) == (60, "eva", "it overheats")
    again = await site.orders("set_limits", order)
    assert (again.ok["changed"], again.ok["seq"] >= reply.ok["seq"]) == (False, True)


async def test_limits_can_be_taken_back_to_the_defaults(site, service):
    service.start()
    for limits in (Limits(max_on_s=60), None):
        await site.orders("set_limits", SetLimits(by="eva", reason="r", esp_id=ESP, gpio=25, limits=limits))
    shown = (await site.asked("limits", LimitsQuery(esp_id=ESP, gpio=25))).ok
    assert (shown["limits"]["max_on_s"], shown["by"]) == (3600, "")


async def test_limits_of_something_that_can_be_no_actuator_are_refused(site, service):
    service.start()
    for fields, code in (({"esp_id": "x"}, Code.INVALID_ESP_ID), ({"gpio": 77}, Code.INVALID_GPIO_PIN)):
        place = {"esp_id": ESP, "gpio": 25} | fields
        reply = await site.orders("set_limits", SetLimits(by="eva", reason="r", limits=None, **place))
        assert reply.problem.code == code


async def test_an_interlock_is_an_event_and_keeps_the_second_of_two_off(site, service):
    service.start()
    await site.has_device(ESP, 25, 26)
    order = SetInterlock(by="eva", reason="one fuse", interlock_id="lamp-or-heater", rule=GROUP)
    assert (await site.orders("set_interlock", order)).ok["changed"]
    event = await site.one(InterlockSet)
    assert (event.by, event.reason, event.rule) == ("eva", "one fuse", GROUP)
    first, second = await site.asks("ON", 25), await site.asks("ON", 26)
    assert isinstance(await site.decided(first), CommandApproved)
    rejected = await site.decided(second)
    assert (rejected.rule, rejected.code) == ("interlock lamp-or-heater", Code.INTERLOCKED)
    (shown,) = (await site.asked("interlocks", InterlocksQuery())).ok["items"]
    assert (shown["interlock_id"], shown["by"], shown["reason"]) == ("lamp-or-heater", "eva", "one fuse")


async def test_two_requests_of_one_batch_see_each_other(site, service):
    await site.has_device(ESP, 25, 26)
    await site.orders_when_it_runs(service, SetInterlock(by="eva", reason="r", interlock_id="one", rule=GROUP))
    service.kill()
    requests = [await site.asks("ON", 25), await site.asks("ON", 26)]
    service.start()
    assert [(await site.decided(request)).rule for request in requests] == ["clear", "interlock one"]


async def test_an_interlock_is_taken_away_and_what_it_forbade_may_be(site, service):
    service.start()
    await site.has_device(ESP, 25, 26)
    await site.orders("set_interlock", SetInterlock(by="eva", reason="r", interlock_id="one", rule=GROUP))
    await site.runs(25)
    assert (await site.decided(await site.asks("ON", 26))).rule == "interlock one"
    order = RemoveInterlock(by="tom", reason="another fuse", interlock_id="one")
    assert (await site.orders("remove_interlock", order)).ok["changed"]
    event = await site.one(InterlockRemoved)
    assert (event.by, event.reason) == ("tom", "another fuse")
    assert isinstance(await site.decided(await site.asks("ON", 26)), CommandApproved)
    gone = await site.orders("remove_interlock", order)
    assert gone.problem.code == Code.INTERLOCK_NOT_FOUND


async def test_a_rule_that_says_the_same_is_not_written_twice(site, service):
    service.start()
    order = SetInterlock(by="eva", reason="r", interlock_id="power", rule=PowerBudget(zone_id="north", watts=100))
    assert (await site.orders("set_interlock", order)).ok["changed"]
    assert not (await site.orders("set_interlock", order)).ok["changed"]
    assert len(site.of(InterlockSet)) <= 1


async def test_an_interlock_that_would_keep_an_actuator_off_for_ever_is_refused_with_the_way_there(site, service):
    service.start()
    await site.has_device(ESP, 25, 26)
    needs = OnlyWhile(actuator=ActuatorRef(ESP, 25), requires=ActuatorRef(ESP, 26))
    assert (await site.orders("set_interlock", SetInterlock(by="e", reason="r", interlock_id="needs", rule=needs))).ok
    refused = await site.orders("set_interlock", SetInterlock(by="e", reason="r", interlock_id="either", rule=GROUP))
    assert refused.problem.code == Code.INTERLOCK_CONTRADICTION
    assert "could never be on" in refused.problem.detail
    assert refused.problem.where == "rule"
    assert not site.of(InterlockSet, interlock_id="either")


async def test_limits_that_no_clock_or_level_can_keep_are_refused_with_the_field(site, service):
    service.start()
    hours = (Hours("08:00", "09:00"),)
    for limits in (Limits(min_level=0.8, max_level=0.2), Limits(time_zone="Mars/Olympus", allowed_hours=hours)):
        reply = await site.orders("set_limits", SetLimits(by="e", reason="r", esp_id=ESP, gpio=25, limits=limits))
        assert (reply.problem.code, reply.problem.where) == (Code.VALUE_OUT_OF_RANGE, "limits")
