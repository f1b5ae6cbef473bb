"""A store by its address: ``s3://BUCKET/PREFIX``, or a folder."""

from pathlib import Path

from kaiser.storage.folder import FolderStore
from kaiser.storage.s3 import S3Options, S3Store
from kaiser.storage.store import Store

SCHEME = "s3://"


def open_store(address: str, options: S3Options) -> Store:
    """The store at an address; nothing is looked at or made yet.

    Args:
        address: ``s3://BUCKET``, ``s3://BUCKET/PREFIX``, or the path of a folder.
        options: For a bucket.

    Raises:
        ValueError: It names no bucket, or no folder.
    """
    if address.startswith(SCHEME):
        bucket, _, prefix = address.removeprefix(SCHEME).partition("/")
        if not bucket:
            raise ValueError(f"{address!r} names no bucket: s3://BUCKET/PREFIX")
        return S3Store(bucket, prefix.strip("/"), options)
    if not address:
        raise ValueError("an address is s3://BUCKET/PREFIX, or a folder")
    return FolderStore(Path(address))
