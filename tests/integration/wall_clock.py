"""A wall clock that a test sets, for one service as a real process; nobody may set that of the machine.

The process reads by how much its clock is off whenever it asks for the time of day; its monotonic clock is the
machine's.
"""

from pathlib import Path
from typing import Final

import pytest

VARIABLE: Final = "KAISER_TEST_CLOCK"
SITECUSTOMIZE: Final = f"""
import os
import time

time_s, time_ns = time.time, time.time_ns


def off_s():
    with open(os.environ["{VARIABLE}"]) as file:
        return int(file.read())


time.time = lambda: time_s() + off_s()
time.time_ns = lambda: time_ns() + off_s() * 10**9
"""


class WallClock:
    """The wall clock of processes that are started from now on.

    Args:
        folder: For its files.
        monkeypatch: Changes what such processes inherit.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
        self._file = folder / "off_s"
        self.set(0)
        monkeypatch.setenv("PYTHONPATH", str(folder))
        monkeypatch.setenv(VARIABLE, str(self._file))

    def set(self, off_s: int) -> None:
        """Set it so many seconds ahead; atomically, for it is read at any moment."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(off_s))
        fresh.replace(self._file)
