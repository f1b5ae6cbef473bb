import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiser.physics.calibration import Linear, Point
from kaiser.physics.ec import EC
from kaiser.physics.errors import CalibrationError


def count(volts):
    return volts / 3.3 * 4095


def test_without_calibration_full_scale_is_twenty_thousand():
    convert = EC.make()
    assert convert(count(1.0), None) == (pytest.approx(6060), "fair", "")
    assert convert(count(3.0), None) == (pytest.approx(18_180), "poor", "")


def test_it_is_referred_to_25_degrees():
    convert = EC.make()
    assert convert(count(1.0), 25.0)[0] == pytest.approx(6060)
    assert convert(count(1.0), 35.0)[0] == pytest.approx(6060 / 1.2)
    assert convert(count(1.0), 15.0)[0] == pytest.approx(6060 / 0.8)


def test_a_broken_thermometer_is_not_believed():
    assert EC.make()(count(1.0), -127.0) == (pytest.approx(6060), "fair", "temperature_ignored")


def test_five_volts_over_16_bits():
    convert = EC.make(EC.parse({"converter": "16bit_5v"}))
    assert convert(65_535 / 5, None)[0] == pytest.approx(6060)


@pytest.mark.parametrize(("unit", "value"), [("mS/cm", 6.06), ("ppm", 3030)])
def test_other_units(unit, value):
    parameters = EC.parse({"unit": unit})
    assert EC.unit_of(parameters) == unit
    assert EC.make(parameters)(count(1.0), None)[0] == pytest.approx(value)


def test_one_standard_gives_k_at_its_own_temperature():
    found = EC.calibrate("gain", [Point(count(0.25), 1413, 20.0)])
    assert found.coefficients == Linear(pytest.approx(1413 * 0.9 / 0.25), 0.0)
    assert EC.make(None, found)(count(0.25), 20.0) == (pytest.approx(1413), "good", "")


def test_two_standards_in_the_unit_of_the_sensor():
    parameters = EC.parse({"unit": "mS/cm"})
    points = [Point(count(0.25), 1.413, 22.0), Point(count(2.1), 12.88, 23.0)]
    found = EC.calibrate("linear", points, parameters)
    convert = EC.make(parameters, found)
    assert [convert(p.raw, p.temperature_c)[0] for p in points] == pytest.approx([1.413, 12.88])


@pytest.mark.parametrize(
    ("kind", "points", "code"),
    [
        ("linear", [Point(1000, 1413), Point(2000, 500)], "slope_sign"),
        ("linear", [Point(1000, 1413), Point(1001, 12_880)], "slope_absurd"),
        ("linear", [Point(1000, 5000), Point(2000, 5100)], "slope_absurd"),
        ("linear", [Point(1000, 1000), Point(2000, 9000)], "offset_absurd"),
        ("linear", [Point(1000, 1413), Point(1000, 12_880)], "equal_raws"),
        ("linear", [Point(1000, 1413), Point(2000, 1413)], "slope_zero"),
        ("gain", [Point(0, 1413)], "raw_unusable"),
        ("gain", [], "too_few_points"),
        ("gain", [Point(1000, 0)], "slope_zero"),
        ("dry_wet", [Point(1000, 0), Point(2000, 100)], "kind_unsupported"),
    ],
)
def test_points_of_which_nothing_can_come_are_refused(kind, points, code):
    with pytest.raises(CalibrationError) as refused:
        EC.calibrate(kind, points)
    assert refused.value.code == code


def test_without_compensation_a_calibration_takes_no_temperature_either():
    parameters = EC.parse({"temperature_compensation": False})
    assert EC.calibrate("gain", [Point(500, 1413, 10.0)], parameters).residuals == pytest.approx([0], abs=1e-9)


@given(st.floats(10, 9000), st.floats(5, 45))
def test_it_is_the_inverse_of_what_water_does(ec, celsius):
    warm = ec * (1 + 0.02 * (celsius - 25))
    assert EC.make()(count(warm / 6060), celsius)[0] == pytest.approx(ec)


def test_a_dry_probe_conducts_nothing_and_not_less():
    convert = EC.make(EC.parse({"offset": -50}))
    assert convert(1, None) == (0.0, "poor", "clamped")
    assert convert(0, None) == (0.0, "suspect", "saturated")
    assert EC.make()(4095, None) == (pytest.approx(19_998), "suspect", "saturated")


@given(st.floats(100, 900), st.floats(200, 3000), st.floats(0.5, 2), st.floats(5, 45), st.floats(5, 45))
def test_a_calibration_reproduces_its_standards(low, gap, k, t1, t2):
    points = []
    for raw, t in ((low, t1), (low + gap, t2)):
        value = (raw / 4095 * 3.3 * 6060 * k + 30) / (1 + 0.02 * (t - 25))
        if value > 20_000:
            return
        points.append(Point(raw, value, t))
    assert EC.calibrate("linear", points).residuals == pytest.approx((0, 0), abs=1e-6)


@given(st.integers(0, 4094), st.floats(-5, 105))
def test_it_never_falls_as_the_voltage_rises(raw, celsius):
    convert = EC.make()
    here, there = convert(raw, celsius)[0], convert(raw + 1, celsius)[0]
    assert here is None or there is None or there > here
