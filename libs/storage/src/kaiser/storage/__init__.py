"""Where whole files are kept for long: a folder, or a bucket of an S3-compatible store, with one interface."""

from kaiser.storage.address import open_store
from kaiser.storage.folder import FolderStore
from kaiser.storage.s3 import S3Options, S3Store
from kaiser.storage.store import Entries, MissingError, Store, StoreError, TakenError

__all__ = (
    "Entries",
    "FolderStore",
    "MissingError",
    "S3Options",
    "S3Store",
    "Store",
    "StoreError",
    "TakenError",
    "open_store",
)
