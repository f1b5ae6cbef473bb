"""Devices that were started anew, and devices that do not hear."""

import pytest

from kaiser.contracts.events.device import DeviceSaid
from kaiser.ingest.hearing import is_deaf
from kaiser.ingest.presence import Beat
from kaiser.ingest.restarts import restart, run_of

S = 1_000_000
NOW = 1_767_100_000 * S


def beat(at_s: int, uptime: int, *, boot: str = "", ts: int = 0) -> DeviceSaid[Beat]:
    message = Beat(ts=ts, uptime=uptime, heap_free=1, wifi_rssi=-60, boot_sequence_id=boot, reset_reason="PANIC")
    return DeviceSaid(kaiser_id="god", esp_id="E", generation="dec", received_at=NOW + at_s * S, message=message)


def test_an_uptime_that_went_back_is_a_restart():
    run = run_of(None, beat(0, 600))
    found = restart(run, beat(120, 60))
    assert (found.ran_s, found.booted_at, found.reason) == (600, NOW + 60 * S, "PANIC")
    assert run_of(run, beat(120, 60)).booted_at == NOW + 60 * S


@pytest.mark.parametrize("uptime", [660, 700])
def test_a_run_goes_on(uptime):
    assert restart(run_of(None, beat(0, 600)), beat(60, uptime)) is None


def test_nothing_is_known_of_before_the_first_heartbeat():
    assert restart(None, beat(0, 60)) is None


def test_another_boot_number_is_a_restart_whatever_the_uptime_says():
    run = run_of(None, beat(0, 60, boot="E-b1-r1"))
    assert restart(run, beat(3600, 61, boot="E-b2-r1"))


def test_a_heartbeat_that_came_twice_is_no_restart_and_the_first_one_of_another_run_is():
    run = run_of(None, beat(0, 60, ts=1_767_100_000))
    assert restart(run, beat(5, 60, ts=1_767_100_000)) is None
    assert restart(run, beat(100, 60, ts=1_767_100_100))


def test_heartbeats_that_waited_in_the_device_do_not_make_it_younger():
    run = run_of(None, beat(0, 600))
    assert run_of(run, beat(900, 660)).booted_at == NOW - 600 * S


@pytest.mark.parametrize(
    ("generation", "told_s", "heard_s", "deaf"),
    [("dec", 0, 15, True), ("dec", 0, 14, False), ("dec", 20, 14, False), ("head", 0, 60, False)],
)
def test_a_dec_device_that_beats_on_without_an_answer_is_deaf(generation, told_s, heard_s, deaf):
    assert is_deaf(generation, NOW + told_s * S, NOW + heard_s * S) is deaf


def test_a_device_that_was_told_nothing_is_not_deaf():
    assert not is_deaf("dec", 0, NOW)
