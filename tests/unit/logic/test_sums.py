from math import fsum

from hypothesis import given
from hypothesis import strategies as st

from kaiser.logic.series import Series, SeriesKey
from kaiser.logic.sums import Mean

SPAN = 1000

steps = st.tuples(
    st.integers(-30, 40),  # how much later than the latest a reading was measured
    st.floats(-1e9, 1e9, allow_nan=False),
    st.integers(0, 60),  # how long it was on its way
    st.booleans(),  # whether anybody looks
)


@given(st.lists(steps, min_size=1, max_size=300), st.integers(1, SPAN))
def test_the_mean_that_goes_along_is_the_mean_of_what_is_there(taken, over) -> None:
    series = Series(SeriesKey("ESP_1", 4, "moisture", "", 0, 100))
    series.horizon = SPAN
    mean = Mean(series)
    now = at = 10_000
    for number, (step, value, delay, looks) in enumerate(taken, start=1):
        measured = at + step
        now = max(now, measured) + delay
        series.take(measured, number, value, 7, number, now)
        at = max(at, measured)
        i = series.since(now - over)
        if looks and i < len(series.values):
            rest = series.values[i:]
            assert mean.since(i) == fsum(rest) / len(rest)


@given(st.lists(st.sampled_from([1e308, -1e308, 1e-308, 5e-324, 0.1, -0.1, 3.0]), min_size=1, max_size=50))
def test_it_is_exact_where_a_sum_of_floats_is_not(values) -> None:
    series = Series(SeriesKey("ESP_1", 4, "moisture", "", 0, 100))
    series.horizon = SPAN
    mean = Mean(series)
    for i, value in enumerate(values):
        series.take(i + 1, i + 1, value, 7, i, i + 1)
        try:
            exact = fsum(values[: i + 1]) / (i + 1)
        except OverflowError:
            return
        assert mean.since(0) == exact
