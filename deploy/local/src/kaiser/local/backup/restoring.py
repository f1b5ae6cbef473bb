"""Makes a site that is empty what it was when a backup was made."""

import asyncio
import tempfile
from collections.abc import Sequence
from typing import Final

import psycopg

from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import EventLog
from kaiser.local.backup import streams, tables, vault
from kaiser.local.backup.errors import BackupError
from kaiser.local.backup.making import ARCHIVE, BUCKET, Tools, reached
from kaiser.local.backup.manifest import Manifest, StreamPart, gather, read_piece
from kaiser.storage import FolderStore, StoreError

COUNTED: Final = ("messages", "first_seq", "last_seq")


async def restore(tools: Tools, manifest: Manifest, *, only: Sequence[str] = (), replicas: int | None = None) -> None:
    """Restore a backup, and compare what is there afterwards with what was there.

    Args:
        tools: Site and store.
        manifest: The backup.
        only: Streams to restore; all by default.
        replicas: Copies of each stream, if not as many as it had.

    Raises:
        BackupError: The site is not empty, a piece is broken, or a server refuses. What was restored by then stays,
            for whoever wants to look at it; a site is emptied before the next attempt.
    """
    wanted = [part for part in (*manifest.buckets, *manifest.streams) if not only or part.name in only]
    if unknown := set(only) - {part.name for part in wanted}:
        raise BackupError(f"the backup {manifest.id} has no {', '.join(sorted(unknown))}")
    try:
        async with reached(tools.site) as log:
            await _refuse_used(tools, log, [part.name for part in wanted], whole=not only)
            await asyncio.to_thread(_restore_archive, tools, manifest)
            await _restore_tables(tools, manifest)
            for part in wanted:
                await _restore_stream(tools, log, manifest, part, replicas)
    except psycopg.Error as error:
        raise BackupError(f"the database cannot be restored: {str(error).strip()}") from error


def restore_secrets(tools: Tools, manifest: Manifest) -> int:
    """Write the site's secrets where they were; returns how many files.

    Raises:
        BackupError: The backup has none, the passphrase is another one, or there are secrets.
    """
    if manifest.secrets is None:
        raise BackupError(f"the backup {manifest.id} was made without a passphrase, and so without secrets")
    if tools.site.secrets is None or not tools.site.backup.passphrase:
        raise BackupError("where do secrets belong, and which passphrase has them? KAISER_BACKUP_SECRETS, _PASSPHRASE")
    body = read_piece(tools.store, manifest.id, manifest.secrets)
    return vault.unlock(body, tools.site.backup.passphrase, tools.site.secrets)


async def _refuse_used(tools: Tools, log: EventLog, names: Sequence[str], *, whole: bool) -> None:
    """Refuse a site in which there is anything that would be written over, or that writes already."""
    ours = {spec.name for spec in STREAMS}
    there = [name for name in await streams.stream_names(log) if name in ours or name.startswith(BUCKET)]
    taken = there if whole else sorted(set(there) & set(names))
    if taken:
        raise BackupError(
            f"the log is not empty: it has {', '.join(taken)}. Services that run make streams: stop them."
        )
    with psycopg.connect(tools.site.database.conninfo()) as connection:
        if full := tables.full_tables(connection):
            raise BackupError(f"the database is not empty: there are rows in {', '.join(full)}")


async def _restore_tables(tools: Tools, manifest: Manifest) -> None:
    await tables.make_tables(tools.site.database, {schema: list(ids) for schema, ids in manifest.migrations.items()})
    await asyncio.to_thread(_fill, tools, manifest)
    tools.say(f"{len(manifest.tables)} tables, {sum(table.rows for table in manifest.tables):,} rows")


def _fill(tools: Tools, manifest: Manifest) -> None:
    with psycopg.connect(tools.site.database.conninfo()) as connection:  # all of them, or none
        tables.fill(connection, tools.store, manifest.id, manifest.tables)


async def _restore_stream(
    tools: Tools, log: EventLog, manifest: Manifest, part: StreamPart, replicas: int | None
) -> None:
    with tempfile.TemporaryFile(dir=tools.site.backup.spool) as spool:
        await asyncio.to_thread(gather, tools.store, manifest.id, part.pieces, spool)
        state = await streams.give_back(log, part, spool, replicas=replicas)
    for what in COUNTED if part.state["messages"] else ("last_seq",):
        if state[what] != part.state[what] and not _aged(part, what):
            raise BackupError(f"{part.name} has {what} {state[what]} instead of {part.state[what]}")
    tools.say(f"{part.name}: {state['messages']:,} messages, to {state['last_seq']:,}")


def _aged(part: StreamPart, what: str) -> bool:
    """Whether a server rightly has less of a stream than there was: what has become too old is gone at once."""
    limited = part.config.get("max_age") or part.config.get("allow_msg_ttl")
    return bool(limited) and what != "last_seq"


def _restore_archive(tools: Tools, manifest: Manifest) -> None:
    folder = tools.site.archive
    if folder is None or manifest.archive is None:
        return
    target = FolderStore(folder)
    there = set(target.names())
    try:
        for name in sorted(tools.store.names(ARCHIVE), key=lambda name: name.endswith(".manifest")):
            inner = name.removeprefix(f"{ARCHIVE}/")
            if inner not in there:
                target.put(inner, tools.store.get(name))
    except StoreError as error:
        raise BackupError(f"the archive cannot be restored: {error}") from error
    tools.say(f"archive: {manifest.archive:,} segments")
