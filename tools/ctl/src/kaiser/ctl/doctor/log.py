"""The event log: version, streams, consumers, dead letters, the archive, and who may log in."""

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from kaiser.contracts.events.deadletter import DeadLetters
from kaiser.contracts.streams import DEADLETTER, STREAMS
from kaiser.ctl.api import tls_of
from kaiser.ctl.doctor.limits import Limits
from kaiser.ctl.findings import Finding, note, ok, wrong
from kaiser.ctl.site import Site
from kaiser.ctl.streams import Consumer, Stream, consumers, streams
from kaiser.eventlog import EventLog, replay_batches
from kaiser.eventlog.archive import ArchiveError, Folder

OLDEST: Final = (2, 12)
"""The first NATS with scheduled messages and atomic batches."""
HOUR_US: Final = 3_600_000_000
LEFT: Final = 0.9
"""Share of the room above the first limit from where on a stream is wrong."""


async def log_findings(site: Site, log: EventLog, limits: Limits) -> AsyncIterator[Finding]:
    """Everything about the event log."""
    yield version(log.nc.connected_server_version.major, log.nc.connected_server_version.minor)
    found = await streams(log)
    yield rooms(found, limits)
    yield copies(found)
    now = datetime.now(UTC)
    every = [each for stream in found for each in await consumers(log, stream.config.name)]
    yield stuck(every, limits, now=now)
    yield await dead_letters(log, limits)
    yield await strangers(site)
    if site.archive is not None and site.archive.exists():
        yield await archive(log, site.archive, limits)


def version(major: int, minor: int) -> Finding:
    """Whether NATS is new enough."""
    check = "NATS version"
    if (major, minor) < OLDEST:
        return wrong(check, f"NATS is {major}.{minor}", "Kaiser needs NATS 2.12 or newer: upgrade the server")
    return ok(check, f"NATS is {major}.{minor}")


def rooms(found: Sequence[Stream], limits: Limits) -> Finding:
    """Whether streams are there and have room."""
    check = "streams"
    there = {stream.config.name for stream in found}
    if missing := [spec.name for spec in STREAMS if spec.name not in there]:
        advice = "services make their streams when they start: see 'kaiserctl status' for which is not ready"
        return wrong(check, f"missing: {', '.join(missing)}", advice)
    almost = 100 - (100 - limits.full) * (1 - LEFT)
    shares = {stream.config.name: 100 * stream.full for stream in found if stream.full is not None}
    words = ", ".join(f"{name} is {share:.0f} % full" for name, share in shares.items() if share >= limits.full)
    # One that lets the oldest go is always full, and that is well
    refusing = {stream.config.name for stream in found if stream.config.discard == "new"}
    if any(share >= almost for name, share in shares.items() if name in refusing):
        advice = (
            "a full stream takes no more: see which consumer holds it back with 'kaiserctl status', or raise the limit"
        )
        return wrong(check, words, advice)
    if any(share >= limits.full for name, share in shares.items() if name in refusing):
        return note(check, words, "see 'kaiserctl status': ingest makes room behind what consumers have acknowledged")
    return ok(check, f"{len(found)} streams, all with room")


def copies(found: Iterable[Stream]) -> Finding:
    """How many copies of the log there are."""
    check = "copies of the log"
    single = [stream.config.name for stream in found if stream.config.num_replicas == 1]
    if single:
        words = "one copy, on one server" if len(single) == len(STREAMS) else f"one copy of {', '.join(single)}"
        return note(check, words, "three servers and KAISER_STREAM_REPLICAS=3 survive the loss of one; else back up")
    return ok(check, "several copies of every stream")


def stuck(found: Sequence[Consumer], limits: Limits, *, now: datetime) -> Finding:
    """Whether consumers take what there is to take."""
    check = "consumers"
    faults = [words for each in found if (words := _stuck(each, limits, now))]
    if faults:
        advice = "see the consumer's service with 'kaiserctl status' and in its log; a restart takes back what it held"
        return wrong(check, "; ".join(faults), advice)
    return ok(check, f"{len(found)} durable consumers, none stuck")


