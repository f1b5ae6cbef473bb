"""Commands while processes and servers die."""

import asyncio
import contextlib

import nats.errors
import psycopg
import pytest

from kaiser.contracts import actuation
from kaiser.contracts.events.actuation import CommandEnded, CommandRequested
from kaiser.eventlog import now_us
from kaiser.local import ephemeral_services

from .conftest import DEC, DIMMER, HEAD, PUMP, QUICK, VALVE, RefusedError, known


async def on(site, gpio: int, **more) -> actuation.Command:
    command = await site.send(DEC, gpio, "ON", **more)
    await site.sent(command.command_id)
    await site.status(DEC, gpio, 255)
    assert (await site.ended(command.command_id)).outcome == "succeeded"
    return command


def timers(site) -> list[CommandRequested]:
    return [fact for fact in site.facts if isinstance(fact, CommandRequested) and fact.source == "timer"]


async def test_a_duration_that_ended_while_the_service_was_dead_is_ended_when_it_is_back(there, service):
    command = await on(there, PUMP, duration_s=2)
    service.kill()
    await asyncio.sleep(2.1)  # the duration itself
    service.start()
    (off,) = await there.until(lambda: timers(there))
    assert (off.action, off.causation_id) == ("OFF", command.command_id)
    await there.sent(off.command_id)
    await there.status(DEC, PUMP, 0)
    assert (await there.ended(off.command_id)).outcome == "succeeded"


async def test_a_duration_goes_on_after_a_kill(there, service):
    command = await on(there, PUMP, duration_s=6)
    service.kill()
    service.start()
    assert timers(there) == []
    (off,) = await there.until(lambda: timers(there))
    assert off.causation_id == command.command_id


async def test_what_was_under_way_at_a_kill_comes_to_its_one_end(there, service):
    sent = await there.send(DEC, PUMP, "OFF", timeout_s=20)
    there.safety = False
    waiting = await there.send(DEC, DIMMER, "ON")
    service.kill()
    service.start()
    await there.status(DEC, PUMP, 0)
    assert (await there.ended(sent.command_id)).outcome == "succeeded"
    assert (await there.ended(waiting.command_id)).code == "SAFETY_UNAVAILABLE"
    assert len([fact for fact in there.facts if isinstance(fact, CommandEnded)]) == 2


async def test_a_decision_that_was_made_while_the_service_was_dead_is_carried_out_when_it_is_back(site, new_service):
    service = new_service(decide_s="60").start()
    await site.meet(DEC)
    await known(site, DEC)
    site.safety = False
    command = await site.send(DEC, PUMP, "ON", timeout_s=60)
    asked = (await site.until(lambda: site.of(command.command_id, CommandRequested)))[0]
    service.kill()
    await site.approve(asked)
    service.start()
    await site.sent(command.command_id)


async def test_the_same_key_is_the_same_command_after_a_restart(there, service):
    first = await there.send(DEC, PUMP, "ON", idempotency_key="k")
    service.kill()
    service.start()
    assert (await there.send(DEC, PUMP, "ON", idempotency_key="k")).command_id == first.command_id


async def test_two_instances_agree_on_every_command(there, new_service):
    new_service().start()
    repeats = await asyncio.gather(*(there.send(DEC, PUMP, "ON", idempotency_key="k") for _ in range(40)))
    assert len({command.command_id for command in repeats}) == 1
    pins = [(esp_id, gpio) for esp_id in (DEC, HEAD) for gpio in (VALVE, DIMMER)]
    sends = [there.send(*pins[i % 4], "ON" if i % 2 else "OFF", timeout_s=2) for i in range(80)]
    commands = await asyncio.gather(*sends)
    for command in commands:
        await there.ended(command.command_id, within_s=30)
    ends = [fact.command_id for fact in there.facts if isinstance(fact, CommandEnded)]
    assert len(ends) == len(set(ends))


async def test_another_instance_takes_the_timers_over(there, service, new_service):
    new_service().start()
    command = await on(there, PUMP, duration_s=3)
    service.kill()
    (off,) = await there.until(lambda: timers(there))
    assert off.causation_id == command.command_id


async def test_a_restart_of_the_log_amid_commands_loses_none(there, nats_server):
    first = await there.send(DEC, PUMP, "OFF", timeout_s=20)
    await there.sent(first.command_id)
    nats_server.kill()
    nats_server.start()
    await there.log.wait_connected()
    await there.status(DEC, PUMP, 0)
    assert (await there.ended(first.command_id)).outcome == "succeeded"

    async def again():
        with contextlib.suppress(nats.errors.Error):  # the service connects again in its own time
            return await there.send(DEC, DIMMER, "ON", idempotency_key="k", timeout_s=20)

    second = await there.eventually(again)
    await there.sent(second.command_id)
    await there.status(DEC, DIMMER, 255)
    assert (await there.ended(second.command_id)).outcome == "succeeded"


@pytest.fixture
async def alone(site, nats_server, own_postgres, tmp_path):
    """A site whose service has a database of its own."""
    service = ephemeral_services.actuator(tmp_path / "actuator", nats_server, own_postgres, **QUICK)
    try:
        service.start()
        await site.meet(DEC)
        await known(site, DEC)
        yield site
    finally:
        service.kill()


async def test_commands_go_on_while_the_database_is_away_and_are_in_its_tables_afterwards(alone, own_postgres):
    own_postgres.stop()
    command = await on(alone, PUMP)
    assert (await alone.actuator(DEC, PUMP)).reported.level == 1.0
    assert (await alone.command(command.command_id)).state == "succeeded"
    page = await alone.page("actuators", actuation.ActuatorsQuery(), actuation.Actuator)
    assert len(page.items) == 4
    lists = (
        ("commands", actuation.CommandsQuery(), actuation.Command),
        ("states", actuation.StatesQuery(esp_id=DEC, gpio=PUMP, start=0, end=now_us()), actuation.ReportedState),
    )
    for name, asked, item in lists:
        with pytest.raises(RefusedError) as caught:
            await alone.page(name, asked, item)
        assert caught.value.problem.code == "DATABASE_ERROR"
    own_postgres.start()

    async def listed():
        return (await alone.page("commands", actuation.CommandsQuery(), actuation.Command)).items

    await alone.eventually(listed)


async def test_tables_that_were_dropped_are_made_anew_from_the_log(there, service, postgres):
    for gpio in (PUMP, DIMMER):
        await on(there, gpio)
    await there.status(DEC, PUMP, 0)

    async def rows() -> list:
        async with await psycopg.AsyncConnection.connect(postgres.dsn("kaiser_actuator")) as connection:
            commands = await connection.execute("SELECT * FROM actuator.commands ORDER BY command_id")
            ended = [row for row in await commands.fetchall() if "succeeded" in row]
            states = await connection.execute("SELECT * FROM actuator.states ORDER BY esp_id, gpio, at")
            found = [*ended, *(await states.fetchall())]
            return found if len(found) == 5 else []

    before = await there.eventually(rows)
    service.kill()
    async with await psycopg.AsyncConnection.connect(postgres.dsn("kaiser_actuator"), autocommit=True) as connection:
        await connection.execute("TRUNCATE actuator.commands, actuator.states, actuator.latest, actuator.progress")
    for durable in ("actuator-commands", "actuator-states"):
        await there.log.js.delete_consumer("ACTUATORS", durable)
    service.start()
    assert await there.eventually(rows) == before
