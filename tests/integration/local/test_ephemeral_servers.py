"""The servers that every other test stands on."""

import asyncio
import socket

import aiomqtt
import nats
import psycopg
import pytest

from kaiser.local.ephemeral import Mosquitto, Nats, Postgres, Server


@pytest.fixture(params=["mosquitto", "nats_server", "own_postgres"])
def server(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(request.param)


def _refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_killed_server_comes_back_on_the_same_port(server: Server) -> None:
    server.kill()
    assert _refused(server.port)

    server.start()

    assert not _refused(server.port)


def test_a_stopped_server_comes_back_on_the_same_port(server: Server) -> None:
    server.stop()
    assert _refused(server.port)

    server.restart()

    assert not _refused(server.port)


def test_a_paused_postgres_answers_when_it_is_resumed(own_postgres: Postgres) -> None:
    with psycopg.connect(own_postgres.dsn(), options="-c statement_timeout=0") as connection:
        own_postgres.pause()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(own_postgres.dsn(), connect_timeout=2)
        own_postgres.resume()

        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("generation", [1, 2])
def test_each_test_has_a_fresh_database(postgres: Postgres, generation: int) -> None:
    with psycopg.connect(postgres.dsn()) as connection:
        connection.execute("CREATE TABLE public.seen (generation int)")
        connection.execute("INSERT INTO public.seen VALUES (%s)", [generation])


def test_a_service_role_makes_hypertables_in_its_own_schema(postgres: Postgres) -> None:
    with psycopg.connect(postgres.dsn("kaiser_ingest")) as connection:
        connection.execute("CREATE TABLE reading (at timestamptz NOT NULL, value double precision)")
        connection.execute("SELECT create_hypertable('reading', by_range('at'))")
        connection.execute("INSERT INTO reading VALUES (now(), 1), (now() - interval '30 days', 2)")
        connection.execute("SELECT drop_chunks('reading', interval '10 days')")

        assert connection.execute("SELECT sum(value) FROM ingest.reading").fetchone() == (1.0,)


def test_a_service_role_reaches_no_other_schema(postgres: Postgres) -> None:
    with psycopg.connect(postgres.dsn("kaiser_gateway")) as connection:
        connection.execute("CREATE TABLE secret (word text)")
    with psycopg.connect(postgres.dsn("kaiser_ingest")) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM gateway.secret")
        connection.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE public.mine (word text)")


async def test_nats_keeps_streams_over_a_kill(nats_server: Nats) -> None:
    connection = await nats.connect(nats_server.url)
    await connection.jetstream().add_stream(name="S", subjects=["s"])
    await connection.jetstream().publish("s", b"kept")
    await connection.close()

    nats_server.kill()
    nats_server.start()

    connection = await nats.connect(nats_server.url)
    assert (await connection.jetstream().get_last_msg("S", "s")).data == b"kept"
    await connection.close()


async def test_mosquitto_refuses_who_has_no_password(mosquitto: Mosquitto) -> None:
    with pytest.raises(aiomqtt.MqttError, match="Not authorized"):
        async with aiomqtt.Client(mosquitto.host, mosquitto.port):
            pass


async def test_a_service_publishes_only_what_the_contract_grants_it(nats_server: Nats) -> None:
    refused = asyncio.Event()

    async def note(error: Exception) -> None:
        if "permissions violation" in str(error).lower():
            refused.set()

    connection = await nats.connect(nats_server.address, user="bridge", password=nats_server.password, error_cb=note)
    stream = connection.jetstream()
    await stream.add_stream(name="TELEMETRY_RAW", subjects=["telemetry.raw.>"])
    await stream.publish("telemetry.raw.god.0", b"{}")
    await (await stream.pull_subscribe("telemetry.raw.>", durable="d", stream="TELEMETRY_RAW")).fetch(1)
    bucket = await stream.create_key_value(bucket="bridge")
    await bucket.put("device", b"known")
    assert (await bucket.get("device")).value == b"known"
    assert not refused.is_set()

    await connection.publish("telemetry.reading.god.0", b"{}")
    await asyncio.wait_for(refused.wait(), 5)
    await connection.close()
