import pytest

from kaiser.physics.calibration import Point
from kaiser.physics.co2 import CO2


@pytest.mark.parametrize(
    ("ppm", "quality"),
    [
        (399, "excellent"),
        (400, "good"),
        (999.9, "good"),
        (1000, "fair"),
        (1500, "poor"),
        (2000, "bad"),
        (10_000, "bad"),
    ],
)
def test_ppm_are_graded_as_the_contract_has_it(ppm, quality):
    assert CO2.make()(ppm, None) == (ppm, quality, "")


@pytest.mark.parametrize("ppm", [-1, 10_001, float("nan"), float("-inf")])
def test_what_no_sensor_measures_is_an_error(ppm):
    assert CO2.make()(ppm, None) == (None, "error", "out_of_range")


def test_a_transmitter_on_an_adc_channel_has_zero_at_its_lowest_voltage():
    convert = CO2.make(CO2.parse({"input": "adc"}))
    assert convert(0.4 / 3.3 * 4095 + 0.001, None)[0] == pytest.approx(0.0, abs=0.01)
    assert convert(2.0 / 3.3 * 4095, None) == (pytest.approx(5000), "bad", "")
    assert convert(100, None) == (None, "error", "out_of_range")
    assert convert(4095, None) == (pytest.approx(9062.5), "suspect", "saturated")


def test_fresh_air_sets_the_offset():
    found = CO2.calibrate("offset", [Point(480, 425)])
    assert CO2.make(None, found)(900, None)[0] == pytest.approx(845)
