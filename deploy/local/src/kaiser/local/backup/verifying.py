"""Looks after backups that are there: whether they are whole, and which of them go."""

from collections.abc import Iterator

from kaiser.local.backup.errors import BackupError
from kaiser.local.backup.making import ARCHIVE
from kaiser.local.backup.manifest import MANIFEST, Manifest, read_piece, unfinished, whole
from kaiser.storage import Store, StoreError


def problems(store: Store, manifest: Manifest) -> Iterator[str]:
    """Read a backup and compare it with its manifest; a sentence for each piece that is not what it was."""
    for piece in manifest.pieces():
        try:
            read_piece(store, manifest.id, piece)
        except BackupError as error:
            yield str(error)
    if manifest.archive is not None:
        try:
            found = sum(name.endswith(".manifest") for name in store.names(ARCHIVE))
        except StoreError as error:
            yield str(error)
        else:
            if found < manifest.archive:
                yield f"the archive's copy has {found} segments, and had {manifest.archive}"


def prune(store: Store, keep: int) -> list[str]:
    """Take away all whole backups but the newest ones, and what is left of those that were never finished.

    Args:
        store: Where backups are.
        keep: How many stay, at least one.

    Returns:
        Ids of what went.

    Raises:
        BackupError: The store refuses.
    """
    found = whole(store)
    gone = [*found[:-keep], *(unfinished(store, found[-1]) if found else [])]
    try:
        for id_ in gone:
            store.delete(f"{id_}/{MANIFEST}")  # first, so that half a backup is none
            for name in store.names(id_):
                store.delete(name)
    except StoreError as error:
        raise BackupError(f"an old backup cannot be taken away: {error}") from error
    return sorted(gone)
