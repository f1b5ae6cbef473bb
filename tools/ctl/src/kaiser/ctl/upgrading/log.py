"""What of the log this release cannot read, and which streams and consumers it would change."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Final

import msgspec

from kaiser.contracts.streams import STREAMS, TELEMETRY, StreamSpec
from kaiser.ctl.findings import Finding, note, ok, stop
from kaiser.ctl.replay import Reading
from kaiser.ctl.streams import Stream, streams
from kaiser.ctl.upgrading.releases import Described
from kaiser.eventlog import EventLog, changes_of_consumer, changes_of_stream, keep_copies, replay_batches

SAMPLE: Final = 1_000
"""Messages at either end of a long stream."""
LONG: Final = 200_000
"""Messages; of a longer stream only its ends are read, unless all is asked for."""


async def log_findings(log: EventLog, found: Mapping[str, Described], *, everything: bool) -> AsyncIterator[Finding]:
    """Everything about the log.

    Args:
        log: The log.
        found: What each service of this release says.
        everything: Whether long streams are read from one end to the other.
    """
    there = await streams(log)
    for stream in there:
        if stream.config.retention == "workqueue":
            continue  # one reader only, and what is in there is over in seconds
        yield await readable(log, stream, everything=everything)
    copies = max((stream.config.num_replicas for stream in there), default=1)
    keep_copies(copies)  # how many there are to be is a setting of the site, and no change of the release
    yield await _streams(log, there)
    yield await _consumers(log, found)


async def readable(log: EventLog, stream: Stream, *, everything: bool) -> Finding:
    """Whether this release can read a stream."""
    name, state = stream.config.name, stream.state
    read, faults, looked_at = Reading(secrets=True), Counter[str](), 0
    spans = [(state.first_seq, state.last_seq)]
    if state.messages > LONG and not everything:
        spans = [(state.first_seq, state.first_seq + SAMPLE), (state.last_seq - SAMPLE, state.last_seq)]
    for first, last in spans:
        async for batch in replay_batches(log, name, from_seq=max(1, first), until_seq=last):
            for delivery in batch:
                looked_at += 1
                line = read.line(delivery)
                if line.error:
                    faults[f"{line.type or 'no event'}: {line.error}"] += 1
    if faults:
        words = "; ".join(f"{count:,} times {what}" for what, count in faults.most_common(5))
        advice = "this release is older than the data, or lacks an upcaster: do not start it on them"
        return stop("events", f"{name} has what this release cannot read: {words}", advice)
    part = "" if len(spans) == 1 else f" of {state.messages:,} (the ends; all of them with --all)"
    return ok("events", f"{name}: {looked_at:,}{part} can be read")


async def _streams(log: EventLog, there: list[Stream]) -> Finding:
    ages = {stream.config.name: stream.config.max_age for stream in there}
    changes = []
    for spec in STREAMS:
        changed = await changes_of_stream(log, _as_ingest_has_it(spec, ages))
        if changed is None:
            changes.append(f"{spec.name} is made")
        elif changed:
            changes.append(f"{spec.name} changes in {', '.join(sorted(changed))}")
    return note("streams", "; ".join(changes)) if changes else ok("streams", "none changes")


def _as_ingest_has_it(spec: StreamSpec, ages: Mapping[str, int]) -> StreamSpec:
    """Where there is an archive, ingest lets go by it and not by age."""
    archived = spec.name == TELEMETRY.name and ages.get(spec.name) == 0
    return msgspec.structs.replace(spec, max_age_s=0) if archived else spec


async def _consumers(log: EventLog, found: Mapping[str, Described]) -> Finding:
    changes = []
    for spec in (spec for told in found.values() for spec in told.consumers):
        changed = await changes_of_consumer(log, spec)
        if changed is None:
            changes.append(f"{spec.durable} is made, and takes {spec.stream} from {spec.start}")
        elif changed:
            changes.append(f"{spec.durable} changes in {', '.join(sorted(changed))}")
    return note("consumers", "; ".join(changes)) if changes else ok("consumers", "none changes")
