import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiser.physics.calibration import Linear, Point
from kaiser.physics.errors import CalibrationError, ParameterError
from kaiser.physics.generic import LINEAR, RAW, TABLE

THERMISTOR = [[500, 80.0], [1000, 55.0], [2000, 25.0], [3000, 5.0], [3800, -20.0]]


def table(**parameters):
    return TABLE.make(TABLE.parse({"points": THERMISTOR, **parameters}))


def test_a_line_has_a_slope_an_offset_and_the_operators_unit():
    parameters = LINEAR.parse({"slope": 0.25, "offset": -10, "unit": "cm", "minimum": -10, "maximum": 200})
    convert = LINEAR.make(parameters)
    assert LINEAR.unit_of(parameters) == "cm"
    assert convert(100, None) == (15.0, "good", "")
    assert convert(-1, None) == (None, "error", "out_of_range")


def test_a_line_over_volts_has_rails():
    convert = LINEAR.make(LINEAR.parse({"input": "volts", "slope": 100, "unit": "kPa"}))
    assert convert(4095 / 3.3, None) == (pytest.approx(100), "good", "")
    assert convert(4095, None) == (pytest.approx(330), "suspect", "saturated")


def test_a_line_may_fall_and_is_calibrated_by_one_point_or_more():
    parameters = LINEAR.parse({"slope": -2})
    assert LINEAR.calibrate("offset", [Point(10, 0)], parameters).coefficients == Linear(-2, 20)
    assert LINEAR.calibrate("gain", [Point(10, 50)], parameters).coefficients == Linear(5, 0)
    found = LINEAR.calibrate("linear", [Point(0, 10), Point(10, 5), Point(20, 1)], parameters)
    assert found.coefficients == Linear(pytest.approx(-0.45), pytest.approx(59 / 6))
    assert sum(found.residuals) == pytest.approx(0)
    assert found.rms == pytest.approx((1 / 6 / 3) ** 0.5)


def test_a_table_is_read_with_straight_lines():
    convert = table(unit="°C")
    assert [convert(raw, None)[0] for raw, _ in THERMISTOR] == [value for _, value in THERMISTOR]
    assert convert(1500, None) == (40.0, "good", "")
    assert convert(3400, None)[0] == pytest.approx(-7.5)


def test_beyond_a_table_is_an_error_or_its_end_as_one_likes():
    assert table()(499, None) == table()(3801, None) == (None, "error", "out_of_range")
    assert table(beyond="clamp")(499, None) == (80.0, "poor", "clamped")
    assert table(beyond="clamp")(3801, None) == (-20.0, "poor", "clamped")


def test_a_table_over_volts_has_rails():
    convert = table(input="volts", points=[[0, 0], [3.3, 33]])
    assert convert(4095, None) == (pytest.approx(33), "suspect", "saturated")
    assert convert(1365, None) == (pytest.approx(11), "good", "")
    assert convert(4096, None) == (None, "error", "out_of_range")


def test_points_make_a_table_in_any_order():
    points = [Point(3000, 10), Point(1000, 80), Point(2000, 30)]
    found = TABLE.calibrate("table", points)
    assert found.residuals == (0, 0, 0)
    assert TABLE.make(None, found)(1500, None)[0] == 55.0


@pytest.mark.parametrize(
    ("family", "kind", "points", "code"),
    [
        (TABLE, "table", [Point(1, 2), Point(1, 3)], "equal_raws"),
        (TABLE, "table", [Point(1, 2)], "too_few_points"),
        (LINEAR, "linear", [Point(1, 2), Point(2, 2)], "slope_zero"),
        (LINEAR, "linear", [Point(5, 2), Point(5, 3)], "equal_raws"),
        (LINEAR, "linear", [Point(0, 2), Point(0, 3)], "equal_raws"),
        (LINEAR, "offset", [], "too_few_points"),
        (LINEAR, "gain", [Point(0, 2)], "signal_zero"),
        (RAW, "offset", [Point(1, 2)], "kind_unsupported"),
    ],
)
def test_points_of_which_nothing_can_come_are_refused(family, kind, points, code):
    with pytest.raises(CalibrationError) as refused:
        family.calibrate(kind, points)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("family", "given_", "path"),
    [
        (LINEAR, {"slope": 0}, "$"),
        (LINEAR, {"slope": True}, "$.slope"),
        (LINEAR, {"minimum": 2, "maximum": 1}, "$"),
        (LINEAR, {"unit": ""}, "$.unit"),
        (TABLE, {"points": [[1, 2]]}, "$.points"),
        (TABLE, {"points": [[1, 2], [2, "x"]]}, "$.points[1][1]"),
        (TABLE, {"points": [[1, 2], [1, 3]]}, "$"),
        (TABLE, {"points": [[1, 2], [2, float("nan")]]}, "$.points[1][1]"),
        (RAW, {"unit": "V"}, "$.unit"),
    ],
)
def test_parameters_that_make_no_curve_are_refused_with_their_path(family, given_, path):
    with pytest.raises(ParameterError) as refused:
        family.parse(given_)
    assert refused.value.path == path


def test_a_sensor_that_nobody_knows_keeps_its_count_which_nobody_can_grade():
    assert RAW.make()(2141, None) == (2141, "unknown", "")
    assert RAW.make()(float("nan"), None) == (None, "error", "out_of_range")


@given(st.floats(500, 3800), st.floats(500, 3800))
def test_a_falling_table_falls(one, other):
    convert = table()
    low, high = sorted((one, other))
    assert convert(high, None)[0] <= convert(low, None)[0] + 1e-9


@given(st.dictionaries(st.integers(-10_000, 10_000), st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_a_table_reproduces_its_points(known):
    points = [Point(raw, value) for raw, value in known.items()]
    assert TABLE.calibrate("table", points).residuals == pytest.approx([0] * len(points), abs=1e-6)


@given(st.floats(-1e5, 1e5).filter(lambda slope: abs(slope) > 1e-3), st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))
def test_a_line_can_be_turned_round(slope, offset, raw):
    value = LINEAR.make(LINEAR.parse({"slope": slope, "offset": offset}))(raw, None)[0]
    assert (value - offset) / slope == pytest.approx(raw, rel=1e-6, abs=1e-3)