def _stuck(each: Consumer, limits: Limits, now: datetime) -> str:
    waiting = each.num_pending + each.num_ack_pending
    last = each.ack_floor.last_active
    quiet_s = (now - (last or each.created)).total_seconds()
    if not waiting or quiet_s < limits.stuck_s:
        return ""
    since = f"acknowledged nothing for {quiet_s:.0f} s" if last else f"acknowledged nothing in its {quiet_s:.0f} s"
    asks = "" if each.num_waiting else ", and nobody asks for its messages"
    return f"{each.name} has {waiting:,} messages to take and {since}{asks}"


async def dead_letters(log: EventLog, limits: Limits) -> Finding:
    """Whether more and more cannot be used."""
    check, since_us, letters = "dead letters", time.time_ns() // 1000 - HOUR_US, 0
    by: dict[str, int] = {}
    try:
        async for batch in replay_batches(log, DEADLETTER.name, from_time_us=since_us):
            for delivery in batch:
                if delivery.type == DeadLetters.TYPE:
                    said = msgspec.json.decode(delivery.data, type=DeadLetters)
                    letters += len(said.letters)
                    by[said.service] = by.get(said.service, 0) + len(said.letters)
    except NotFoundError:
        return ok(check, "none yet")
    words = f"{letters:,} in the last hour" + (
        f" ({', '.join(f'{count:,} by {service}' for service, count in by.items())})" if by else ""
    )
    if letters > limits.letters:
        return wrong(check, words, "kaiserctl dead-letters list --state open says what, and from which devices")
    return note(check, words, "kaiserctl dead-letters list --state open") if letters else ok(check, words)


async def strangers(site: Site) -> Finding:
    """Whether the log lets in whoever gives no name."""
    check, where = "log permissions", site.need_nats()
    advice = "give NATS the users that kaiser.local.nats writes, each with what PERMISSIONS grants it"
    address = where.url.split(",")[0]
    scheme, _, rest = address.partition("://")
    client = Client()
    try:
        await client.connect(
            f"{scheme}://{rest.rpartition('@')[2]}",
            allow_reconnect=False,
            max_reconnect_attempts=1,
            connect_timeout=3,
            error_cb=_silently,
            tls=tls_of(site) if scheme == "tls" else None,
        )
    except (OSError, nats.errors.Error, TimeoutError):
        return ok(check, "NATS lets nobody in without a name and a password")
    finally:
        await client.close()
    return wrong(check, "NATS lets anybody in without a name", advice)


async def archive(log: EventLog, folder: Path, limits: Limits) -> Finding:
    """Whether the archive follows its stream."""
    check, advice = "archive", "see what ingest says of it with 'kaiserctl status', and docs/archive.md"
    now_us, faults, words = time.time_ns() // 1000, [], []
    for life in _newest_lives(folder):
        try:
            manifests = life.manifests()
        except ArchiveError as error:
            return wrong(check, str(error), "kaiserctl archive verify says what else is wrong")
        last = manifests[-1].last if manifests else 0
        oldest_us = 0
        async for batch in replay_batches(log, life.stream, from_seq=last + 1, headers_only=True, max_messages=1):
            oldest_us = batch[0].stored_at
            break
        behind_s = (now_us - oldest_us) / 1e6 if oldest_us else 0.0
        if behind_s > limits.archive_behind_s:
            faults.append(f"{life.stream} is archived up to {last:,}, and what comes next is {behind_s:.0f} s old")
        words.append(f"{life.stream} up to {last:,}")
    if faults:
        return wrong(check, "; ".join(faults), advice)
    return ok(check, "; ".join(words) or "nothing is archived yet")


def _newest_lives(folder: Path) -> Iterator[Folder]:
    newest = {life.stream: life for life in Folder.lives(folder)}
    yield from newest.values()


async def _silently(_: Exception) -> None:
    """A refusal is what is hoped for."""
