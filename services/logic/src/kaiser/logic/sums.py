"""The mean of a span of readings, exact and without adding all of them up each time.

A window over a day has 1,440 readings, and :func:`math.fsum` of them costs 40 µs at each look, most of what a rule
costs at all. Here the sum is kept as an integer of the smallest unit that a float has, which what comes and goes is
added to and taken from without an error: it rounds to the same float as ``fsum``.
"""

from typing import Final

from kaiser.logic.series import Series

UNIT: Final = 1 << 1074
"""Every finite float is a whole number of its inverse."""


class Mean:
    """The mean of the last readings of a series.

    Args:
        series: Readings; what is remembered of them is made anew where it does not follow from what was there.
    """

    __slots__ = ("_first", "_inserts", "_last", "_series", "_sum")

    def __init__(self, series: Series) -> None:
        self._series = series
        self._first = self._last = self._sum = 0
        self._inserts = -1

    def since(self, i: int) -> float:
        """The mean of the readings from index ``i`` on, of which there is at least one."""
        series = self._series
        first, last = series.gone + i, series.gone + len(series.values)
        known = self._inserts == series.inserts and series.gone <= self._first <= first <= self._last
        if known:
            self._sum += _exact(series.values[self._last - series.gone :])
            self._sum -= _exact(series.values[self._first - series.gone : i])
        else:
            self._sum, self._inserts = _exact(series.values[i:]), series.inserts
        self._first, self._last = first, last
        return self._sum / UNIT / (last - first)


def _exact(values: list[float]) -> int:
    total = 0
    for value in values:
        numerator, denominator = value.as_integer_ratio()
        total += numerator * (UNIT // denominator)
    return total
