"""The demo's arithmetic."""

import io

import pytest
from rich.console import Console

from kaiser.local.demo import matching
from kaiser.local.demo.latency import Latencies
from kaiser.local.demo.matching import Stage
from kaiser.local.demo.processes import Usage
from kaiser.local.demo.screen import LINE_TITLES, Look, Rates, as_line, as_table, fitting
from kaiser.local.demo.verdict import ReadingContent, compare
from kaiser.local.observing import Key


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


NOW = 1_767_100_000_000_000


def _key(raw: int) -> Key:
    return ("ESP_0A1B2C", 4, "ds18b20", "", 1767100000, raw)


def test_what_was_matched_is_forgotten() -> None:
    stage = Stage()

    stage.match([(_key(1), NOW), (_key(2), NOW)], [(_key(1), NOW + 4000)], now_us=NOW)

    assert (stage.reached, stage.waiting) == (1, 1)
    assert stage.overall.percentile(50) == pytest.approx(0.004, rel=0.011)


def test_what_arrived_before_the_fleet_told_of_it_is_matched_later() -> None:
    stage = Stage()

    stage.match([], [(_key(1), NOW + 4000)], now_us=NOW)
    stage.match([(_key(1), NOW)], [], now_us=NOW + 1_000_000)

    assert (stage.reached, stage.waiting) == (1, 0)


def test_readings_of_other_devices_are_forgotten_after_a_while() -> None:
    stage = Stage()

    stage.match([], [(_key(1), NOW)], now_us=NOW)
    stage.match([], [], now_us=NOW + 11_000_000)

    assert stage._early == []


def test_what_never_arrives_is_forgotten_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MOST_WAITING", 10)
    stage = Stage()

    stage.match([(_key(raw), NOW) for raw in range(100)], [], now_us=NOW)

    assert stage.waiting == 10


def _look() -> Look:
    slow = Latencies()
    slow.add(59.9999)
    rates = Rates(total=9_999_999, per_s=9999)
    programs = ("bridge", "gateway", "ingest", "mosquitto", "nats", "postgres", "fleet", "this demo")
    return Look(
        elapsed_s=9999,
        sent=rates,
        stored=rates,
        pushed=rates,
        backlog=99_999,
        unacknowledged=0,
        to_row=slow,
        to_socket=slow,
        usages=[Usage(name=name, cpu_percent=99.9, memory_mib=999) for name in programs],
    )


def test_a_line_fits_into_80_columns() -> None:
    assert max(len(as_line(_look())), len(LINE_TITLES)) < 80


def test_the_table_fits_a_terminal_of_80_by_24() -> None:
    paper = io.StringIO()
    Console(file=paper, width=80).print(as_table(_look(), footer="until Ctrl-C; http://127.0.0.1:8080/schema"))

    lines = paper.getvalue().splitlines()
    assert len(lines) < 24
    assert not [line for line in lines if "…" in line or len(line) > 80]


def test_what_is_too_long_is_broken_below_its_value() -> None:
    lines = fitting(f"  {'words':<36}{'9,999,999 reading, ' * 3}").splitlines()

    assert [len(line) < 80 for line in lines] == [True, True]
    assert lines[1].startswith(" " * 38 + "9")
