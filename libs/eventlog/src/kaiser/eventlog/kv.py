"""Leases on a key-value bucket: who may do what only one may do, until when.

A lease is a key with a time to live; the server lets it vanish. Buckets are made without ``limit_marker_ttl``: with it,
nats-py's ``get()`` returns an entry without value for an expired key instead of "not found".
"""

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import nats.errors
from nats.js import api
from nats.js.errors import APIError, BucketNotFoundError, KeyDeletedError, NotFoundError
from nats.js.kv import KeyValue

from kaiser.eventlog.answers import CONFLICT
from kaiser.eventlog.streams import kept_copies

if TYPE_CHECKING:
    from kaiser.eventlog.connection import EventLog

__all__ = ("Entry", "Lease", "ensure_bucket", "look", "put_once", "put_over", "take_once")

RENEWALS_A_TTL: Final = 3
SHORTEST_TTL_S: Final = 1
_looked_at: dict[str, int] = {}
"""Buckets that are known to be kept in so many copies; for the whole process, as the number is."""
_EXPECTED: Final = api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value
_TTL: Final = api.Header.MSG_TTL.value


async def ensure_bucket(log: "EventLog", bucket: str) -> KeyValue:
    """The bucket, made if need be; keeps the last value of each key, in as many copies as all else.

    Raises:
        nats.errors.Error: JetStream is not ready.
    """
    copies = kept_copies()
    try:
        kept = await log.js.key_value(bucket)
    except BucketNotFoundError:
        return await log.js.create_key_value(api.KeyValueConfig(bucket=bucket, history=1, direct=True, replicas=copies))
    if _looked_at.get(bucket) != copies:
        config = (await log.js.stream_info(f"KV_{bucket}")).config
        if (config.num_replicas or 1) < copies:  # of a site that had a single server
            await log.js.update_stream(replace(config, num_replicas=copies))
        _looked_at[bucket] = copies
    return kept


async def put_once(log: "EventLog", bucket: str, key: str, value: bytes, *, ttl_s: int) -> bool:
    """Put a value under a new key, for a while; false when there is such a key.

    Raises:
        nats.errors.Error: The log is not reachable.
    """
    await ensure_bucket(log, bucket)
    try:
        await log.js.publish(f"$KV.{bucket}.{key}", value, headers={_EXPECTED: "0", _TTL: f"{ttl_s}s"})
    except APIError as error:
        if error.err_code in CONFLICT:
            return False
        raise
    return True


class Entry(NamedTuple):
    """What is under a key.

    Attributes:
        value: Empty where it was taken away.
        revision: For :func:`put_over`; 0 where there is nothing.
    """

    value: bytes
    revision: int


async def look(log: "EventLog", bucket: str, key: str) -> Entry:
    """What is under a key.

    Raises:
        nats.errors.Error: The log is not reachable.
    """
    kept = await ensure_bucket(log, bucket)
    try:
        entry = await kept.get(key)
    except KeyDeletedError as error:
        return Entry(b"", error.entry.revision or 0)
    except NotFoundError:
        return Entry(b"", 0)
    return Entry(entry.value or b"", entry.revision or 0)


async def put_over(log: "EventLog", bucket: str, key: str, value: bytes, *, ttl_s: int, revision: int) -> int | None:
    """Put a value over the one of a revision, for a while; its own revision, or None where there is another one now.

    Args:
        log: The connection.
        bucket: Bucket of the key.
        key: Key.
        value: What to put there.
        ttl_s: Seconds for which it is there.
        revision: As :func:`look` told it.

    Raises:
        nats.errors.Error: The log is not reachable.
    """
    try:
        headers = {_EXPECTED: str(revision), _TTL: f"{ttl_s}s"}
        ack = await log.js.publish(f"$KV.{bucket}.{key}", value, headers=headers)
    except APIError as error:
        if error.err_code in CONFLICT:
            return None
        raise
    return ack.seq


