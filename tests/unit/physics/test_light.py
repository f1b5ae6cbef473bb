import pytest

from kaiser.physics.calibration import Point
from kaiser.physics.errors import CalibrationError
from kaiser.physics.light import LIGHT


@pytest.mark.parametrize(
    ("lux", "quality"), [(0.0, "poor"), (49.9, "poor"), (50, "fair"), (200, "good"), (1000, "excellent")]
)
def test_lux_are_graded_as_the_contract_has_it(lux, quality):
    assert LIGHT.make()(lux, None) == (lux, quality, "")


def test_an_offset_makes_it_no_darker_than_dark():
    convert = LIGHT.make(LIGHT.parse({"offset": -10}))
    assert convert(5, None) == (0.0, "poor", "clamped")
    assert convert(60, None) == (50.0, "fair", "")


def test_a_phototransistor_has_200_lux_a_volt():
    convert = LIGHT.make(LIGHT.parse({"input": "adc"}))
    assert convert(4095 / 3.3, None) == (pytest.approx(200), "good", "")
    assert convert(4095, None) == (pytest.approx(660), "suspect", "saturated")


def test_a_lux_meter_gives_the_factor():
    found = LIGHT.calibrate("gain", [Point(500, 900), Point(1000, 1800)])
    assert LIGHT.make(None, found)(2000, None)[0] == pytest.approx(3600)


def test_a_sensor_in_the_dark_gives_none():
    with pytest.raises(CalibrationError) as refused:
        LIGHT.calibrate("gain", [Point(0, 900)])
    assert refused.value.code == "signal_zero"
