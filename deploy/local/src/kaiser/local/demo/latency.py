"""Latencies in bounded memory, with percentiles."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Final, Self

_STEP: Final = math.log(1.02)
"""Buckets are 2 % wide, so a percentile is within 1 % of the true one."""
_SMALLEST_S: Final = 1e-6


class Latencies:
    """How long things took, as a histogram."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()

    @classmethod
    def of(cls, parts: Iterable["Latencies"]) -> Self:
        """All of them in one."""
        whole = cls()
        for part in parts:
            whole._buckets.update(part._buckets)  # noqa: SLF001 - another one of these
        return whole

    def add(self, seconds: float) -> None:
        """Note one; what seems to have taken no time (or less, when two clocks were read) counts as a microsecond."""
        self._buckets[round(math.log(max(seconds, _SMALLEST_S)) / _STEP)] += 1

    def __len__(self) -> int:
        return self._buckets.total()

    def percentile(self, percent: float) -> float | None:
        """Seconds within which so many percent of all were done; None without any."""
        left = math.ceil(len(self) * percent / 100)
        if left == 0:
            return None
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return math.exp(bucket * _STEP)
        raise AssertionError("unreachable: the buckets hold all of them")