async def take_once(log: "EventLog", bucket: str, key: str, *, ttl_s: int) -> bytes | None:
    """Take a value away; of several who try, one gets it. None where there is none, or it was taken.

    Args:
        log: The connection.
        bucket: Bucket of the key.
        key: Key.
        ttl_s: Seconds for which it is remembered that it was taken.

    Raises:
        nats.errors.Error: The log is not reachable.
    """
    kept = await ensure_bucket(log, bucket)
    try:
        entry = await kept.get(key)
    except NotFoundError:
        return None
    if not entry.value:
        return None
    try:
        await log.js.publish(f"$KV.{bucket}.{key}", headers=_purging(entry.revision or 0, ttl_s))
    except APIError as error:
        if error.err_code in CONFLICT:
            return None
        raise
    return entry.value


class Lease:
    """The right to do something alone, for a while.

    Args:
        log: The connection.
        bucket: Bucket of the lease; made if need be.
        key: What the lease is for.
        holder: Who asks for it.
        ttl_s: Whole seconds after which an unrenewed lease is free again; at least 1.
    """

    def __init__(self, log: "EventLog", bucket: str, key: str, *, holder: str, ttl_s: int) -> None:
        if ttl_s < SHORTEST_TTL_S:
            raise ValueError(f"a lease lasts at least {SHORTEST_TTL_S} s, not {ttl_s} s")
        self._log = log
        self._bucket = bucket
        self._key = key
        self._holder = holder
        self._ttl_s = ttl_s
        self._revision = 0
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Whether it is certainly ours right now, by our own clock and without asking."""
        return time.monotonic() < self._until

    async def holder(self) -> str:
        """Who holds it; empty for nobody.

        Raises:
            nats.errors.Error: The log is not reachable.
        """
        entry = await self._entry()
        return entry.value.decode() if entry is not None and entry.value else ""

    async def acquire(self) -> bool:
        """Take it if it is free, or ours from an earlier life under the same name.

        Raises:
            nats.errors.Error: The log is not reachable.
        """
        entry = await self._entry()
        if entry is not None and entry.value and entry.value.decode() != self._holder:
            return False
        return await self._write(entry.revision or 0 if entry is not None else 0)

    async def renew(self) -> bool:
        """Keep it for another ``ttl_s``; false when somebody else has it now.

        Raises:
            nats.errors.Error: The log is not reachable; the lease is still ours for as long as :attr:`held` says.
        """
        return bool(self._revision) and await self._write(self._revision)

    async def keep(self) -> None:
        """Renew it in time, until it is lost; then return. An unreachable log loses it when ``ttl_s`` is over."""
        while self.held:
            await asyncio.sleep(self._ttl_s / RENEWALS_A_TTL)
            with contextlib.suppress(nats.errors.Error, TimeoutError, OSError):
                if not await self.renew():
                    return

    async def release(self) -> None:
        """Give it back, so that the next one need not wait for its end; a no-op where it is not ours.

        Raises:
            nats.errors.Error: The log is not reachable; the lease then ends by itself.
        """
        revision, self._revision, self._until = self._revision, 0, 0.0
        if not revision:
            return
        with contextlib.suppress(APIError):  # somebody else has it
            await self._log.js.publish(f"$KV.{self._bucket}.{self._key}", headers=_purging(revision, self._ttl_s))

    async def _entry(self) -> KeyValue.Entry | None:
        bucket = await ensure_bucket(self._log, self._bucket)
        try:
            return await bucket._get(self._key)  # noqa: SLF001 - get() hides the revision of a released key
        except NotFoundError as error:
            return getattr(error, "entry", None) and _released(error)

    async def _write(self, revision: int) -> bool:
        asked = time.monotonic()
        headers = {_EXPECTED: str(revision), _TTL: f"{self._ttl_s}s"}
        try:
            ack = await self._log.js.publish(f"$KV.{self._bucket}.{self._key}", self._holder.encode(), headers=headers)
        except APIError as error:
            if error.err_code in CONFLICT:
                self._revision, self._until = 0, 0.0
                return False
            raise
        self._revision, self._until = ack.seq, asked + self._ttl_s
        return True


def _purging(revision: int, ttl_s: int) -> dict[str, str]:
    """Headers of a message that leaves nothing of a key but, for a while, that it was taken away."""
    return {
        "KV-Operation": "PURGE",
        api.Header.ROLLUP.value: "sub",
        _EXPECTED: str(revision),
        _TTL: f"{ttl_s}s",
    }


def _released(error: NotFoundError) -> KeyValue.Entry:
    entry: KeyValue.Entry = error.entry  # type: ignore[attr-defined]  # KeyDeletedError's
    entry.value = None
    return entry
