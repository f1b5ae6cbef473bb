"""Starting from a checkpoint, which must not make any difference."""

import asyncio
import contextlib

import msgspec
import pytest
from tests.integration.safety.site import ESP

from kaiser.contracts.events.safeguards import ActuatorRef, Limits, LimitsSet, OnlyWhile
from kaiser.contracts.safeguarding import AlertsQuery, EmergenciesQuery, LimitsQuery, SetInterlock, SetLimits
from kaiser.contracts.streams import ACTUATORS, SAFETY
from kaiser.eventlog import now_us
from kaiser.local.ephemeral_services import safety
from kaiser.safety.checkpointing import Checkpoints
from kaiser.safety.following import Followed
from kaiser.safety.writing import Writer


async def followed(log, checkpoint=None) -> Followed:
    """Everything that the log holds, from a checkpoint or from its beginning."""
    made = Followed(log)
    if checkpoint is not None:
        made.go_on_from(checkpoint)
    following = asyncio.create_task(made.run())
    await made.wait_caught_up()
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
    return made


def told(known: Followed) -> dict:
    """All that matters of what is known, in an order of its own."""
    checkpoint = known.checkpoint()
    parts = msgspec.to_builtins(msgspec.structs.replace(checkpoint, facts=[], decided=[]))
    parts["facts"] = sorted(bytes(body) for _, _, body in checkpoint.facts)
    parts["state"] = known.state.encode_all()
    return parts


@pytest.fixture
async def busy(site, service):
    """A site on which much has happened, and goes on."""
    service.start()
    await site.has_device(ESP, 25, 26, 4)
    await site.orders("set_limits", SetLimits(by="e", reason="r", esp_id=ESP, gpio=25, limits=Limits(power_w=5.0)))
    rule = OnlyWhile(actuator=ActuatorRef(ESP, 4), requires=ActuatorRef(ESP, 25))
    await site.orders("set_interlock", SetInterlock(by="e", reason="r", interlock_id="needs", rule=rule))
    await site.runs(25)
    await site.runs(26)
    await site.log.publish_all([site.alarm("hardware_error", 26), *(site.alarm("odd") for _ in range(3))])
    await site.until(lambda: site.sent)
    await site.stops_all()
    await site.decided(await site.asks("ON", 25))
    service.kill()
    await site.asks("ON", 4)
    await site.asks("ON", 26)
    return site


async def test_what_is_known_from_a_checkpoint_is_what_the_whole_log_tells(busy):
    whole = await followed(busy.log)
    kept = Checkpoints(busy.log, "safety")
    await kept.write(whole.checkpoint())
    again = await followed(busy.log, await kept.last())
    assert told(again) == told(whole)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
async def test_it_does_not_matter_when_the_checkpoint_was_made(busy, share):
    whole = await followed(busy.log)
    part = Followed(busy.log)
    infos = {name: await busy.log.js.stream_info(name) for name in (ACTUATORS.name, SAFETY.name)}
    ends = {name: int(info.state.last_seq * share) for name, info in infos.items()}
    await part.read_to(ends[ACTUATORS.name], ends[SAFETY.name])
    again = await followed(busy.log, part.checkpoint())
    assert told(again) == told(whole)


async def test_the_second_of_two_checkpoints_counts_and_one_of_another_log_does_not(log, site):
    known = await followed(log)
    kept = Checkpoints(log, "safety")
    assert await kept.last() is None
    await kept.write(known.checkpoint())
    limits = LimitsSet(at=now_us(), by="eva", esp_id=ESP, gpio=25, limits=None, reason="r")
    await Writer(log, known).write(lambda: (limits,))
    await kept.write(known.checkpoint())
    last = await kept.last()
    assert last is not None
    assert last.safety_seq == 1
    await log.js.purge_stream(SAFETY.name)
    await log.js.delete_stream(SAFETY.name)
    assert await kept.last() is None


async def test_an_instance_goes_on_from_the_checkpoint_of_another(site, tmp_path, nats_server, postgres):
    services = [
        safety(tmp_path / name, nats_server, postgres, checkpoint_s="0.5", lease_s="1") for name in ("one", "two")
    ]
    try:
        services[0].start()
        await site.has_device()
        await site.orders("set_limits", SetLimits(by="e", reason="why", esp_id=ESP, gpio=25, limits=Limits()))
        await site.log.publish(site.alarm("offline_rule_hold"))
        await site.stops_all()
        await site.decided(await site.asks("ON"))
        kept = Checkpoints(site.log, "safety")

        async def all_kept() -> bool:
            last = await kept.last()
            info = await site.log.js.stream_info(SAFETY.name)
            return last is not None and last.safety_seq == info.state.last_seq

        await site.comes_to(all_kept, wanted=True)
        services[0].kill()
        services[1].start()
        assert (await site.asked("limits", LimitsQuery(esp_id=ESP, gpio=25))).ok["reason"] == "why"
        assert len((await site.asked("emergencies", EmergenciesQuery())).ok["items"]) == 1
        assert len((await site.asked("alerts", AlertsQuery())).ok["items"]) == 1
        assert (await site.decided(await site.asks("ON"))).rule == "emergency"
    finally:
        for service in services:
            service.kill()
