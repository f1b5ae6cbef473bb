"""The demo's arithmetic."""

import pytest

from kaiser.local.demo.latency import Latencies
from kaiser.local.demo.verdict import ReadingContent, compare


def _reading(raw: float) -> ReadingContent:
    return ReadingContent("ESP_0A1B2C", 4, "ds18b20", "", 1767100000, raw)


def test_what_is_stored_as_often_as_sent_is_clean() -> None:
    twice = [_reading(1.0), _reading(1.0), _reading(2.0)]

    assert compare(twice, reversed(twice)).clean


def test_equal_totals_do_not_hide_a_lost_and_a_doubled_reading() -> None:
    verdict = compare([_reading(1.0), _reading(2.0)], [_reading(1.0), _reading(1.0)])

    assert verdict.lost == (_reading(2.0),)
    assert verdict.doubled == (_reading(1.0),)
    assert not verdict.clean


def test_percentiles_are_within_a_percent() -> None:
    latencies = Latencies()
    for milliseconds in range(1, 1001):
        latencies.add(milliseconds / 1000)

    assert latencies.percentile(50) == pytest.approx(0.5, rel=0.011)
    assert latencies.percentile(99) == pytest.approx(0.99, rel=0.011)


def test_there_is_no_percentile_of_nothing() -> None:
    assert Latencies().percentile(50) is None


def test_a_clock_that_went_back_is_no_negative_latency() -> None:
    latencies = Latencies()
    latencies.add(-0.5)

    assert latencies.percentile(50) == pytest.approx(1e-6, rel=0.011)
