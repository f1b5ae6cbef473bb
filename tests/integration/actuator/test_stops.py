"""Stops and emergency stops, as the actuator service takes them."""

from kaiser.contracts.events.actuation import ShadowSettled

from .conftest import DEC, DIMMER, HEAD, PUMP


async def test_a_stop_of_safety_ends_what_has_the_actuator_on(there):
    command = await there.send(DEC, PUMP, "ON", duration_s=600)
    await there.sent(command.command_id)
    await there.stop(DEC, PUMP)
    end = await there.ended(command.command_id)
    assert (end.outcome, end.code, end.detail) == ("superseded", "RUN_TOO_LONG", "max_on: too long")
    await there.until(lambda: [fact for fact in there.facts if isinstance(fact, ShadowSettled)])
    assert (await there.actuator(DEC, PUMP)).desired.level == 0.0
    assert (await there.actuator(DEC, PUMP)).desired.off_at == 0


async def test_what_the_bridge_switched_off_without_safety_is_desired_no_more(there):
    command = await there.send(DEC, DIMMER, "ON")
    await there.sent(command.command_id)
    await there.status(DEC, DIMMER, 255)
    assert (await there.ended(command.command_id)).outcome == "succeeded"
    await there.lease_lost(DEC, DIMMER)
    await there.until(lambda: [fact for fact in there.facts if isinstance(fact, ShadowSettled)])
    assert (await there.actuator(DEC, DIMMER)).desired.level == 0.0


async def test_an_emergency_ends_open_commands_in_its_scope_and_refuses_new_ones_but_off(there):
    covered = await there.send(DEC, PUMP, "ON")
    running = await there.send(DEC, DIMMER, "ON")
    other = await there.send(HEAD, PUMP, "ON", timeout_s=20)
    for command in (covered, running, other):
        await there.sent(command.command_id)
    await there.status(DEC, DIMMER, 255)
    assert (await there.ended(running.command_id)).outcome == "succeeded"
    emergency_id = await there.emergency(kind="device", esp_id=DEC)
    end = await there.ended(covered.command_id)
    assert (end.outcome, end.code) == ("superseded", "EMERGENCY_ACTIVE")
    await there.until(lambda: [one for one in there.facts if isinstance(one, ShadowSettled) and one.gpio == DIMMER])
    assert await there.refusal(DEC, PUMP, "ON") == "EMERGENCY_ACTIVE"
    off = await there.send(DEC, PUMP, "OFF")
    await there.sent(off.command_id)
    await there.status(HEAD, PUMP, 255)
    assert (await there.ended(other.command_id)).outcome == "succeeded"
    await there.release(emergency_id, kind="device", esp_id=DEC)
    again = await there.eventually(lambda: there.send(DEC, PUMP, "ON"))
    await there.sent(again.command_id)


async def test_an_emergency_is_in_force_after_a_restart(there, service):
    await there.emergency(kind="site")
    await there.until_refused("EMERGENCY_ACTIVE", DEC, PUMP, "ON", timeout_s=1)
    service.kill()
    service.start()
    for esp_id in (DEC, HEAD):
        assert await there.refusal(esp_id, PUMP, "ON") == "EMERGENCY_ACTIVE"


async def test_nothing_comes_back_after_a_stop_that_came_and_went_while_the_service_was_away(there, service):
    """Neither what was running, by the policy of its actuator, nor what safety had allowed before the stop."""
    running = await there.send(DEC, DIMMER, "ON")
    await there.sent(running.command_id)
    await there.status(DEC, DIMMER, 255)
    assert (await there.ended(running.command_id)).outcome == "succeeded"
    there.safety = False
    allowed = await there.send(DEC, PUMP, "ON")
    await there.until(lambda: there.of(allowed.command_id))
    service.kill()
    await there.approve(there.of(allowed.command_id)[0])
    emergency_id = await there.emergency(kind="site")
    await there.status(DEC, DIMMER, 0)
    await there.release(emergency_id, kind="site")
    service.start()
    end = await there.ended(allowed.command_id)
    assert end.outcome in {"superseded", "failed"}
    assert not there.told(allowed.command_id)
    await there.until(lambda: [one for one in there.facts if isinstance(one, ShadowSettled) and one.gpio == DIMMER])
    assert (await there.eventually(lambda: there.actuator(DEC, DIMMER))).desired.level == 0.0
