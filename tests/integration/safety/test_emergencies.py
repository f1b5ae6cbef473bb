"""Emergency stops: latched, and released only when everything says that it is off."""

import asyncio

import msgspec
import pytest
from tests.integration.safety.site import ESP, OTHER

from kaiser.contracts.codes import Code
from kaiser.contracts.commands import ConfigureAgain, DeviceDecided
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.safeguards import EmergencyReleased, EmergencyRequested, Scope
from kaiser.contracts.queries import Reply
from kaiser.contracts.safeguarding import EmergenciesQuery, ReleaseEmergency


def release(emergency_id: str = "e1", *, unconfirmed: bool = False) -> ReleaseEmergency:
    return ReleaseEmergency(by="eva", reason="it was nothing", emergency_id=emergency_id, unconfirmed=unconfirmed)


async def test_nothing_in_the_scope_of_a_stop_is_approved_and_the_rest_is(site, service):
    service.start()
    await site.has_device(ESP)
    await site.has_device(OTHER)
    await site.stops_all(scope=Scope(kind="device", esp_id=ESP))
    rejected = await site.decided(await site.asks("ON"))
    assert (rejected.rule, rejected.code) == ("emergency", Code.EMERGENCY_ACTIVE)
    assert rejected.saw["emergency_id"] == "e1"
    assert (await site.decided(await site.asks("ON", esp_id=OTHER))).rule == "clear"
    assert (await site.decided(await site.asks("OFF"))).rule == "off"


async def test_a_stop_outlives_the_restart_of_everything(site, service, nats_server):
    service.start()
    await site.has_device()
    await site.stops_all()
    service.kill()
    nats_server.restart()
    service.start()
    assert (await site.decided(await site.asks("ON"))).rule == "emergency"
    (shown,) = (await site.asked("emergencies", EmergenciesQuery())).ok["items"]
    assert (shown["emergency_id"], shown["actuators"], shown["confirmed"]) == ("e1", 1, 0)
    assert shown["unconfirmed"] == [f"{ESP}/25"]


async def test_a_stop_is_released_when_all_have_said_since_that_they_are_off(site, service):
    service.start()
    await site.has_device(ESP, 25, 26)
    await site.stops_all()
    await site.says(25, on=False)
    refused = await site.orders("release_emergency", release())
    assert refused.problem.code == Code.EMERGENCY_UNCONFIRMED
    assert f"{ESP}/26" in refused.problem.detail
    await site.says(26, on=False)
    await site.decided(await site.asks("OFF", 26))  # and so the status is known, too
    assert (await site.orders("release_emergency", release())).ok["changed"]
    released = await site.one(EmergencyReleased)
    assert (released.by, released.reason, released.scope) == ("eva", "it was nothing", Scope(kind="site"))
    assert not (await site.asked("emergencies", EmergenciesQuery())).ok["items"]
    gone = await site.orders("release_emergency", release())
    assert gone.problem.code == Code.EMERGENCY_NOT_FOUND


async def test_a_stop_of_devices_that_are_gone_for_good_can_be_released_in_so_many_words(site, service):
    service.start()
    await site.has_device()
    await site.stops_all()
    assert (await site.orders("release_emergency", release())).problem.code == Code.EMERGENCY_UNCONFIRMED
    assert (await site.orders("release_emergency", release(unconfirmed=True))).ok["changed"]


async def test_a_head_device_that_is_still_in_its_emergency_is_told_that_it_is_over(site, service):
    service.start()
    await site.has_device()
    await site.stops_all()
    await site.says(25, on=False, emergency="active")
    await site.one(EmergencyRequested)
    await site.decided(await site.asks("OFF"))
    assert (await site.orders("release_emergency", release())).ok
    clears = await site.until(lambda: [one for one in site.sent if one.topic.endswith("actuator/emergency")])
    assert '"clear_emergency"' in clears[0].payload
    assert clears[0].qos == 1


async def test_a_dec_device_that_is_still_in_its_emergency_is_configured_again(site, service):
    asked: asyncio.Queue[ConfigureAgain] = asyncio.Queue()

    async def answer(message) -> None:
        asked.put_nowait(msgspec.json.decode(message.data, type=ConfigureAgain))
        await message.respond(encode(Reply(ok=DeviceDecided(esp_id=ESP, state="approved", seq=1, changed=True))))

    await site.log.nc.subscribe("command.ingest.configure_again", cb=answer)
    service.start()
    await site.has_device(generation="dec")
    await site.stops_all()
    await site.says(25, on=False, emergency="active")
    await site.decided(await site.asks("OFF"))
    assert (await site.orders("release_emergency", release(unconfirmed=True))).ok
    async with asyncio.timeout(20):
        order = await asked.get()
    assert (order.esp_id, order.by) == (ESP, "kaiser")
    assert not [one for one in site.sent if one.topic.endswith("actuator/emergency")]


@pytest.mark.parametrize("scope", [Scope(kind="site"), Scope(kind="kaiser", kaiser_id="god")])
async def test_two_stops_over_one_actuator_are_released_one_by_one(site, service, scope):
    service.start()
    await site.has_device()
    await site.stops_all("e1", scope)
    await site.stops_all("e2", Scope(kind="actuator", esp_id=ESP, gpio=25))
    await site.until(lambda: len(site.of(EmergencyRequested)) == 2)
    assert (await site.orders("release_emergency", release("e1", unconfirmed=True))).ok
    assert (await site.decided(await site.asks("ON"))).saw["emergency_id"] == "e2"
