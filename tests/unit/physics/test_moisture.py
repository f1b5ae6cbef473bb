import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiser.physics.calibration import DryWet, Point
from kaiser.physics.errors import CalibrationError, ParameterError
from kaiser.physics.moisture import MOISTURE


@pytest.mark.parametrize(
    ("raw", "value", "quality"),
    [
        (3200, 0, "poor"),
        (3030, 10, "fair"),
        (2860, 20, "good"),
        (2350, 50, "good"),
        (1840, 80, "good"),
        (1500, 100, "poor"),
    ],
)
def test_the_defaults_are_those_of_a_capacitive_probe(raw, value, quality):
    number, grade, flag = MOISTURE.make()(raw, None)
    assert number == pytest.approx(value, abs=1e-9)
    assert (grade, flag) == (quality, "")


def test_drier_than_dry_is_dry_and_says_so():
    assert MOISTURE.make()(3300, None) == (0.0, "poor", "clamped")
    assert MOISTURE.make()(1400, None) == (100.0, "poor", "clamped")


def test_a_rail_is_suspect_even_where_it_is_beyond_dry():
    assert MOISTURE.make()(4095, None) == (0.0, "suspect", "saturated")
    assert MOISTURE.make()(0, None) == (100.0, "suspect", "saturated")


def test_a_resistive_probe_is_the_other_way_round():
    convert = MOISTURE.make(MOISTURE.parse({"invert": True}))
    assert convert(3200, None)[0] == pytest.approx(100)
    assert convert(1840, None)[0] == pytest.approx(20)


def test_air_and_water_calibrate_either_kind_of_probe():
    for dry, wet in ((3010, 1320), (600, 2900)):
        found = MOISTURE.calibrate("dry_wet", [Point(dry, 0), Point(wet, 100)])
        assert found.coefficients == DryWet(pytest.approx(dry), pytest.approx(wet))
        for invert in (False, True):
            convert = MOISTURE.make(MOISTURE.parse({"invert": invert}), found)
            assert convert((dry + wet) / 2, None) == (pytest.approx(50), "good", "")


@pytest.mark.parametrize(
    ("points", "code"),
    [
        ([Point(2000, 0), Point(2010, 100)], "span_small"),
        ([Point(2000, 0), Point(2000, 100)], "equal_raws"),
        ([Point(2000, 50), Point(2500, 50)], "slope_zero"),
        ([Point(4095, 0), Point(1500, 100)], "raw_unusable"),
        ([Point(3000, 0)], "too_few_points"),
    ],
)
def test_points_of_which_nothing_can_come_are_refused(points, code):
    with pytest.raises(CalibrationError) as refused:
        MOISTURE.calibrate("dry_wet", points)
    assert refused.value.code == code


def test_dry_and_wet_of_one_count_are_no_parameters():
    with pytest.raises(ParameterError, match="differ"):
        MOISTURE.parse({"dry_value": 2000, "wet_value": 2000})


@given(st.integers(1, 4093))
def test_it_never_rises_as_the_count_rises(raw):
    convert = MOISTURE.make()
    assert convert(raw + 1, None)[0] <= convert(raw, None)[0]
