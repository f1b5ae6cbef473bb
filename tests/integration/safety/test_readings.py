"""Actuators that may be on only while a sensor is fresh and inside a band."""

from tests.integration.safety.site import ESP, Site

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import ActuatorRef, ActuatorStopped, CommandApproved, SensorBand, SensorRef
from kaiser.contracts.safeguarding import SetInterlock


async def banded(site: Site, *, fresh_s: int = 60) -> None:
    rule = SensorBand(
        actuator=ActuatorRef(ESP, 25), sensor=SensorRef(ESP, 4, "ds18b20"), minimum=5.0, maximum=30.0, fresh_s=fresh_s
    )
    order = SetInterlock(by="eva", reason="frost", interlock_id="warm", rule=rule)
    assert (await site.orders("set_interlock", order)).ok


async def test_an_actuator_needs_a_fresh_reading_inside_its_band(site, service):
    service.start()
    await site.has_device()
    await banded(site)
    rejected = await site.decided(await site.asks("ON"))
    assert (rejected.rule, rejected.code) == ("interlock warm", Code.SENSOR_NOT_FRESH)
    await site.measures(20.0)
    await site.comes_to(lambda: approved(site), wanted=True)


async def test_an_actuator_is_stopped_when_the_value_leaves_the_band(site, service):
    service.start()
    await site.has_device()
    await site.measures(20.0)  # before anybody wanted to know, and found nevertheless
    await banded(site)
    await site.comes_to(lambda: approved(site), wanted=True)
    await site.runs()
    await site.measures(31.0)
    stopped = await site.one(ActuatorStopped)
    assert (stopped.rule, stopped.code) == ("interlock warm", Code.SENSOR_OUT_OF_BAND)


async def test_an_actuator_is_stopped_when_its_sensor_falls_silent(site, service):
    service.start()
    await site.has_device()
    await banded(site, fresh_s=5)
    await site.measures(20.0)
    await site.comes_to(lambda: approved(site), wanted=True)
    await site.runs()
    stopped = await site.one(ActuatorStopped)
    assert (stopped.rule, stopped.code) == ("interlock warm", Code.SENSOR_NOT_FRESH)


async def approved(site: Site) -> bool:
    request = await site.asks("ON")
    decision = await site.decided(request)
    await site.ends(request, "cancelled")
    return isinstance(decision, CommandApproved)
