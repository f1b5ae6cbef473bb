"""An archive holds what it was given, in order, and says so when it does not."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from kaiser.eventlog.archive import ArchiveError, Folder, Record
from kaiser.storage import Entries, FolderStore


def _records(first: int, last: int) -> list[Record]:
    return [Record(seq, seq * 10, "telemetry.reading.k.1", b"", b"body %d" % seq) for seq in range(first, last + 1)]


def _file(root: Path, pattern: str) -> Path:
    (found,) = root.rglob(pattern)
    return found


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(tmp_path, "TELEMETRY", 1)


def test_what_was_archived_is_read_again_from_any_sequence(folder) -> None:
    folder.append(_records(5, 9))
    folder.append(_records(10, 12))
    assert [record for part in folder.read() for record in part] == _records(5, 12)
    assert [record for part in folder.read(8) for record in part] == _records(8, 12)
    assert folder.last_seq() == 12
    assert folder.verify().problems == ()


def test_nothing_is_archived_twice(folder) -> None:
    folder.append(_records(1, 5))
    with pytest.raises(ArchiveError, match="archived up to 5"):
        folder.append(_records(5, 6))


def test_messages_that_do_not_follow_each_other_are_no_segment(folder) -> None:
    with pytest.raises(ValueError, match="not consecutive"):
        folder.append([*_records(1, 2), *_records(4, 4)])


def test_a_gap_is_named_and_not_read_over(folder) -> None:
    folder.append(_records(1, 5))
    folder.append(_records(8, 9))
    assert folder.verify().problems == ("gap: after 5 comes 8",)
    with pytest.raises(ArchiveError, match="after 5 the next archived is 8"):
        list(folder.read())


def test_one_changed_byte_is_found(folder, tmp_path) -> None:
    manifest = folder.append(_records(1, 5))
    path = _file(tmp_path, manifest.file)
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    assert "another size or digest" in folder.verify().problems[0]
    with pytest.raises(ArchiveError):
        list(folder.read())


def test_data_without_a_manifest_are_the_rest_of_a_crash(folder, tmp_path) -> None:
    manifest = folder.append(_records(1, 5))
    _file(tmp_path, "*.manifest").unlink()
    assert _file(tmp_path, manifest.file).exists()
    assert folder.last_seq() == 0
    folder.append(_records(1, 7))
    assert folder.verify().messages == 7


def test_a_stream_made_anew_has_a_life_of_its_own(folder, tmp_path) -> None:
    folder.append(_records(1, 5))
    anew = Folder(tmp_path, "TELEMETRY", 2)
    anew.append(_records(1, 3))
    assert [life.last_seq() for life in Folder.lives(tmp_path)] == [5, 3]


def test_segments_are_as_old_as_their_last_message(folder) -> None:
    folder.append(_records(1, 5))
    folder.append(_records(6, 9))
    assert [folder.floors(before).aged for before in (50, 51, 90, 91)] == [0, 5, 5, 9]


DAY_US = 86_400_000_000


def _on_day(day: int, first: int, last: int) -> list[Record]:
    return [Record(seq, day * DAY_US + seq, "telemetry.reading.k.1", b"", b"") for seq in range(first, last + 1)]


def test_each_day_is_a_folder_and_old_is_what_was_stored_before(folder, tmp_path) -> None:
    for day, first in ((0, 1), (0, 11), (1, 21), (5, 31)):
        folder.append(_on_day(day, first, first + 9))
    assert sorted(path.name for path in (tmp_path / folder.path).iterdir()) == [
        "1970-01-01",
        "1970-01-02",
        "1970-01-06",
    ]
    assert folder.last_seq() == 40
    assert [folder.floors(day * DAY_US).aged for day in (0, 1, 2, 5, 6)] == [0, 20, 30, 30, 40]
    assert [record.seq for part in folder.read(15) for record in part] == list(range(15, 41))


def test_a_clock_that_was_set_back_puts_nothing_out_of_order(folder) -> None:
    folder.append(_on_day(5, 1, 5))
    folder.append(_on_day(3, 6, 9))
    assert folder.last_seq() == 9
    assert [record.seq for part in folder.read() for record in part] == list(range(1, 10))


def test_segments_of_before_there_were_days_are_read_and_gone_on_with(folder, tmp_path) -> None:
    folder.append(_on_day(0, 1, 5))
    day = tmp_path / folder.path / "1970-01-01"
    for path in list(day.iterdir()):
        path.rename(day.parent / path.name)
    day.rmdir()
    assert folder.last_seq() == 5
    folder.append(_on_day(1, 6, 9))
    assert [record.seq for part in folder.read(3) for record in part] == list(range(3, 10))
    assert (folder.verify().messages, folder.verify().problems) == (9, ())
    assert folder.floors(DAY_US).aged == 5


class _Counting(FolderStore):
    """A store that counts what is asked of it."""

    asked = 0

    def entries(self, folder: str = "") -> Entries:
        self.asked += 1
        return super().entries(folder)


def test_the_last_one_is_found_by_two_looks_whatever_there_is(tmp_path) -> None:
    store = _Counting(tmp_path)
    folder = Folder(store, "TELEMETRY", 1)
    for day in range(30):
        folder.append(_on_day(day, day * 10 + 1, day * 10 + 10))
    store.asked = 0
    assert Folder(store, "TELEMETRY", 1).last_seq() == 300
    assert store.asked == 2


WRITER = """
import sys
from pathlib import Path
from kaiser.eventlog.archive import Folder, Record

folder = Folder(Path(sys.argv[1]), "TELEMETRY", 1)
while True:
    first = folder.last_seq() + 1
    folder.append([Record(seq, seq * 10, "s", b"", b"x" * 1000) for seq in range(first, first + 200)])
    print(first + 199, flush=True)
"""


def test_what_was_said_to_be_safe_is_there_after_kill_9(folder, tmp_path) -> None:
    said = [0]
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            said.extend(int(writer.stdout.readline()) for _ in range(5))
            writer.kill()
            said.extend(int(line) for line in writer.stdout.read().splitlines())
    verdict = folder.verify()
    assert verdict.problems == ()
    assert (verdict.first, verdict.messages) == (1, verdict.last)
    assert verdict.last >= said[-1] > 0
    assert all(later > earlier for earlier, later in pairwise(said))
