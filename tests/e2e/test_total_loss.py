"""A site is backed up while it works, dies with all its disks, and comes back as it was."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import psycopg
import pytest

from kaiser.contracts.streams import DOWNLINK, IDENTITY, STREAMS, TELEMETRY
from kaiser.eventlog import connect, replay
from kaiser.fleet.device import Broker, Device
from kaiser.fleet.sent import Sent
from kaiser.fleet.spec import DeviceSpec
from kaiser.local.backup.making import Tools, make
from kaiser.local.backup.restoring import restore
from kaiser.local.backup.site import BackupSettings, Site
from kaiser.local.backup.verifying import problems
from kaiser.local.ephemeral import PASSWORD
from kaiser.local.tree import Tree
from kaiser.service import NatsSettings
from kaiser.storage import FolderStore
from kaiser.timescale import Database

from .living import FAST, Seen, living, now, until
from .suite import Suite, logged_in, made

KEYED: Final = "ESP_5AFE01"
DEVICES: Final = ("ESP_5AFE02", "ESP_5AFE03")
EQUIPMENT: Final = {
    "sensors": [{"gpio": 32, "sensor_type": "ph", "name": "Tank"}],
    "actuators": [{"gpio": 25, "actuator_type": "pump", "name": "Pump"}],
}
PAGES: Final = ("/devices", "/zones", "/sensors", "/users", "/keys", "/actuators", "/rules")
DECIDED_ANEW: Final = {
    "/users": ("user_id", "username", "role"),
    "/actuators": ("esp_id", "gpio", "actuator_type", "name"),
}
"""What is compared where a login, or a command that has expired meanwhile, rightly changes the rest. The log and the
tables, compared before any service runs, hold all of it."""
SERVERS: Final = 3
CLOCKS: Final = ("updated_at",)
"""Columns that say when a row was written."""


@contextlib.contextmanager
def _running(*servers: Any) -> Iterator[None]:
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in reversed(servers):
            server.kill()


def _tools(suite: Suite, store: FolderStore) -> Tools:
    site = Site(
        nats=NatsSettings(url=suite.nats.address, user="operator", password=PASSWORD),
        database=Database(dsn=suite.postgres.dsn(), application_name="test"),
        backup=BackupSettings(),
        archive=None,
        secrets=None,
    )
    return Tools(site, store, lambda line: None)


@contextlib.asynccontextmanager
async def _with_key(suite: Suite, key: str) -> AsyncIterator[Device]:
    broker = Broker(host=suite.mosquitto.host, port=suite.mosquitto.port, username=KEYED, password=key)
    device = Device(DeviceSpec(esp_id=KEYED), broker, Sent(), time_scale=FAST)
    running = asyncio.create_task(device.run())
    try:
        yield device
    finally:
        device.stop()
        await asyncio.wait((running,), timeout=5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _log_of(suite: Suite) -> dict[str, list[tuple[int, int, str, bytes]]]:
    async with await connect(suite.nats.url, name="test") as log:
        there = {info.config.name for info in await log.js.streams_info()}
        return {
            spec.name: [(d.seq, d.stored_at, d.subject, d.data) async for d in replay(log, spec.name)]
            for spec in STREAMS
            if spec is not DOWNLINK and spec.name in there
        }


async def _settled(suite: Suite) -> None:
    """Every consumer that writes tables has nothing left."""

    async def left() -> int:
        async with await connect(suite.nats.url, name="test") as log:
            found = [
                each
                for info in await log.js.streams_info()
                for each in await log.js.consumers_info(info.config.name)
                if each.config.durable_name
            ]
            return sum(each.num_pending + each.num_ack_pending for each in found)

    await until(left, lambda count: count == 0, 60)


def _tables(suite: Suite) -> dict[str, list[str]]:
    with psycopg.connect(suite.postgres.dsn()) as connection:
        names = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('ingest', 'actuator', 'safety', 'logic') "
            "AND tablename !~ 'yoyo' ORDER BY 1, 2"
        ).fetchall()
        return {
            f"{schema}.{name}": sorted(
                row[0]
                for row in connection.execute(
                    f"SELECT (to_jsonb(t) - %s::text[])::text FROM {schema}.{name} t", (list(CLOCKS),)
                ).fetchall()
            )
            for schema, name in names
        }


async def _shown(api: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = {page: (await api.get(page)).raise_for_status().json() for page in PAGES}
    for page, kept in DECIDED_ANEW.items():
        found[page] = [{key: each[key] for key in kept} for each in found[page]["items"]]
    for esp in (KEYED, *DEVICES):
        found[esp] = [reading["reading_id"] for reading in await Seen(api, esp).readings(32, "ph")]
    return found


async def _lived(suite: Suite, store: FolderStore) -> str:
    """Some life; a backup in the middle of it. Returns the key of the device that has one."""
    async with logged_in(suite.gateway) as api, contextlib.AsyncExitStack() as stack:
        (await api.post("/users", json={"username": "ada", "password": "a long password", "role": "operator"}))
        for esp in DEVICES:
            _, seen = await stack.enter_async_context(living(suite.mosquitto, api, DeviceSpec(esp_id=esp)))
            (await seen.put("config", EQUIPMENT)).raise_for_status()
            await until(seen.config, lambda found: found["state"] == "confirmed")
        commissioning = Broker(
            host=suite.mosquitto.host, port=suite.mosquitto.port, username="commissioning", password=PASSWORD
        )
        device = Device(DeviceSpec(esp_id=KEYED), commissioning, Sent(), time_scale=FAST)
        running = asyncio.create_task(device.run())
        await until(Seen(api, KEYED).device, lambda found: found is not None)
        key = (await api.post(f"/devices/{KEYED}/approve", json={"name": "Bench"})).raise_for_status().json()["key"]
        device.stop()
        await asyncio.wait([running], timeout=5)
        async with _with_key(suite, key) as keyed:
            await until(lambda: now(keyed.connected), bool)
            (await Seen(api, KEYED).put("config", EQUIPMENT)).raise_for_status()
            await until(Seen(api, KEYED).config, lambda found: found["state"] == "confirmed")
            await until(lambda: Seen(api, DEVICES[0]).latest(32, "ph"), bool)
            command = await api.post(f"/actuators/{DEVICES[0]}/25/command", json={"command": "ON", "duration": 600})
            command.raise_for_status()
            await until(lambda: Seen(api, KEYED).latest(32, "ph"), bool)
            under_load = await make(_tools(suite, store))
            assert list(problems(store, under_load)) == []
            # More comes afterwards, which it does not know
            known = await _log_of(suite)
            await until(lambda: _log_of(suite), lambda log: len(log[TELEMETRY.name]) > len(known[TELEMETRY.name]))
    return str(key)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_site_comes_back_as_it_was(infra_tree: Tree, postgres_template: Path, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "backups")
    suite = made(tmp_path / "before", infra_tree, postgres_template)
    with _running(*suite):
        key = await _lived(suite, store)
        await _settled(suite)
        async with logged_in(suite.gateway) as api:
            shown = await _shown(api)
        tables = _tables(suite)
        manifest = await make(_tools(suite, store))
        log = await _log_of(suite)
        assert list(problems(store, manifest)) == []
    shutil.rmtree(tmp_path / "before")

    again = made(tmp_path / "after", infra_tree, postgres_template)
    with _running(*again[:SERVERS]):
        await restore(_tools(again, store), manifest)
        restored = await _log_of(again)
        assert restored == {name: log[name] for name in restored}
        assert set(restored) == set(log)
        assert _tables(again) == tables
        with _running(*again[SERVERS:]):
            async with logged_in(again.gateway) as api:
                assert await _shown(api) == shown
                answer = await api.post("/auth/login", json={"username": "ada", "password": "a long password"})
                assert answer.is_success, "people log in as before"
                async with _with_key(again, key) as device:
                    await until(lambda: now(device.connected), bool)
                    seen, last = Seen(api, KEYED), (await Seen(api, KEYED).latest(32, "ph"))["reading_id"]
                    await until(lambda: seen.latest(32, "ph"), lambda reading: reading["reading_id"] != last)
            await _settled(again)
            later = await _log_of(again)
        assert all(later[name][: len(found)] == found for name, found in restored.items()), "sequences go on"
        assert [seq for seq, *_ in later[IDENTITY.name]] == list(range(1, len(later[IDENTITY.name]) + 1))


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_backup_under_load_becomes_one_state_of_log_and_tables(
    infra_tree: Tree, postgres_template: Path, tmp_path: Path
) -> None:
    store = FolderStore(tmp_path / "backups")
    suite = made(tmp_path / "before", infra_tree, postgres_template)
    with _running(*suite):
        await _lived(suite, store)
        log = await _log_of(suite)
    (id_,) = store.entries().folders
    again = made(tmp_path / "after", infra_tree, postgres_template)
    from kaiser.local.backup.manifest import read_manifest

    manifest = read_manifest(store, id_)
    with _running(*again[:SERVERS]):
        await restore(_tools(again, store), manifest)
        restored = await _log_of(again)
        for part in manifest.streams:
            assert restored[part.name] == log[part.name][: len(restored[part.name])]
        with _running(*again[SERVERS:]):
            await _settled(again)
            said = {
                reading
                for _, _, _, body in (await _log_of(again))[TELEMETRY.name]
                for reading in msgspec.json.decode(body)["reading_id"]
            }
            with psycopg.connect(again.postgres.dsn()) as connection:
                rows = [row[0] for row in connection.execute("SELECT reading_id FROM ingest.readings").fetchall()]
        assert sorted(rows) == sorted(said), "each reading of the log is one row"
