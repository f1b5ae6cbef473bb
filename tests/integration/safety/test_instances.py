"""Instances that die, that take over, and that are late: each request is decided once, whoever is there."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.integration.safety.site import ESP, Site, acted

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import CommandApproved, Limits
from kaiser.contracts.safeguarding import SetLimits, ViolationsQuery
from kaiser.local.ephemeral_services import Service, safety


@pytest.fixture
def services(tmp_path: Path, nats_server, postgres) -> Iterator[list[Service]]:
    services = [safety(tmp_path / name, nats_server, postgres, lease_s="2") for name in ("one", "two")]
    try:
        yield services
    finally:
        for service in services:
            service.kill()


async def ready(service: Service) -> dict:
    async with httpx.AsyncClient(base_url=service.url) as client:
        return (await client.get("/health/ready")).json()


async def test_requests_that_were_stored_while_safety_was_away_are_decided_when_it_is_back(site, service):
    await site.has_device()
    request = await site.asks("ON")
    service.start()
    assert isinstance(await site.decided(request), CommandApproved)


async def test_a_request_that_came_to_its_end_meanwhile_is_not_approved_any_more(site, service):
    await site.has_device()
    request = await site.asks("ON")
    await site.ends(request, "failed")
    service.start()
    decision = await site.decided(request)
    assert (decision.rule, decision.code) == ("command", Code.COMMAND_ENDED)


async def test_a_command_that_waits_for_its_device_is_decided_when_that_is_there_even_after_a_restart(site, service):
    service.start()
    await site.has_device()
    lost_at = await site.vanishes()
    request = site.request("ON")
    request = site.request("ON", held_until=request.deadline_at, command_id=request.command_id)
    await site.log.publish(acted(request))
    refused = await site.asks("ON", 26)  # behind it, so it was looked at
    await site.decided(refused)
    assert not [one for one in site.decisions() if one.command_id == request.command_id]
    service.kill()
    service.start()
    await site.returns(lost_at)
    assert isinstance(await site.decided(request), CommandApproved)


async def test_nothing_is_decided_twice_and_nothing_is_lost_when_safety_is_killed_again_and_again(site, service):
    service.start()
    pins = (4, 5, 13, 14, 16, 17, 18, 19)
    await site.has_device(ESP, *pins)
    asked = []
    for _ in range(3):
        burst = [site.request(action, pin) for action in ("ON", "OFF", "ON") for pin in pins for _ in range(5)]
        half = len(burst) // 2
        await site.log.publish_all([acted(request) for request in burst[:half]])
        await site.until(lambda burst=burst: any(one.command_id == burst[0].command_id for one in site.decisions()))
        service.kill()
        await site.log.publish_all([acted(request) for request in burst[half:]])
        service.start()
        asked += burst
    wanted = {request.command_id for request in asked}
    await site.until(lambda: wanted <= {one.command_id for one in site.decisions()})
    assert set(Counter(one.command_id for one in site.decisions()).values()) == {1}


async def test_another_instance_takes_over_when_the_leader_dies(site: Site, services):
    one, two = services
    one.start()
    await site.has_device()
    await site.until(lambda: site.alive)
    two.start()
    assert isinstance(await site.decided(await site.asks("ON")), CommandApproved)
    one.kill()
    before = site.alive
    decision = await site.decided(await site.asks("OFF"))
    assert decision.rule == "off"
    await site.until(lambda: site.alive > before)


async def test_a_leader_that_was_frozen_does_not_decide_when_it_wakes_up(site: Site, services):
    one, two = services
    one.start()
    await site.has_device()
    await site.until(lambda: site.alive)
    two.start()
    one.pause()
    requests = [await site.asks("ON"), await site.asks("OFF"), await site.asks("ON")]
    for request in requests:
        await site.decided(request)
    one.resume()
    last = await site.asks("OFF")
    await site.decided(last)
    two.kill()
    await site.decided(await site.asks("OFF"))
    assert set(Counter(one.command_id for one in site.decisions()).values()) == {1}


async def test_an_instance_that_is_told_to_stop_hands_over_at_once(site: Site, services):
    one, two = services
    one.start()
    await site.has_device()
    await site.until(lambda: site.alive)
    two.start()
    await asyncio.to_thread(one.stop)
    assert isinstance(await site.decided(await site.asks("ON")), CommandApproved)


async def test_safety_decides_again_when_the_log_is_back(site: Site, service, nats_server):
    service.start()
    await site.has_device()
    await site.decided(await site.asks("OFF"))
    nats_server.kill()
    nats_server.start()
    before = site.alive
    assert isinstance(await site.decided(await site.asks("ON")), CommandApproved)
    await site.until(lambda: site.alive > before)
    assert service.running


async def test_everything_but_lists_goes_on_while_the_database_is_away(site: Site, own_postgres, nats_server, tmp_path):
    service = safety(tmp_path / "safety", nats_server, own_postgres)
    try:
        service.start()
        await site.has_device()
        own_postgres.stop()
        rejected = await site.decided(await site.asks("ON", duration_s=7200))
        assert rejected.code == Code.RUN_TOO_LONG
        order = SetLimits(by="eva", reason="r", esp_id=ESP, gpio=25, limits=Limits(max_on_s=9000))
        assert (await site.orders("set_limits", order)).ok["changed"]
        assert isinstance(await site.decided(await site.asks("ON", duration_s=7200)), CommandApproved)
        away = await site.asked("violations", ViolationsQuery())
        assert away.problem.code == Code.DATABASE_ERROR

        async def is_ready() -> bool:
            return (await ready(service))["ready"]

        await site.comes_to(is_ready, wanted=False)
        report = await ready(service)
        assert "decisions, stops and emergency stops go on" in report["checks"]["database"]["words"]
        own_postgres.start()
        (item,) = await site.pages(ViolationsQuery(), "violations", 1)
        assert item["reference"] == rejected.command_id
        for seq, found in ((item["seq"], [item]), (item["seq"] + 1, [])):
            assert (await site.asked("violations", ViolationsQuery(seq=seq))).ok["items"] == found
    finally:
        service.kill()


async def test_safety_starts_and_decides_without_a_database(site: Site, own_postgres, nats_server, tmp_path):
    own_postgres.stop()
    service = safety(tmp_path / "safety", nats_server, own_postgres)
    service.wait = False
    try:
        service.start()
        await site.has_device()
        assert isinstance(await site.decided(await site.asks("ON")), CommandApproved)
        assert (await ready(service))["checks"]["database"]["state"] == "starting"
    finally:
        service.kill()
