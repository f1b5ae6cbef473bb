"""Verbs of the archive: they read its files and need no server."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from kaiser.eventlog.archive import ArchiveError, Folder
from kaiser.local.errors import LocalError
from kaiser.local.layout import Layout


def add(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for function, words in (
        (status, "what is archived: streams, sequences, times, bytes"),
        (verify, "read everything and compare it with the manifests; exit code 1 if something is wrong"),
    ):
        verb = verbs.add_parser(function.__name__, help=words, description=f"{words[0].upper()}{words[1:]}.")
        verb.add_argument("--folder", type=Path, help="the archive, by default that of this home")
        verb.add_argument("--stream", help="only this stream")
        verb.set_defaults(function=function)


def status(layout: Layout, arguments: argparse.Namespace) -> int:
    """Say what is archived."""
    print(f"{'stream':<16} {'first':>12} {'last':>12} {'segments':>9} {'bytes':>15}  up to")
    for folder in _lives(layout, arguments):
        try:
            manifests = folder.manifests()
        except ArchiveError as error:
            raise LocalError(f"{error}; 'archive verify' says what else is wrong.") from error
        if manifests:
            first, last, size = manifests[0].first, manifests[-1].last, sum(segment.size for segment in manifests)
            until = datetime.fromtimestamp(manifests[-1].last_stored_at / 1e6, UTC).isoformat(timespec="seconds")
            print(f"{folder.stream:<16} {first:>12,} {last:>12,} {len(manifests):>9,} {size:>15,}  {until}")
    return 0


def verify(layout: Layout, arguments: argparse.Namespace) -> int:
    """Check every segment."""
    broken = False
    for folder in _lives(layout, arguments):
        try:
            verdict = folder.verify()
        except ArchiveError as error:
            broken = True
            print(f"{folder.stream}: BROKEN: {error}")
            continue
        broken = broken or bool(verdict.problems)
        whole = "NOT WHOLE" if verdict.problems else "whole"
        print(f"{folder.stream}: {verdict.messages:,} messages, {verdict.first:,} to {verdict.last:,}: {whole}")
        for problem in verdict.problems:
            print(f"  {problem}")
    return int(broken)


def _lives(layout: Layout, arguments: argparse.Namespace) -> Iterator[Folder]:
    try:
        lives = Folder.lives(arguments.folder or layout.archive)
    except ArchiveError as error:
        raise LocalError(f"{error}: ingest makes it once there are readings (KAISER_ARCHIVE_FOLDER).") from error
    return (folder for folder in lives if arguments.stream in {None, folder.stream})
