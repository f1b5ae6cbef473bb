"""The archive as it is and whether it is whole: reads its files and needs no server."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from kaiser.ctl.errors import CtlError, UsageError
from kaiser.ctl.printing import moment, show, table
from kaiser.ctl.site import Site
from kaiser.eventlog.archive import ArchiveError, Folder


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """What is archived of one stream: sequences, files, bytes, and when the last message was stored."""

    stream: str
    first: int
    last: int
    segments: int
    bytes: int
    until: datetime


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the archive of one stream is whole, and if not, why."""

    stream: str
    messages: int = 0
    first: int = 0
    last: int = 0
    problems: Sequence[str] = ()


def status(site: Site, arguments: Namespace) -> int:
    """Say what is archived."""
    show(arguments, [found for folder in _lives(site, arguments) if (found := archived(folder))], _in_columns)
    return 0


def verify(site: Site, arguments: Namespace) -> int:
    """Check every segment."""
    verdicts = [_verdict(folder) for folder in _lives(site, arguments)]
    show(arguments, verdicts, lambda found: "\n".join(line for verdict in found for line in _lines(verdict)))
    return int(any(verdict.problems for verdict in verdicts))


def archived(folder: Folder) -> Archived | None:
    """What is archived of a stream; None for nothing.

    Raises:
        CtlError: A manifest cannot be read.
    """
    try:
        manifests = folder.manifests()
    except ArchiveError as error:
        raise CtlError(f"{error}; 'archive verify' says what else is wrong.") from error
    if not manifests:
        return None
    return Archived(
        stream=folder.stream,
        first=manifests[0].first,
        last=manifests[-1].last,
        segments=len(manifests),
        bytes=sum(segment.size for segment in manifests),
        until=datetime.fromtimestamp(manifests[-1].last_stored_at / 1e6, UTC),
    )


def _verdict(folder: Folder) -> Verdict:
    try:
        found = folder.verify()
    except ArchiveError as error:
        return Verdict(stream=folder.stream, problems=[str(error)])
    return Verdict(
        stream=folder.stream, messages=found.messages, first=found.first, last=found.last, problems=found.problems
    )


def _in_columns(found: Sequence[Archived]) -> str:
    rows = [
        (
            each.stream,
            f"{each.first:,}",
            f"{each.last:,}",
            f"{each.segments:,}",
            f"{each.bytes:,}",
            moment(each.until),
        )
        for each in found
    ]
    return table(("stream", "first", "last", "segments", "bytes", "up to"), rows, right=(1, 2, 3, 4))


def _lines(verdict: Verdict) -> Iterator[str]:
    whole = "NOT WHOLE" if verdict.problems else "whole"
    yield f"{verdict.stream}: {verdict.messages:,} messages, {verdict.first:,} to {verdict.last:,}: {whole}"
    yield from (f"  {problem}" for problem in verdict.problems)


def _lives(site: Site, arguments: Namespace) -> Iterator[Folder]:
    folder = arguments.folder or site.archive
    if folder is None:
        raise UsageError("say where the archive is with --folder or KAISER_CTL_ARCHIVE.")
    try:
        lives = Folder.lives(folder)
    except ArchiveError as error:
        raise CtlError(f"{error}: ingest makes it once there are readings (KAISER_ARCHIVE_FOLDER).") from error
    return (each for each in lives if arguments.stream in {None, each.stream})
