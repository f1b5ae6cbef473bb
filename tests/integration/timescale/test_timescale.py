import asyncio
import time
from contextlib import asynccontextmanager
from math import isnan

import psycopg
import pytest

from kaiser.timescale import (
    Database,
    DatabaseAway,
    Lifetime,
    Pool,
    Retention,
    connect,
    float8_array,
    int8_array,
    migrate,
    read_edition,
    timestamp_array,
    wait_for_database,
)


def database(server, role="kaiser_ingest") -> Database:
    return Database(dsn=server.dsn(role), application_name="test")


@asynccontextmanager
async def connected(server):
    connection = await connect(database(server))
    try:
        yield connection
    finally:
        await connection.close()


async def answers(pool: Pool) -> bool:
    try:
        async with pool.connection() as connection:
            return await rows(connection, "SELECT 1") == [(1,)]
    except DatabaseAway:
        return False


async def rows(connection, query, *parameters):
    return await (await connection.execute(query, parameters)).fetchall()


async def test_packed_arrays_arrive_as_they_were(postgres):
    async with connected(postgres) as connection:
        (row,) = await rows(
            connection,
            "SELECT %s::bigint[], %s::float8[], extract(epoch FROM (%s::timestamptz[])[1]) * 1000000, %s::bigint[]",
            int8_array([0, -1, 2**62]),
            float8_array([0.5, None]),
            timestamp_array([1_767_100_125_400_001]),
            int8_array([]),
        )
    assert row[0] == [0, -1, 2**62]
    assert row[1][0] == 0.5
    assert isnan(row[1][1])
    assert row[2] == 1_767_100_125_400_001
    assert row[3] == []


async def test_the_licence_of_debians_build_is_apache(postgres):
    async with connected(postgres) as connection:
        edition = await read_edition(connection)
    assert edition.licence == "apache"
    assert edition.version.startswith("2.")
    assert not edition.has_policies


async def test_a_database_without_the_extension_is_said_to_lack_it(postgres):
    async with connected(postgres) as connection:
        name = connection.info.dbname
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as admin:
        admin.execute("DROP EXTENSION timescaledb CASCADE")
    async with connected(postgres) as connection:
        with pytest.raises(DatabaseAway, match=f"not installed in database '{name}'"):
            await read_edition(connection)


async def test_two_instances_may_migrate_at_once(postgres):
    applied = await asyncio.gather(
        *(migrate(database(postgres), package="kaiser.ingest", schema="ingest") for _ in range(3))
    )
    assert sorted(map(len, applied)) == [0, 0, max(map(len, applied))]
    async with connected(postgres) as connection:
        hypertables = await rows(connection, "SELECT hypertable_name FROM timescaledb_information.hypertables")
        own = await rows(connection, "SELECT count(*) FROM ingest._yoyo_migration")
    assert {name for (name,) in hypertables} == {"readings", "rollup_1m", "rollup_1h", "health"}
    assert own == [(max(map(len, applied)),)]


async def test_a_migration_after_one_that_was_killed_is_not_locked_out(postgres):
    await migrate(database(postgres), package="kaiser.ingest", schema="ingest")
    async with connected(postgres) as connection:
        await connection.execute("INSERT INTO ingest.yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1)")
    assert await migrate(database(postgres), package="kaiser.ingest", schema="ingest") == []


async def test_without_policies_old_chunks_are_dropped_by_kaiser(postgres):
    await migrate(database(postgres), package="kaiser.ingest", schema="ingest")
    async with connected(postgres) as connection:
        await connection.execute(
            "INSERT INTO ingest.readings (sensor_id, measured_at, reading_id, received_at, stored_at, device_ts,"
            " context_id, raw) SELECT 1, now() - day * interval '1 day', day, now(), now(), 0, 0, 0"
            " FROM generate_series(0, 9) AS day"
        )
        retention = Retention(database(postgres), [Lifetime(table="ingest.readings", keep_s=4 * 86_400)])
        dropped = await retention.sweep()
        left = await rows(connection, "SELECT count(*) FROM ingest.readings")
    assert dropped == {"ingest.readings": 5}
    assert left == [(5,)]


async def test_instances_that_sweep_at_once_do_not_disturb_each_other(postgres):
    await migrate(database(postgres), package="kaiser.ingest", schema="ingest")
    retention = Retention(database(postgres), [Lifetime(table="ingest.readings", keep_s=86_400)])
    swept = await asyncio.gather(*(retention.sweep() for _ in range(4)))
    assert all(result in ({}, {"ingest.readings": 0}) for result in swept)
    assert {"ingest.readings": 0} in swept


async def test_the_pool_says_quickly_that_the_database_is_away_and_recovers(own_postgres):
    pool = Pool(database(own_postgres), patience_s=0.3)
    await pool.open()
    try:
        async with pool.connection() as connection:
            assert await rows(connection, "SELECT 1") == [(1,)]
        own_postgres.stop()
        began = time.monotonic()
        for _ in range(3):
            with pytest.raises(DatabaseAway):
                async with pool.connection() as connection:
                    await connection.execute("SELECT 1")
        assert time.monotonic() - began < 3
        own_postgres.start()
        async with asyncio.timeout(15):
            while not await answers(pool):  # noqa: ASYNC110  # nothing tells when a pool has reconnected
                await asyncio.sleep(0.1)
    finally:
        await pool.close()


async def test_a_service_that_starts_first_waits_for_its_database(own_postgres):
    own_postgres.stop()
    waiting = asyncio.create_task(wait_for_database(database(own_postgres)))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    own_postgres.start()
    async with asyncio.timeout(10):
        connection = await waiting
    assert await rows(connection, "SELECT 1") == [(1,)]
    await connection.close()


async def test_a_migration_that_could_not_be_noted_was_not_applied(postgres, tmp_path, monkeypatch):
    """As when the process is killed in between."""
    folder = tmp_path / "kaiser_of_next_year" / "migrations"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "0001-one.sql").write_text("CREATE TABLE ingest.one (n integer);")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert await migrate(database(postgres), package="kaiser_of_next_year", schema="ingest") == ["0001-one"]
    (folder / "0002-two.sql").write_text("CREATE TABLE ingest.two (n integer); CREATE INDEX ON ingest.two (n);")
    async with connected(postgres) as connection:
        await connection.execute("REVOKE INSERT ON ingest._yoyo_migration FROM kaiser_ingest")
        with pytest.raises(DatabaseAway):
            await migrate(database(postgres), package="kaiser_of_next_year", schema="ingest")
        await connection.execute("GRANT INSERT ON ingest._yoyo_migration TO kaiser_ingest")
        assert await migrate(database(postgres), package="kaiser_of_next_year", schema="ingest") == ["0002-two"]
        assert await rows(connection, "SELECT * FROM ingest.two") == []
