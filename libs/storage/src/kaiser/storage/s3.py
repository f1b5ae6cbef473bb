"""A store in a bucket of an S3-compatible service, below a prefix."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec
import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store as _Bucket

from kaiser.storage.store import Entries, MissingError, StoreError, TakenError

if TYPE_CHECKING:
    from obstore.store import S3Config

CONNECT_S: Final = 5
RETRIES: Final = 3
_LONGEST: Final = 300


class S3Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a service is reached.

    Attributes:
        endpoint: Address such as ``https://s3.example.org``; empty for Amazon's own, by region.
        region: Region; many services take any.
        access_key: Id of the key.
        secret_key: Its secret.
        timeout_s: Seconds for one request of at most 64 MiB; what takes longer is tried again, and then an error.
    """

    endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = ""
    timeout_s: float = 60.0


class S3Store:
    """Objects of a bucket below a prefix.

    An object is one ``PUT`` with the digest of its body in the signature: it is there as a whole or not at all, and a
    server that got other bytes refuses them. :meth:`create` asks for ``If-None-Match: *``, which Amazon, MinIO, Ceph,
    Garage and SeaweedFS know; a service that does not know it lets a second writer replace what the first one wrote.

    Args:
        bucket: The bucket, which has to be there.
        prefix: Path below which the store is; empty for the whole bucket.
        options: How the service is reached.
    """

    def __init__(self, bucket: str, prefix: str, options: S3Options) -> None:
        self.where = f"s3://{bucket}/{prefix}".rstrip("/")
        limit, first, longest = timedelta(seconds=options.timeout_s), timedelta(seconds=0.1), timedelta(seconds=5)
        # What is not given comes from where Amazon's own tools have it: AWS_…, or the machine's role
        config: S3Config = {"region": options.region, "virtual_hosted_style_request": not options.endpoint}
        if options.endpoint:
            config["endpoint"] = options.endpoint
        if options.access_key:
            config["access_key_id"], config["secret_access_key"] = options.access_key, options.secret_key
        self._bucket = _Bucket(
            bucket,
            prefix=prefix or None,
            config=config,
            client_options={
                "allow_http": options.endpoint.startswith("http://"),
                "timeout": limit,
                "connect_timeout": timedelta(seconds=CONNECT_S),
            },
            retry_config={
                "max_retries": RETRIES,
                "retry_timeout": limit * 2,
                "backoff": {"init_backoff": first, "max_backoff": longest, "base": 2},
            },
        )

    def put(self, name: str, body: bytes) -> None:
        """As of :class:`kaiser.storage.Store`."""
        with self._explained(name, "written"):
            obstore.put(self._bucket, name, body, use_multipart=False)

    def create(self, name: str, body: bytes) -> None:
        """As of :class:`kaiser.storage.Store`."""
        try:
            with self._explained(name, "written"):
                obstore.put(self._bucket, name, body, mode="create", use_multipart=False)
        except AlreadyExistsError as error:
            raise TakenError(f"{name} is in {self.where} already") from error

    def get(self, name: str) -> bytes:
        """As of :class:`kaiser.storage.Store`."""
        try:
            with self._explained(name, "read"):
                return obstore.get(self._bucket, name).bytes().to_bytes()
        except FileNotFoundError as error:
            raise MissingError(f"{name} is not in {self.where}") from error

    def entries(self, folder: str = "") -> Entries:
        """As of :class:`kaiser.storage.Store`."""
        with self._explained(folder, "looked at"):
            found = obstore.list_with_delimiter(self._bucket, folder or None)
        folders = sorted(path.rstrip("/").rpartition("/")[2] for path in found["common_prefixes"])
        return Entries(folders, sorted(meta["path"].rpartition("/")[2] for meta in found["objects"]))

    def names(self, folder: str = "") -> list[str]:
        """As of :class:`kaiser.storage.Store`."""
        with self._explained(folder, "looked at"):
            return sorted(meta["path"] for batch in obstore.list(self._bucket, folder or None) for meta in batch)

    def delete(self, name: str) -> None:
        """As of :class:`kaiser.storage.Store`."""
        with self._explained(name, "taken away"):
            obstore.delete(self._bucket, name)

    @contextmanager
    def _explained(self, name: str, what: str) -> Iterator[None]:
        try:
            yield
        except AlreadyExistsError:
            raise  # the caller's to explain
        except BaseError as error:
            raise StoreError(f"{name or 'the bucket'} of {self.where} cannot be {what}: {_words(error)}") from error


def _words(error: BaseError) -> str:
    """A sentence, without the structures that follow it."""
    refused = isinstance(error, PermissionDeniedError | UnauthenticatedError) or "403 Forbidden" in str(error)
    if refused:
        return "wrong keys, or keys without the permission"
    if "NoSuchBucket" in str(error):
        return "there is no such bucket"
    return str(error).partition("Debug source")[0].strip()[:_LONGEST]
