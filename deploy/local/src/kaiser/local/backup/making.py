"""Makes a backup of a site that runs."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import psycopg

from kaiser.contracts.streams import DOWNLINK
from kaiser.eventlog import EventLog, connect, now_us
from kaiser.local.backup import streams, vault
from kaiser.local.backup.errors import BackupError
from kaiser.local.backup.manifest import (
    MANIFEST,
    Manifest,
    Piece,
    Place,
    StreamPart,
    blocks_of,
    new_id,
    write_pieces,
)
from kaiser.local.backup.site import Site
from kaiser.local.backup.tables import Snapshot
from kaiser.storage import FolderStore, Store, StoreError, TakenError

CONNECT_S: Final = 20.0
BUCKET: Final = "KV_"
ARCHIVE: Final = "archive"
"""Folder of the archive's copy, which all backups of a store share: a segment never changes."""

TABLE_WRITERS: Final = frozenset(
    {
        "ingest-recorder",
        "ingest-devices",
        "ingest-standings",
        "ingest-presence",
        "actuator-commands",
        "actuator-states",
        "safety-violations",
        "logic-runs",
    }
)
"""Durable consumers whose effects are tables. They go on where they were before the tables were copied; all others,
whose effects are in the streams, where they were before the streams were."""


class Tools(msgspec.Struct, frozen=True):
    """What is made with.

    Attributes:
        site: The site.
        store: Where backups are.
        say: Takes a line of progress.
    """

    site: Site
    store: Store
    say: Callable[[str], None]


async def make(tools: Tools) -> Manifest:
    """Make a backup; it is whole when this returns, and none at all before.

    Raises:
        BackupError: It cannot be made; what is left of it is no backup.
    """
    id_ = new_id(datetime.now(UTC))
    try:
        async with reached(tools.site) as log:
            manifest = await _make(tools, log, id_)
        tools.store.create(f"{id_}/{MANIFEST}", msgspec.json.encode(manifest))
    except TakenError as error:
        raise BackupError(f"somebody else makes the backup {id_}") from error
    except StoreError as error:
        raise BackupError(f"the backup cannot be written: {error}") from error
    except psycopg.Error as error:
        raise BackupError(f"the database cannot be copied: {str(error).strip()}") from error
    return manifest


@contextlib.asynccontextmanager
async def reached(site: Site) -> AsyncIterator[EventLog]:
    """A connection to the site's event log.

    Raises:
        BackupError: It does not answer.
    """
    try:
        async with asyncio.timeout(CONNECT_S):
            log = await connect(site.nats.url, name="backup", user=site.nats.user, password=site.nats.password)
    except TimeoutError as error:
        raise BackupError(f"NATS does not answer at {site.nats.url.rpartition('@')[2]}") from error
    async with log:
        yield log


async def _make(tools: Tools, log: EventLog, id_: str) -> Manifest:
    names = [name for name in await streams.stream_names(log) if name != DOWNLINK.name]
    early = await streams.places(log, names)
    tables_at = now_us()
    with _snapshot(tools.site) as snapshot:
        migrations = snapshot.migrations()
        tables = await asyncio.to_thread(snapshot.copy, tools.store, id_)
    tools.say(f"{len(tables)} tables, {sum(table.rows for table in tables):,} rows")
    buckets = await _take(tools, log, id_, [name for name in names if name.startswith(BUCKET)], {})
    kept = [name for name in names if not name.startswith(BUCKET)]
    late = await streams.places(log, kept)
    streams_at = now_us()
    parts = await _take(tools, log, id_, kept, {name: _settle(early[name], late[name]) for name in kept})
    return Manifest(
        id=id_,
        tables_at=tables_at,
        streams_at=streams_at,
        streams=parts,
        buckets=buckets,
        migrations=migrations,
        tables=tables,
        # Last: what streams had let go before they were looked at is in it
        archive=await asyncio.to_thread(_copy_archive, tools),
        secrets=_lock_secrets(tools, id_),
    )


async def _take(
    tools: Tools, log: EventLog, id_: str, names: Sequence[str], places: Mapping[str, tuple[Place, ...]]
) -> tuple[StreamPart, ...]:
    """Snapshots of streams, begun at one moment, and then written to the store."""
    with tempfile.TemporaryDirectory(prefix="kaiser-backup-", dir=tools.site.backup.spool) as spool:
        taken = await asyncio.gather(*(streams.take(log, name, Path(spool) / name) for name in names))
        parts = []
        for name, one in zip(names, taken, strict=True):
            pieces = await asyncio.to_thread(write_pieces, tools.store, id_, f"streams/{name}", blocks_of(one.path))
            parts.append(
                StreamPart(name=name, config=one.config, state=one.state, places=places.get(name, ()), pieces=pieces)
            )
            tools.say(f"{name}: {one.state['messages']:,} messages, to {one.state['last_seq']:,}")
    return tuple(parts)


def _settle(early: Sequence[Place], late: Sequence[Place]) -> tuple[Place, ...]:
    """Each consumer at the place that counts for it; one that was made meanwhile has done nothing before."""
    before = {place.durable: place for place in early}
    made_since = {place.durable: msgspec.structs.replace(place, floor=0) for place in late}
    return tuple(
        before.get(place.durable, made_since[place.durable]) if place.durable in TABLE_WRITERS else place
        for place in late
    )


@contextlib.contextmanager
def _snapshot(site: Site) -> Iterator[Snapshot]:
    with psycopg.connect(site.database.conninfo()) as connection:
        yield Snapshot(connection)
        connection.rollback()


def _copy_archive(tools: Tools) -> int | None:
    """Copy what the archive has and its copy has not; returns how many segments both have."""
    folder = tools.site.archive
    if folder is None or not folder.is_dir():
        return None
    source = FolderStore(folder)
    there = set(tools.store.names(ARCHIVE))
    wanted = source.names()
    new = [name for name in wanted if f"{ARCHIVE}/{name}" not in there]
    # Manifests last, as they were written: without one a segment is none
    for name in sorted(new, key=lambda name: name.endswith(".manifest")):
        tools.store.put(f"{ARCHIVE}/{name}", source.get(name))
    found = sum(name.endswith(".manifest") for name in wanted)
    tools.say(f"archive: {found:,} segments, {len(new):,} files of them new")
    return found


def _lock_secrets(tools: Tools, id_: str) -> Piece | None:
    backup, folder = tools.site.backup, tools.site.secrets
    if not backup.passphrase or folder is None:
        tools.say("secrets: left out; keep a copy of them elsewhere (docs/backup.md)")
        return None
    (piece,) = write_pieces(tools.store, id_, "secrets", [vault.lock(folder, backup.passphrase)])
    tools.say("secrets: locked")
    return piece
