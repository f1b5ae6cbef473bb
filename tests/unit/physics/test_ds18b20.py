import math
import random

import pytest

from kaiser.physics.calibration import Point
from kaiser.physics.ds18b20 import DS18B20

CONVERT = DS18B20.make()


def of_step_one(raw):
    """As ingest did it before there was this library; its rows must not change."""
    count = raw
    if count > 2**31:
        count -= 2**32
    elif 32_768 <= count <= 65_535:
        count -= 65_536
    if count == -2032:
        return None, "error", "sensor_fault"
    value = count / 16
    if not -55 <= value <= 125:
        return None, "error", "out_of_range"
    if count == 1360:
        return value, "suspect", "power_on_value"
    return value, "good" if -10 <= value <= 85 else "fair", ""


@pytest.mark.parametrize(
    ("raw", "value", "quality"),
    [
        (401, 25.0625, "good"),
        (0, 0.0, "good"),
        (-8, -0.5, "good"),
        (65_528, -0.5, "good"),
        (4_294_967_288, -0.5, "good"),
        (-160, -10.0, "good"),
        (-161, -10.0625, "fair"),
        (1361, 85.0625, "fair"),
        (-880, -55.0, "fair"),
        (2000, 125.0, "fair"),
    ],
)
def test_a_count_is_a_sixteenth_of_a_degree(raw, value, quality):
    assert CONVERT(raw, None) == (value, quality, "")


def test_the_fault_count_is_an_error_in_each_of_its_disguises():
    assert {CONVERT(raw, None) for raw in (-2032, 63_504, 4_294_965_264)} == {(None, "error", "sensor_fault")}


def test_the_power_on_count_is_suspect():
    assert CONVERT(1360, None) == (85.0, "suspect", "power_on_value")


def test_it_converts_as_it_always_did():
    counts = [*range(-33_000, 66_000, 7), *random.Random(1).sample(range(-(2**31), 2**32), 2000)]
    counts += [2**31, 2**31 + 1, 65_535, 65_536, 32_767, 32_768, math.inf, -math.inf, math.nan]
    assert [CONVERT(count, None) for count in counts] == [of_step_one(count) for count in counts]


def test_a_device_that_converts_sends_degrees_and_the_same_two_signs():
    convert = DS18B20.make(DS18B20.parse({"input": "physical"}))
    assert convert(21.5, None) == (21.5, "good", "")
    assert convert(-127.0, None) == (None, "error", "sensor_fault")
    assert convert(85.0, None) == (85.0, "suspect", "power_on_value")
    assert convert(4095.9375, None) == (None, "error", "out_of_range")


def test_an_offset_is_added_and_a_calibration_takes_its_place():
    parameters = DS18B20.parse({"offset": 0.5})
    assert DS18B20.make(parameters)(160, None)[0] == 10.5
    calibration = DS18B20.calibrate("offset", [Point(160, 9.75)], parameters)
    assert DS18B20.make(parameters, calibration)(160, None)[0] == 9.75
    assert calibration.residuals == (0.0,)


def test_fahrenheit_and_kelvin_are_put_on_at_the_end_and_references_are_in_them():
    parameters = DS18B20.parse({"unit": "°F"})
    assert DS18B20.unit_of(parameters) == "°F"
    assert DS18B20.make(parameters)(1600, None) == (pytest.approx(212.0), "fair", "")
    assert DS18B20.make(DS18B20.parse({"unit": "K"}))(0, None)[0] == 273.15
    calibration = DS18B20.calibrate("offset", [Point(16, 32.0)], parameters)
    assert calibration.coefficients.offset == pytest.approx(-1.0)
    assert DS18B20.make(parameters, calibration)(16, None)[0] == pytest.approx(32.0)


def test_the_doubtful_power_on_value_is_no_point_of_a_calibration():
    with pytest.raises(ValueError, match="power_on_value") as refused:
        DS18B20.calibrate("offset", [Point(1360, 85.0)])
    assert refused.value.code == "raw_unusable"


def test_an_offset_beyond_a_quarter_of_the_range_is_a_broken_sensor():
    with pytest.raises(ValueError, match="reference") as refused:
        DS18B20.calibrate("offset", [Point(160, 60.0)])
    assert refused.value.code == "offset_absurd"
