import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiser.physics.calibration import Electrode, Point
from kaiser.physics.errors import CalibrationError
from kaiser.physics.ph import PH, share

DFROBOT_V2 = {"volts_per_ph": -0.17748, "neutral_v": 1.5}
KELVIN = 273.15


def count(volts):
    return volts / 3.3 * 4095


def electrode_volts(ph, celsius, per_ph=-0.17, neutral=1.52):
    return neutral + per_ph * (celsius + KELVIN) / 298.15 * (ph - 7)


def test_without_calibration_it_is_the_line_of_upstream():
    convert = PH.make()
    assert convert(count(1.5), None) == (pytest.approx(7.0), "fair", "")
    assert convert(2141, None)[0] == pytest.approx(7 - 3.5 * (2141 / 4095 * 3.3 - 1.5))
    assert convert(count(0.5), None) == (pytest.approx(10.5), "poor", "")


def test_upstreams_temperature_term_is_nernsts_linearised():
    convert = PH.make()
    for raw in (1000, 1500, 2000, 2500):
        plain = convert(raw, 25.0)[0]
        for celsius in (5, 15, 35, 45):
            upstream = plain + (celsius - 25) * 0.003 * (7 - plain)
            assert convert(raw, celsius)[0] == pytest.approx(upstream, abs=0.03)


def test_the_neutral_point_has_no_temperature():
    assert PH.make()(count(1.5), 5.0)[0] == pytest.approx(PH.make()(count(1.5), 60.0)[0])


def test_buffers_at_their_own_temperatures_give_the_electrode_back():
    points = [Point(count(electrode_volts(ph, t)), ph, t) for ph, t in ((4.01, 18.0), (6.88, 20.0), (9.18, 27.0))]
    found = PH.calibrate("ph", points)
    assert found.coefficients.volts_per_ph == pytest.approx(-0.17)
    assert found.coefficients.neutral_v == pytest.approx(1.52)
    assert found.rms == pytest.approx(0.0, abs=1e-9)
    convert = PH.make(None, found)
    assert convert(count(electrode_volts(5.5, 40.0)), 40.0) == (pytest.approx(5.5), "good", "")


def test_a_buffer_that_is_off_shows_in_the_residuals():
    points = [Point(count(electrode_volts(ph, 25)), ph + error, 25) for ph, error in ((4, 0), (7, 0.3), (10, 0))]
    found = PH.calibrate("ph", points)
    assert max(found.residuals, key=abs) == found.residuals[1] == pytest.approx(-0.2, abs=0.01)


def test_an_electrode_is_held_against_what_its_board_gives_when_new():
    parameters = PH.parse(DFROBOT_V2)
    points = [Point(count(electrode_volts(ph, 25, -0.16)), ph, 25) for ph in (4, 7)]
    found = PH.calibrate("ph", points, parameters)
    assert share(found.coefficients, parameters) == pytest.approx(0.16 / 0.17748)
    assert share(found.coefficients, PH.parse()) is None


@pytest.mark.parametrize(("per_ph", "code"), [(-0.12, "slope_weak"), (0.17, "slope_sign"), (-0.24, "slope_steep")])
def test_a_slope_that_no_electrode_on_this_board_has_is_refused(per_ph, code):
    points = [Point(count(electrode_volts(ph, 25, per_ph)), ph, 25) for ph in (4, 7)]
    with pytest.raises(CalibrationError) as refused:
        PH.calibrate("ph", points, PH.parse(DFROBOT_V2))
    assert refused.value.code == code


def test_of_an_unknown_board_the_sign_is_open_but_less_than_nernst_is_not():
    rising = [Point(count(electrode_volts(ph, 25, 0.28)), ph, 25) for ph in (4, 7)]
    assert PH.calibrate("ph", rising).coefficients.volts_per_ph == pytest.approx(0.28)
    stuck = [Point(1860, 7, 25), Point(1890, 4, 25)]
    with pytest.raises(CalibrationError) as refused:
        PH.calibrate("ph", stuck)
    assert refused.value.code == "slope_weak"


