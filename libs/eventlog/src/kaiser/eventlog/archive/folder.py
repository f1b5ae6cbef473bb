"""Segments in a store, by day: written so that a crash leaves whole ones or none, and verified on reading."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from kaiser.eventlog.archive.segment import BrokenError, Manifest, Record, pack, unpack
from kaiser.storage import FolderStore, Store, StoreError, TakenError

SUFFIX: Final = ".manifest"
_REMEMBERED: Final = 4096
"""Manifests that are kept in mind: they never change."""


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
    """One life of one stream in a store.

    A segment is in the folder of the day on which its first message was stored. Before there were days, segments were
    in the life's own folder; those are read, and come before all days.

    Args:
        root: Store of the whole archive, or its folder.
        stream: Name of the stream.
        created_at: When the stream was made, unix microseconds.

    Attributes:
        path: Name of its folder in the store.
    """

    def __init__(self, root: Store | Path, stream: str, created_at: int) -> None:
        self.stream = stream
        self.path = f"{stream}/{created_at:020}"
        self._store = store_of(root)
        self._known: dict[str, Manifest] = {}

    @classmethod
    def lives(cls, root: Store | Path) -> list["Folder"]:
        """Everything that an archive holds, by stream and age.

        Raises:
            ArchiveError: There is nothing, or it cannot be looked at.
        """
        store = store_of(root)
        try:
            found = [
                cls(store, stream, int(life))
                for stream in store.entries().folders
                for life in store.entries(stream).folders
                if life.isdecimal()
            ]
        except StoreError as error:
            raise ArchiveError(str(error)) from error
        if not found:
            raise ArchiveError(f"there is no archive in {store.where}")
        return found

    def manifests(self) -> list[Manifest]:
        """All of them, in order of their sequences.

        Raises:
            ArchiveError: One cannot be read.
        """
        return [self._manifest(name) for name in self._all_names()]

    def last_seq(self) -> int:
        """Last sequence that is safe here; 0 for none.

        Raises:
            ArchiveError: The last manifest cannot be read.
        """
        return self._last(self._days())

    def floors(self, before_us: int) -> Floors:
        """What the stream may let go, by a look at few days.

        Args:
            before_us: Unix microseconds; what was stored before is old.

        Raises:
            ArchiveError: A manifest cannot be read.
        """
        days = self._days()
        aged = 0
        for day in reversed(days[: bisect_right(days, _day(before_us))]):
            names = self._names(day)
            old = bisect_left(names, before_us, key=lambda name: self._manifest(name).last_stored_at)
            if old:
                aged = self._manifest(names[old - 1]).last
                break
        return Floors(safe=self._last(days), aged=aged)

    def append(self, records: Sequence[Record]) -> Manifest:
        """Store consecutive messages as a segment; they are safe when this returns.

        Raises:
            ArchiveError: It cannot be written, or somebody else has archived these messages.
        """
        manifest, body = pack(self.stream, records)
        days = self._days()
        last = self._last(days)
        if manifest.first <= last:
            raise ArchiveError(f"{self.stream} is archived up to {last}, and {manifest.first} came")
        # Days in order are sequences in order, though a clock may have been set back
        folder = f"{self.path}/{max([_day(manifest.first_stored_at), *days[-1:]])}"
        try:
            self._store.put(f"{folder}/{manifest.file}", body)
            self._store.create(f"{folder}/{manifest.first:020}{SUFFIX}", msgspec.json.encode(manifest))
        except TakenError as error:
            raise ArchiveError(f"somebody else archives {self.stream}, too: {error}") from error
        except StoreError as error:
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
        names, expected = self._all_names(), 0
        begins = max(0, bisect_right(names, from_seq, key=_first) - 1)
        for name in names[begins:]:
            manifest = self._manifest(name)
            if manifest.last < from_seq:
                continue
            if expected and manifest.first != expected and not gaps:
                raise ArchiveError(f"{self.stream}: after {expected - 1} the next archived is {manifest.first}")
            expected = manifest.last + 1
            records = self._records(name, manifest)
            yield records[max(0, from_seq - manifest.first) :]

    def verify(self) -> Verdict:
        """Read everything and compare it with the manifests.

        Raises:
            ArchiveError: A manifest cannot be read.
        """
        problems, segments, messages, first, last = list[str](), 0, 0, 0, 0
        for name in self._all_names():
            manifest = self._manifest(name)
            if last and manifest.first != last + 1:
                problems.append(f"gap: after {last} comes {manifest.first}")
            segments, first, last = segments + 1, first or manifest.first, manifest.last
            try:
                messages += len(self._records(name, manifest))
            except ArchiveError as error:
                problems.append(str(error))
        return Verdict(segments=segments, messages=messages, first=first, last=last, problems=tuple(problems))

    def _days(self) -> list[str]:
        """Folders of segments in order, the life's own first, where it has some."""
        try:
            found = self._store.entries(self.path)
        except StoreError as error:
            raise ArchiveError(str(error)) from error
        return [*([""] if any(name.endswith(SUFFIX) for name in found.files) else []), *found.folders]

    def _names(self, day: str) -> list[str]:
        """Manifests of a day, whole names, in order."""
        folder = f"{self.path}/{day}" if day else self.path
        try:
            found = self._store.entries(folder).files
        except StoreError as error:
            raise ArchiveError(str(error)) from error
        return [f"{folder}/{name}" for name in found if name.endswith(SUFFIX)]

    def _all_names(self) -> list[str]:
        return [name for day in self._days() for name in self._names(day)]

    def _last(self, days: Sequence[str]) -> int:
        for day in reversed(days):  # one may hold the rest of a crash, and no manifest
            names = self._names(day)
            if names:
                return self._manifest(names[-1]).last
        return 0

    def _manifest(self, name: str) -> Manifest:
        known = self._known.get(name)
        if known is None:
            try:
                known = msgspec.json.decode(self._store.get(name), type=Manifest)
            except (StoreError, msgspec.DecodeError) as error:
                raise ArchiveError(f"{name} cannot be read: {error}") from error
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[name] = known
        return known

    def _records(self, name: str, manifest: Manifest) -> list[Record]:
        try:
            return unpack(manifest, self._store.get(f"{name.rpartition('/')[0]}/{manifest.file}"))
        except (StoreError, BrokenError) as error:
            raise ArchiveError(f"{self.stream}: {error}") from error


def store_of(root: Store | Path) -> Store:
    """A folder as the store that it is; a store as itself."""
    return FolderStore(root) if isinstance(root, Path) else root


def _day(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).date().isoformat()


def _first(name: str) -> int:
    return int(name.rpartition("/")[2].removesuffix(SUFFIX))
