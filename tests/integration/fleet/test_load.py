"""The load mode against a real broker."""

import asyncio

import aiomqtt
import pytest

from kaiser.contracts.uplink import Accepted, decode_uplink
from kaiser.fleet.load import Load


def load_on(mosquitto, **options) -> Load:
    return Load(
        host=mosquitto.host,
        port=mosquitto.port,
        username="loadgen",
        password=mosquitto.password,
        **options,
    )


async def test_a_listener_gets_every_reading_once(mosquitto):
    async with (
        aiomqtt.Client(
            mosquitto.host, mosquitto.port, username=mosquitto.username, password=mosquitto.password
        ) as listener,
        load_on(mosquitto, devices=20, rate=0) as load,
    ):
        await listener.subscribe("kaiser/+/esp/+/sensor/+/data", qos=1)
        await load.send(3000)
        heard = []
        async with asyncio.timeout(20):
            async for message in listener.messages:
                outcome = decode_uplink(str(message.topic), message.payload)
                assert isinstance(outcome, Accepted)
                heard.append(load.counter(outcome.message.esp_id, outcome.message.seq))
                if len(heard) == load.sent:
                    break
    assert sorted(heard) == list(range(3000))
    assert load.acked == 3000


async def test_a_restart_of_the_broker_loses_nothing(mosquitto):
    async with load_on(mosquitto, devices=20, rate=2500) as load:
        running = asyncio.create_task(load.run(2.0))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(mosquitto.restart)
        await running
    assert load.acked == load.sent > 1000


async def test_a_steady_rate_is_kept(mosquitto):
    async with load_on(mosquitto, rate=500) as load:
        await load.run(1.0)
    assert 450 <= load.sent <= 510
    gaps = [after - before for before, after in zip(load.published_at_us, load.published_at_us[1:], strict=False)]
    assert sorted(gaps)[len(gaps) // 2] < 4000


async def test_a_kill_of_the_broker_loses_nothing(mosquitto):
    async with load_on(mosquitto, devices=20, rate=2500) as load:
        running = asyncio.create_task(load.run(3.0))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(mosquitto.kill)
        await asyncio.sleep(1.0)
        await asyncio.to_thread(mosquitto.start)
        await running
    assert load.acked == load.sent > 1000


async def test_a_broker_that_closes_before_it_answers_sees_one_attempt_at_a_time():
    attempts = 0

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        await reader.read(100)
        if attempts == 1:
            writer.write(b"\x20\x02\x00\x00")
            await asyncio.sleep(0.1)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Load(host="127.0.0.1", port=port, devices=5, rate=100, connections=1) as load:
        await load.run(3.0, drain_s=0.0)
    assert 3 <= attempts <= 7


async def test_a_refused_load_does_not_go_on_trying(mosquitto):
    load = Load(host=mosquitto.host, port=mosquitto.port, username="loadgen", password="wrong", connections=1)
    before = asyncio.all_tasks()
    with pytest.raises(ConnectionRefusedError):
        await load.__aenter__()
    await asyncio.sleep(0.2)
    assert asyncio.all_tasks() == before
