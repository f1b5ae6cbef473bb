import pytest

from kaiser.physics.calibration import Point
from kaiser.physics.dht import DHT11_HUMIDITY, DHT11_TEMP, DHT22_HUMIDITY, DHT22_TEMP


def test_values_are_physical_already():
    assert DHT22_TEMP.make()(21.3, None) == (21.3, "good", "")
    assert DHT22_HUMIDITY.make()(96.0, None) == (96.0, "poor", "")


@pytest.mark.parametrize(
    ("family", "value"),
    [
        (DHT22_TEMP, -41),
        (DHT22_TEMP, 81),
        (DHT11_TEMP, -1),
        (DHT11_TEMP, 51),
        (DHT11_HUMIDITY, 19),
        (DHT22_HUMIDITY, 101),
    ],
)
def test_what_the_model_cannot_measure_is_an_error(family, value):
    assert family.make()(value, None) == (None, "error", "out_of_range")


def test_a_checksum_that_failed_comes_as_nan_and_is_an_error():
    assert DHT22_TEMP.make()(float("nan"), None) == (None, "error", "out_of_range")


def test_zero_degrees_are_a_value():
    assert DHT22_TEMP.make()(0.0, None) == (0.0, "good", "")


def test_the_bare_name_is_a_dht22():
    assert {"dht_temp", "temperature_dht", "dht22_temp", "am2302_temp"} <= set(DHT22_TEMP.types)


def test_one_point_sets_the_offset():
    calibration = DHT22_TEMP.calibrate("offset", [Point(20.0, 19.0), Point(30.0, 29.4)])
    assert calibration.coefficients.offset == pytest.approx(-0.8)
    assert calibration.residuals == pytest.approx((0.2, -0.2))
    assert calibration.rms == pytest.approx(0.2)
