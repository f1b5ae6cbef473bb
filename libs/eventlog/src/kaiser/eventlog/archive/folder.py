"""Segments in a folder: written so that a crash leaves whole ones or none, and verified on reading."""

import os
import tempfile
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from kaiser.eventlog.archive.segment import BrokenError, Manifest, Record, pack, unpack

SUFFIX: Final = ".manifest"


class ArchiveError(Exception):
    """The archive cannot be written or read; says what of it."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of one life of a stream found.

    Attributes:
        segments: Segments looked at.
        messages: Messages in those that are whole.
        first: First sequence; 0 for an empty archive.
        last: Last sequence.
        problems: A sentence each: gaps, overlaps, segments that are broken or missing.
    """

    segments: int
    messages: int
    first: int
    last: int
    problems: tuple[str, ...]


class Floors(NamedTuple):
    """How much of a stream its archive has.

    Attributes:
        safe: Last sequence of all; 0 for none.
        aged: Last one of the segments that are old; 0 for none.
    """

    safe: int
    aged: int


class Folder:
    """One life of one stream in a folder.

    Args:
        root: Folder of the whole archive.
        stream: Name of the stream.
        created_at: When the stream was made, unix microseconds.
    """

    def __init__(self, root: Path, stream: str, created_at: int) -> None:
        self.stream = stream
        self.path = root / stream / f"{created_at:020}"

    @classmethod
    def lives(cls, root: Path) -> list["Folder"]:
        """Everything that an archive holds, by stream and age.

        Raises:
            ArchiveError: There is no such folder.
        """
        if not root.is_dir():
            raise ArchiveError(f"there is no archive in {root}")
        found = sorted(path for path in root.glob("*/*") if path.is_dir() and path.name.isdecimal())
        return [cls(root, path.parent.name, int(path.name)) for path in found]

    def manifests(self) -> list[Manifest]:
        """All of them, in order of their sequences.

        Raises:
            ArchiveError: One cannot be read.
        """
        return [self._manifest(path) for path in self._paths()]

    def last_seq(self) -> int:
        """Last sequence that is safe here; 0 for none.

        Raises:
            ArchiveError: The last manifest cannot be read.
        """
        return self._last(self._paths())

    def floors(self, before_us: int) -> Floors:
        """What the stream may let go, by one look at the folder.

        Args:
            before_us: Unix microseconds; what was stored before is old.

        Raises:
            ArchiveError: A manifest cannot be read.
        """
        paths = self._paths()
        aged = bisect_left(paths, before_us, key=lambda path: self._manifest(path).last_stored_at)
        return Floors(safe=self._last(paths), aged=self._last(paths[:aged]))

    def append(self, records: Sequence[Record]) -> Manifest:
        """Store consecutive messages as a segment; they are on disk when this returns.

        Raises:
            ArchiveError: It cannot be written, or somebody else has archived these messages.
        """
        manifest, body = pack(self.stream, records)
        try:
            last = self.last_seq()
            if manifest.first <= last:
                raise ArchiveError(f"{self.stream} is archived up to {last}, and {manifest.first} came")
            self._make()
            self._place(manifest.file, body, replace=True)
            self._place(f"{manifest.first:020}{SUFFIX}", msgspec.json.encode(manifest), replace=False)
        except FileExistsError as error:
            raise ArchiveError(f"somebody else archives {self.stream}, too: {error.filename2}") from error
        except OSError as error:
            raise ArchiveError(f"the archive of {self.stream} cannot be written: {error}") from error
        return manifest

    def read(self, from_seq: int = 1, *, gaps: bool = False) -> Iterator[list[Record]]:
        """Messages in order, a segment at a time.

        Args:
            from_seq: First sequence.
            gaps: Whether a gap is passed over.

        Raises:
            ArchiveError: A segment is broken or missing, or there is a gap before it.
        """
        expected = 0
        for manifest in self.manifests():
            if manifest.last < from_seq:
                continue
            if expected and manifest.first != expected and not gaps:
                raise ArchiveError(f"{self.stream}: after {expected - 1} the next archived is {manifest.first}")
            expected = manifest.last + 1
            records = self._records(manifest)
            yield records[max(0, from_seq - manifest.first) :]

    def verify(self) -> Verdict:
        """Read everything and compare it with the manifests.

        Raises:
            ArchiveError: A manifest cannot be read.
        """
        manifests, problems, messages, last = self.manifests(), list[str](), 0, 0
        for manifest in manifests:
            if last and manifest.first != last + 1:
                problems.append(f"gap: after {last} comes {manifest.first}")
            last = manifest.last
            try:
                messages += len(self._records(manifest))
            except ArchiveError as error:
                problems.append(str(error))
        first = manifests[0].first if manifests else 0
        return Verdict(segments=len(manifests), messages=messages, first=first, last=last, problems=tuple(problems))

    def _last(self, paths: Sequence[Path]) -> int:
        return self._manifest(paths[-1]).last if paths else 0

    def _paths(self) -> list[Path]:
        return sorted(self.path.glob(f"*{SUFFIX}"))

    def _manifest(self, path: Path) -> Manifest:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Manifest)
        except (OSError, msgspec.DecodeError) as error:
            raise ArchiveError(f"{path.name} of {self.stream} cannot be read: {error}") from error

    def _records(self, manifest: Manifest) -> list[Record]:
        try:
            return unpack(manifest, (self.path / manifest.file).read_bytes())
        except (OSError, BrokenError) as error:
            raise ArchiveError(f"{self.stream}: {error}") from error

    def _make(self) -> None:
        if not self.path.is_dir():
            self.path.mkdir(parents=True, exist_ok=True)
            for folder in (self.path.parent, self.path.parent.parent):
                _sync_folder(folder)

    def _place(self, name: str, body: bytes, *, replace: bool) -> None:
        """Write beside, sync, give it its name, sync the name."""
        handle, beside = tempfile.mkstemp(dir=self.path, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                Path(beside).replace(self.path / name)
            else:
                os.link(beside, self.path / name)
        finally:
            Path(beside).unlink(missing_ok=True)
        _sync_folder(self.path)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
