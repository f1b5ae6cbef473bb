"""What a simulated fleet sent, by content, so that a check can tell what became of each reading."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

Key = tuple[str, int, str, str, int, int]
"""Device, pin, type, address, device time in seconds, count."""


class Sent:
    """Readings that were sent and, with QoS 1, acknowledged by the broker.

    Args:
        path: File to write them to as they come, one JSON line ``[key, unix microseconds]`` each. Without one they are
            kept in memory, to be iterated over; with one they are not, for a fleet may live long.

    Attributes:
        attempted: Readings given to the broker.
        count: Readings that the broker acknowledged, or that were written with QoS 0.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.attempted = self.count = 0
        self._keys: list[tuple[Key, int]] = []
        self._file: IO[bytes] | None = path.open("wb") if path else None
        self._encode = msgspec.json.Encoder().encode

    def __iter__(self) -> Iterator[tuple[Key, int]]:
        """Each reading that is kept in memory, with when it was sent, unix microseconds."""
        return iter(self._keys)

    def add(self, key: Key, sent_at_us: int) -> None:
        """The broker has it."""
        self.count += 1
        if self._file is None:
            self._keys.append((key, sent_at_us))
        else:
            self._file.write(self._encode((key, sent_at_us)) + b"\n")

    def flush(self) -> None:
        """Let others read what was written."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Write the rest."""
        if self._file is not None:
            self._file.close()
            self._file = None


def now_us() -> int:
    """Unix microseconds."""
    return time.time_ns() // 1000
