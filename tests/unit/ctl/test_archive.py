"""What ``kaiserctl archive`` says of an archive, and its exit codes."""

import subprocess
import sys

import pytest

from kaiser.eventlog.archive import Folder, Record


def _ctl(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "kaiser.ctl", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path) -> Folder:
    folder = Folder(tmp_path, "TELEMETRY", 1)
    folder.append([Record(seq, seq, "telemetry.reading.k.1", b"", b"body") for seq in range(1, 6)])
    return folder


def test_a_whole_archive_is_said_to_be_whole(folder, tmp_path) -> None:
    done = _ctl("archive", "verify", "--folder", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "TELEMETRY: 5 messages, 1 to 5: whole\n")


def test_a_missing_segment_is_exit_code_1(folder, tmp_path) -> None:
    next(tmp_path.rglob("*.segment")).unlink()
    done = _ctl("archive", "verify", "--folder", str(tmp_path))
    assert done.returncode == 1
    assert "NOT WHOLE" in done.stdout


def test_no_archive_is_one_sentence(tmp_path) -> None:
    done = _ctl("archive", "status", "--folder", str(tmp_path / "none"))
    assert done.returncode == 1
    assert done.stderr.startswith("kaiserctl: there is no archive in")


def test_the_image_can_make_backups_without_what_runs_a_home() -> None:
    absent = "import sys; sys.modules.update(dict.fromkeys(('psutil', 'httpx', 'rich', 'supervisor', 'docker')))"
    code = f"{absent}; import kaiser.local.backup.verbs, kaiser.local.backup.site"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
