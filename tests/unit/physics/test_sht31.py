import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiser.physics.calibration import Point
from kaiser.physics.sht31 import SHT31_HUMIDITY, SHT31_TEMP

TEMPERATURE = SHT31_TEMP.make()
HUMIDITY = SHT31_HUMIDITY.make()


@pytest.mark.parametrize(
    ("raw", "value", "quality"),
    [(26_214, 25.0, "good"), (16_852, 0.000381475547, "good"), (16_851, -0.002288853285, "fair")],
)
def test_temperature_follows_the_data_sheet(raw, value, quality):
    number, grade, flag = TEMPERATURE(raw, None)
    assert number == pytest.approx(value, abs=1e-9)
    assert (grade, flag) == (quality, "")


@pytest.mark.parametrize(
    ("raw", "value", "quality"),
    [(32_768, 50.0007629, "good"), (13_107, 20.0, "good"), (52_428, 80.0, "good"), (3000, 4.5777, "poor")],
)
def test_humidity_follows_the_data_sheet(raw, value, quality):
    number, grade, flag = HUMIDITY(raw, None)
    assert number == pytest.approx(value, abs=1e-4)
    assert (grade, flag) == (quality, "")


@pytest.mark.parametrize("raw", [-1, 65_536, 4_294_967_295, float("nan"), float("inf")])
def test_what_has_not_16_bits_is_no_count(raw):
    assert TEMPERATURE(raw, None) == HUMIDITY(raw, None) == (None, "error", "out_of_range")


def test_the_ends_of_the_scale_are_what_a_dead_bus_reads():
    assert HUMIDITY(65_535, None) == (100.0, "suspect", "saturated")
    assert HUMIDITY(0, None) == (0.0, "suspect", "saturated")
    assert TEMPERATURE(65_535, None) == (None, "error", "out_of_range")


def test_air_is_not_made_wetter_than_wet_by_an_offset():
    convert = SHT31_HUMIDITY.make(SHT31_HUMIDITY.parse({"offset": 3}))
    assert convert(64_500, None) == (100.0, "poor", "clamped")
    assert convert(32_768, None)[0] == pytest.approx(53.0, abs=0.01)


def test_a_device_that_converts_sends_degrees_and_percent():
    assert SHT31_TEMP.make(SHT31_TEMP.parse({"input": "physical"}))(21.5, None) == (21.5, "good", "")
    assert SHT31_HUMIDITY.make(SHT31_HUMIDITY.parse({"input": "physical"}))(41.5, None) == (41.5, "good", "")


@given(st.integers(2000, 63_000))
def test_counts_can_be_had_back(raw):
    assert (TEMPERATURE(raw, None)[0] + 45) / 175 * 65_535 == pytest.approx(raw)
    assert HUMIDITY(raw, None)[0] / 100 * 65_535 == pytest.approx(raw)


def test_two_salts_calibrate_humidity():
    salts = [Point(22_000, 33.0), Point(48_000, 75.3)]
    calibration = SHT31_HUMIDITY.calibrate("linear", salts)
    convert = SHT31_HUMIDITY.make(None, calibration)
    assert [convert(p.raw, None)[0] for p in salts] == pytest.approx([33.0, 75.3])
    assert calibration.rms == pytest.approx(0.0, abs=1e-9)
