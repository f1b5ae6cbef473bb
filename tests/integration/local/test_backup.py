"""A backup is whole or none, and makes an empty site what another one was."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from nats.js.api import KeyValueConfig

from kaiser.contracts.streams import ACTUATORS, DEVICES, DOWNLINK, STREAMS
from kaiser.eventlog import ConsumerSpec, Event, connect, ensure_consumer, ensure_streams, replay
from kaiser.eventlog.archive import Folder, Record
from kaiser.local import postgres as cluster
from kaiser.local.backup import making
from kaiser.local.backup.errors import BackupError
from kaiser.local.backup.making import Tools, make
from kaiser.local.backup.manifest import MANIFEST, Manifest, read_manifest, unfinished, whole
from kaiser.local.backup.restoring import restore, restore_secrets
from kaiser.local.backup.site import BackupSettings, Site
from kaiser.local.backup.verifying import problems, prune
from kaiser.local.ephemeral import PASSWORD, Nats, Postgres
from kaiser.local.ephemeral_s3 import SeaweedFs
from kaiser.service import NatsSettings
from kaiser.storage import FolderStore, Store, StoreError
from kaiser.timescale import Database, migrate

PASSPHRASE = "correct horse battery staple"
WRITER = ConsumerSpec(stream=DEVICES.name, durable="ingest-devices")
READER = ConsumerSpec(stream=DEVICES.name, durable="ingest-registry", subjects=("device.*.*.discovered",))


def _site(nats: Nats, postgres: Postgres, folder: Path) -> Site:
    return Site(
        nats=NatsSettings(url=nats.address, user="operator", password=PASSWORD),
        database=Database(dsn=postgres.dsn(), application_name="test"),
        backup=BackupSettings(passphrase=PASSPHRASE),
        archive=folder / "archive",
        secrets=folder / "secrets",
    )


def _event(number: int, stream: str = "device", last: str = "discovered") -> Event:
    return Event(subject=f"{stream}.k.ESP_{number % 3}.{last}", type="t", data=b"%d" % number, source="test")


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "backups")
    server: SeaweedFs = request.getfixturevalue("s3_server")
    return server.store(f"backups/{uuid.uuid4()}")


@pytest.fixture
def empty_nats(servers_folder: Path) -> Iterator[Nats]:
    server = Nats(servers_folder / f"nats-empty-{uuid.uuid4()}")
    try:
        yield server.start()
    finally:
        server.dispose()


@pytest.fixture
async def site(nats_server: Nats, postgres: Postgres, tmp_path: Path) -> Site:
    """A site with some of everything."""
    site = _site(nats_server, postgres, tmp_path / "site")
    async with await connect(nats_server.url, name="test") as log:
        await ensure_streams(log, STREAMS)
        await log.publish_all([_event(number) for number in range(1, 201)], ordered=True)
        await log.publish(Event(subject="downlink.k.ESP_1.command", type="t", data=b"on", source="test"))
        await log.js.delete_msg(DEVICES.name, 100)
        for spec in (WRITER, READER):
            await ensure_consumer(log, spec)
            await _take(log, spec.durable, 50)
        bucket = await log.js.create_key_value(KeyValueConfig(bucket="ingest"))
        await bucket.put("snapshot", b"first")
        await bucket.put("snapshot", b"second")
    await migrate(_as(postgres, "ingest"), package="kaiser.ingest", schema="ingest")
    with psycopg.connect(postgres.dsn()) as connection:
        connection.execute(
            "INSERT INTO ingest.health (esp_id, at, uptime_s, heap_free_bytes, wifi_rssi_dbm) "
            "SELECT 'ESP_' || n, '2026-11-01'::timestamptz + n * interval '1 day', n, 1, -70 "
            "FROM generate_series(1, 30) n"
        )
    Folder(tmp_path / "site" / "archive", "TELEMETRY", 1).append([Record(1, 1, "telemetry.reading.k.1", b"", b"x")])
    (tmp_path / "site" / "secrets" / "authority").mkdir(parents=True)
    (tmp_path / "site" / "secrets" / "jwt").write_text("a secret")
    (tmp_path / "site" / "secrets" / "authority" / "ca.key").write_text("another")
    return site


def _as(postgres: Postgres, schema: str) -> Database:
    return Database(dsn=postgres.dsn(cluster.SCHEMAS[schema]), application_name="test")


async def _take(log: Any, durable: str, messages: int) -> None:
    subscription = await log.js.pull_subscribe("", durable, stream=DEVICES.name)
    for message in await subscription.fetch(messages):
        await message.ack_sync()
    await subscription.unsubscribe()


def _tools(site: Site, store: Store) -> Tools:
    return Tools(site, store, lambda line: None)


async def _log_of(nats: Nats) -> dict[str, list[tuple[int, int, str, bytes]]]:
    async with await connect(nats.url, name="test") as log:
        return {
            spec.name: [(d.seq, d.stored_at, d.subject, d.data) async for d in replay(log, spec.name)]
            for spec in STREAMS
            if spec is not DOWNLINK
        }


def _rows(dsn: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT * FROM ingest.health ORDER BY at").fetchall()


async def test_an_empty_site_becomes_what_another_one_was(
    site: Site, store: Store, nats_server: Nats, postgres: Postgres, empty_nats: Nats, own_postgres: Postgres, tmp_path
) -> None:
    manifest = await make(_tools(site, store))
    assert list(problems(store, manifest)) == []
    another = _tools(_site(empty_nats, own_postgres, tmp_path / "another"), store)

    await restore(another, read_manifest(store, manifest.id))
    assert restore_secrets(another, manifest) == 2

    async with await connect(empty_nats.url, name="test") as log:
        assert (await (await log.js.key_value("ingest")).get("snapshot")).value == b"second"
        places = {each.name: each for each in await log.js.consumers_info(DEVICES.name)}
        assert {name: each.ack_floor.stream_seq for name, each in places.items()} == {
            WRITER.durable: 50,
            READER.durable: 50,
        }
        assert places[READER.durable].num_pending == 149, "one of the 150 behind it was deleted"
        # Whoever comes finds its consumer as its definition has it, and takes up where it was
        await ensure_consumer(log, READER)
        subscription = await log.js.pull_subscribe("", READER.durable, stream=DEVICES.name)
        assert [message.metadata.sequence.stream for message in await subscription.fetch(1)] == [51]
        assert DOWNLINK.name not in {info.config.name for info in await log.js.streams_info()}
        await ensure_streams(log, STREAMS)
        assert (await log.publish(_event(201))).seq == 201
        before = await _log_of(nats_server)
        after = await _log_of(empty_nats)
    assert len(before[DEVICES.name]) == 199
    assert after[DEVICES.name][:-1] == before[DEVICES.name]
    assert _rows(own_postgres.dsn()) == _rows(postgres.dsn())
    with psycopg.connect(own_postgres.dsn("kaiser_ingest")) as connection:
        connection.execute("DELETE FROM health")  # its service owns it
    assert Folder.lives(another.site.archive)[0].verify().messages == 1
    assert (tmp_path / "another" / "secrets" / "authority" / "ca.key").read_text() == "another"


async def test_a_site_with_anything_in_it_is_not_written_over(site: Site, tmp_path, empty_nats, postgres) -> None:
    store = FolderStore(tmp_path / "backups")
    manifest = await make(_tools(site, store))
    with pytest.raises(BackupError, match="the log is not empty: it has ACTUATORS"):
        await restore(_tools(site, store), manifest)
    with pytest.raises(BackupError, match=r"rows in ingest\.health"):
        await restore(_tools(_site(empty_nats, postgres, tmp_path / "b"), store), manifest)
    with pytest.raises(BackupError, match="not empty"):
        restore_secrets(_tools(site, store), manifest)


async def test_one_lost_stream_is_restored_beside_the_others(site: Site, tmp_path, nats_server, own_postgres) -> None:
    store = FolderStore(tmp_path / "backups")
    manifest = await make(_tools(site, store))
    async with await connect(nats_server.url, name="test") as log:
        await log.js.delete_stream(DEVICES.name)
    await restore(_tools(_site(nats_server, own_postgres, tmp_path / "b"), store), manifest, only=[DEVICES.name])
    assert len((await _log_of(nats_server))[DEVICES.name]) == 199
    with pytest.raises(BackupError, match="has no NOTHING"):
        await restore(_tools(site, store), manifest, only=["NOTHING"])


class _Breaking(FolderStore):
    """A store that has no more room after some files."""

    room = 5

    def put(self, name: str, body: bytes) -> None:
        self.room -= 1
        if self.room < 0:
            raise StoreError("no room")
        super().put(name, body)


async def test_half_a_backup_is_none(site: Site, tmp_path) -> None:
    store = _Breaking(tmp_path / "backups")
    with pytest.raises(BackupError, match="no room"):
        await make(_tools(site, store))
    assert whole(store) == []
    assert len(unfinished(store, "9")) == 1
    with pytest.raises(BackupError, match="no whole backup"):
        read_manifest(store, unfinished(store, "9")[0])


async def test_a_changed_piece_is_found_and_not_restored(site: Site, tmp_path, empty_nats, own_postgres) -> None:
    store = FolderStore(tmp_path / "backups")
    manifest = await make(_tools(site, store))
    (stream,) = [part for part in manifest.streams if part.name == DEVICES.name]
    name = f"{manifest.id}/{stream.pieces[0].name}"
    body = bytearray(store.get(name))
    body[len(body) // 2] ^= 1
    store.put(name, bytes(body))
    assert "another size or digest" in next(problems(store, manifest))
    with pytest.raises(BackupError, match="another size or digest"):
        await restore(_tools(_site(empty_nats, own_postgres, tmp_path / "b"), store), manifest)


async def test_a_wrong_passphrase_opens_nothing(site: Site, tmp_path) -> None:
    store = FolderStore(tmp_path / "backups")
    manifest = await make(_tools(site, store))
    wrong = msgspec.structs.replace(
        site, secrets=tmp_path / "new", backup=BackupSettings(passphrase="another passphrase")
    )
    with pytest.raises(BackupError, match="the passphrase is another one"):
        restore_secrets(_tools(wrong, store), manifest)
    assert b"a secret" not in b"".join(store.get(name) for name in store.names(manifest.id))


async def test_a_server_that_goes_away_leaves_no_backup(site: Site, tmp_path, nats_server, monkeypatch) -> None:
    store = FolderStore(tmp_path / "backups")
    monkeypatch.setattr(making, "CONNECT_S", 0.5)
    nats_server.kill()
    with pytest.raises(BackupError, match="NATS does not answer"):
        await make(_tools(site, store))
    assert whole(store) == []


def test_old_backups_go_and_the_newest_stay(tmp_path) -> None:
    store = FolderStore(tmp_path)
    for day in (1, 2, 3, 4):
        store.put(f"2026110{day}T000000Z/tables/a.0", b"")
        if day != 3:
            fields = {"id": f"2026110{day}T000000Z", "tables_at": 1, "streams_at": 1, "migrations": {}}
            fields |= {"streams": [], "buckets": [], "tables": []}
            store.put(f"2026110{day}T000000Z/{MANIFEST}", json.dumps(fields).encode())
    store.put("archive/TELEMETRY/1/a.manifest", b"")
    assert prune(store, 2) == ["20261101T000000Z", "20261103T000000Z"]
    assert whole(store) == ["20261102T000000Z", "20261104T000000Z"]
    assert store.names("archive") == ["archive/TELEMETRY/1/a.manifest"]
    assert isinstance(read_manifest(store, "20261104T000000Z"), Manifest)


async def test_what_is_written_while_a_backup_is_made_does_not_break_it(
    site: Site, tmp_path, nats_server: Nats, empty_nats: Nats, own_postgres: Postgres
) -> None:
    store = FolderStore(tmp_path / "backups")
    async with await connect(nats_server.url, name="test") as log:

        async def write() -> None:
            number = 1000
            while True:
                await log.publish_all([_event(number + n) for n in range(50)])
                await log.publish(Event(subject="actuator.k.ESP_1.4.status", type="t", data=b"x", source="test"))
                number += 50

        writing = asyncio.create_task(write())
        manifest = await make(_tools(site, store))
        writing.cancel()
        await asyncio.wait([writing])
    await restore(_tools(_site(empty_nats, own_postgres, tmp_path / "b"), store), manifest)
    async with await connect(empty_nats.url, name="test") as log:
        await ensure_streams(log, STREAMS)
    before, after = await _log_of(nats_server), await _log_of(empty_nats)
    for name in (DEVICES.name, ACTUATORS.name):
        assert after[name]
        assert after[name] == before[name][: len(after[name])]