@pytest.mark.parametrize(
    ("points", "code"),
    [
        ([Point(1860, 7)], "too_few_points"),
        ([Point(1860, 7), Point(1860, 4)], "equal_raws"),
        ([Point(1860, 7), Point(2000, 7.1)], "equal_references"),
        ([Point(4095, 7), Point(2000, 4)], "raw_unusable"),
        ([Point(4096, 7), Point(2000, 4)], "raw_unusable"),
        ([Point(1860, 7), Point(2000, 14.5)], "reference_out_of_range"),
        ([Point(1860, 7, 200.0), Point(2400, 4)], "temperature_absurd"),
        ([Point(float("nan"), 7), Point(2400, 4)], "point_not_finite"),
    ],
)
def test_points_of_which_nothing_can_come_are_refused(points, code):
    with pytest.raises(CalibrationError) as refused:
        PH.calibrate("ph", points)
    assert refused.value.code == code


def test_one_buffer_is_enough_where_the_slope_is_known_and_not_where_it_is_not():
    parameters = PH.parse(DFROBOT_V2)
    found = PH.calibrate("offset", [Point(1900, 7.0, 22.0)], parameters)
    assert found.coefficients == Electrode(-0.17748, pytest.approx(1900 / 4095 * 3.3))
    assert PH.make(parameters, found)(1900, 22.0) == (pytest.approx(7.0), "good", "")
    with pytest.raises(CalibrationError) as refused:
        PH.calibrate("offset", [Point(1900, 7.0)])
    assert refused.value.code == "slope_unknown"


def test_rails_are_suspect_and_beyond_them_is_nothing():
    convert = PH.make()
    assert convert(0, None) == (pytest.approx(12.25), "suspect", "saturated")
    assert convert(4095, None)[1:] == ("suspect", "saturated")
    assert convert(-1, None) == convert(4096, None) == (None, "error", "out_of_range")


def test_a_broken_thermometer_is_not_believed():
    assert PH.make()(2000, -127.0) == (*PH.make()(2000, None)[:2], "temperature_ignored")
    assert PH.make(PH.parse({"temperature_compensation": False}))(2000, 60.0) == PH.make()(2000, None)


@pytest.mark.parametrize("kind", ["ph", "offset"])
def test_without_compensation_a_calibration_takes_no_temperature_either(kind):
    parameters = PH.parse({**DFROBOT_V2, "temperature_compensation": False})
    points = [Point(2500, 4.0, 40.0), Point(1900, 7.0, 10.0)][: 2 if kind == "ph" else 1]
    assert PH.calibrate(kind, points, parameters).residuals == pytest.approx([0] * len(points), abs=1e-9)


@given(st.floats(0.5, 13.5), st.floats(0, 60))
def test_it_is_the_inverse_of_nernsts_equation(ph, celsius):
    convert = PH.make(PH.parse({"volts_per_ph": -0.17, "neutral_v": 1.52}))
    assert convert(count(electrode_volts(ph, celsius)), celsius)[0] == pytest.approx(ph)


def test_a_slope_of_nothing_is_no_parameter():
    with pytest.raises(ValueError, match="volts_per_ph"):
        PH.parse({"volts_per_ph": 0})


@given(st.floats(0.1, 1.0), st.floats(1.3, 1.8), st.floats(2, 6), st.floats(8, 12), st.floats(5, 45), st.floats(5, 45))
def test_a_calibration_reproduces_its_buffers(slope, neutral, acid, base, t1, t2):
    points = [Point(count(electrode_volts(ph, t, -slope / 4.1, neutral)), ph, t) for ph, t in ((acid, t1), (base, t2))]
    if slope / 4.1 < 0.042:
        return
    found = PH.calibrate("ph", points)
    assert found.residuals == pytest.approx((0, 0), abs=1e-6)


@given(st.integers(0, 4094), st.floats(0, 60))
def test_it_falls_as_the_voltage_rises(raw, celsius):
    convert = PH.make(PH.parse(DFROBOT_V2))
    here, there = convert(raw, celsius)[0], convert(raw + 1, celsius)[0]
    assert here is None or there is None or there < here
