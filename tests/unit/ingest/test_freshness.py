"""How often sensors speak, and where histories have gaps."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiser.contracts.events.equipment import Equipment, WantedSensor
from kaiser.contracts.queries import Gap
from kaiser.ingest.freshness import gaps, interval_s, stale_after_us

ROMS = ("28FF641E8C160350", "28FF641E8C160351")
WANTED = Equipment(
    sensors=[
        WantedSensor(gpio=4, sensor_type="ds18b20", name="A", onewire_address=ROMS[0], interval_s=10),
        WantedSensor(gpio=4, sensor_type="ds18b20", name="B", onewire_address=ROMS[1], interval_s=60),
        WantedSensor(gpio=0, sensor_type="sht31", name="C", i2c_address=68, interval_s=20),
        WantedSensor(gpio=32, sensor_type="ph", name="D", operating_mode="on_demand"),
    ]
)


@pytest.mark.parametrize(
    ("gpio", "address", "seconds"),
    [(4, ROMS[0], 10), (4, ROMS[1], 60), (0, "68", 20), (0, "", 20), (32, "", None), (33, "", 30)],
)
def test_a_sensor_speaks_as_often_as_it_was_told(gpio, address, seconds):
    assert interval_s(WANTED, "head", gpio, address) == seconds


def test_dec_speaks_every_five_seconds_whatever_it_is_told():
    assert interval_s(WANTED, "dec", 4, ROMS[1]) == 5


def test_nobody_said_is_the_default_of_the_firmware():
    assert interval_s(None, "head", 4, "") == 30


def test_three_readings_may_be_missing():
    assert 3 * 30 < stale_after_us(30) / 1e6 < 4 * 30


def test_gaps_are_between_points_and_at_both_ends():
    assert gaps([100, 110, 150], 0, 200, 20) == [
        Gap(start=0, end=100),
        Gap(start=110, end=150),
        Gap(start=150, end=200),
    ]


def test_buckets_that_touch_have_no_gap():
    assert gaps([0, 60, 120], 0, 180, 0, 60) == []
    assert gaps([0, 120], 0, 180, 0, 60) == [Gap(start=60, end=120)]


@given(st.lists(st.integers(0, 1000)).map(sorted), st.integers(1, 100))
def test_no_point_is_in_a_gap_and_every_longer_silence_is_one(points, longest):
    found = gaps(points, 0, 1000, longest)
    assert not any(gap.start < point < gap.end for gap in found for point in points)
    edges = [0, *points, 1000]
    assert len(found) == sum(b - a > longest for a, b in pairwise(edges))
