import pytest

from kaiser.physics.bmp import BME280_HUMIDITY, BMP280_PRESSURE, BMP280_TEMP
from kaiser.physics.calibration import Point


def pressure(**parameters):
    return BMP280_PRESSURE.make(BMP280_PRESSURE.parse({"input": "physical", **parameters}))


@pytest.mark.parametrize("family", [BMP280_PRESSURE, BMP280_TEMP, BME280_HUMIDITY])
@pytest.mark.parametrize("raw", [0, 415_148, 519_888, 1013.25, float("nan")])
def test_a_count_without_trimming_numbers_is_not_convertible_by_anyone(family, raw):
    assert family.make()(raw, None) == (None, "error", "not_convertible")


def test_nor_can_it_be_calibrated():
    with pytest.raises(ValueError, match="not_convertible") as refused:
        BMP280_PRESSURE.calibrate("offset", [Point(415_148, 1013.0)])
    assert refused.value.code == "raw_unusable"


def test_a_device_that_compensates_is_believed():
    assert pressure()(1013.25, None) == (1013.25, "good", "")
    assert pressure(input_unit="Pa")(101_325, None) == (1013.25, "good", "")
    assert pressure()(940.0, None) == (940.0, "fair", "")
    assert pressure()(299.9, None) == (None, "error", "out_of_range")
    assert BMP280_TEMP.make(BMP280_TEMP.parse({"input": "physical"}))(-20.1, None) == (-20.1, "fair", "")
    assert BME280_HUMIDITY.make(BME280_HUMIDITY.parse({"input": "physical"}))(40.0, None) == (40.0, "good", "")


def test_altitude_leads_to_the_pressure_at_sea_level():
    # ICAO standard atmosphere: 898.75 hPa at 1000 m, 794.95 hPa at 2000 m.
    assert pressure(altitude_m=1000)(898.75, None)[0] == pytest.approx(1013.25, abs=0.1)
    assert pressure(altitude_m=2000)(794.95, None)[0] == pytest.approx(1013.25, abs=0.1)


def test_an_altitude_put_on_twice_is_noticed():
    assert pressure(altitude_m=2000)(1013.25, None) == (None, "error", "out_of_range")


@pytest.mark.parametrize(("unit", "value"), [("Pa", 101_325), ("mmHg", 760.0), ("inHg", 29.9213)])
def test_other_units(unit, value):
    assert pressure(unit=unit)(1013.25, None)[0] == pytest.approx(value, rel=1e-5)


def test_a_weather_station_calibrates_at_sea_level():
    parameters = BMP280_PRESSURE.parse({"input": "physical", "altitude_m": 500})
    calibration = BMP280_PRESSURE.calibrate("offset", [Point(955.0, 1015.0)], parameters)
    assert BMP280_PRESSURE.make(parameters, calibration)(955.0, None)[0] == pytest.approx(1015.0)
