"""What holds for every family that there is."""

import math

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kaiser.physics import (
    BUILT_IN,
    Calibration,
    CalibrationError,
    DryWet,
    Electrode,
    Linear,
    ParameterError,
    Point,
    Table,
)

QUALITIES = {"excellent", "good", "fair", "poor", "bad", "error", "stale", "suspect", "unknown"}
INPUTS = ("count", "physical", "adc", "volts", "pulses", "frequency", "flow_rate")


def variants(family):
    """Its conversions: for each input and unit that it takes, with and without a calibration."""
    coefficients = {
        Linear: Linear(1.02, -0.3),
        DryWet: DryWet(3000, 1400),
        Electrode: Electrode(-0.17, 1.5),
        Table: Table(((0.0, 1.0), (100.0, 5.0), (4000.0, -3.0))),
    }[family.coefficients]
    calibration = Calibration(family.name, "linear", coefficients, (), 0.0)
    for text in [{}, *({"input": name} for name in INPUTS), *({"unit": unit} for unit in family.units)]:
        try:
            parameters = family.parse(text)
        except ParameterError:
            continue
        yield family.make(parameters), family, parameters
        yield family.make(parameters, calibration), family, parameters


EVERY = [variant for family in BUILT_IN for variant in variants(family)]
ANYTHING = st.floats() | st.integers(-(2**31), 2**32).map(float) | st.floats(-100, 5000)


@given(ANYTHING, st.none() | st.floats())
@example(0.0, None)
@example(math.nan, math.nan)
@example(math.inf, math.inf)
@example(-math.inf, 0.0)
@example(1e308, -273.15)
@example(-1e308, 5e-324)
def test_no_number_makes_it_raise_and_no_value_is_an_error_and_nothing_else(raw, temperature):
    for convert, family, _ in EVERY:
        value, quality, flag = convert(raw, temperature)
        assert quality in QUALITIES
        assert (value is None) == (quality == "error"), family.name
        assert value is None or math.isfinite(value), family.name
        assert quality != "error" or flag


@given(ANYTHING, st.none() | st.floats(0, 60))
def test_values_are_within_the_valid_range(raw, temperature):
    for convert, family, parameters in EVERY:
        value = convert(raw, temperature)[0]
        if value is None or family.valid is None:
            continue
        factor, addend = family.units.get(family.unit_of(parameters), (1.0, 0.0))
        low, high = (limit * factor + addend for limit in family.valid)
        assert low - 1e-6 <= value <= high + 1e-6, family.name


@given(st.floats(-100, 66_000), st.floats(0, 2000))
def test_more_signal_is_never_less_unless_the_sensor_falls(raw, more):
    falling = {"ph", "moisture", "table"}
    for convert, family, _ in EVERY:
        if family.name in falling or family.name == "ds18b20":  # its counts wrap
            continue
        here, there = convert(raw, None)[0], convert(raw + more, None)[0]
        assert here is None or there is None or here <= there, family.name


@pytest.mark.parametrize("family", BUILT_IN, ids=lambda family: family.name)
def test_names_are_as_devices_send_them(family):
    assert all(name == name.lower() and name.isidentifier() for name in (family.name, *family.types))
    assert family.parse() == family.parameters()
    assert not family.units or family.units[family.unit] == (1.0, 0.0)


@pytest.mark.parametrize("family", BUILT_IN, ids=lambda family: family.name)
def test_unknown_parameters_are_refused_by_name(family):
    with pytest.raises(ParameterError, match="no_such") as refused:
        family.parse({"no_such": 1})
    assert (refused.value.code, refused.value.path) == ("parameters", "$.no_such")


@pytest.mark.parametrize("family", BUILT_IN, ids=lambda family: family.name)
def test_a_calibration_of_another_family_is_refused(family):
    foreign = Calibration("another", "linear", Linear(), (), 0.0)
    with pytest.raises(CalibrationError) as refused:
        family.make(None, foreign)
    assert refused.value.code == "other_family"


OFFSETS = [family for family in BUILT_IN if "linear" in family.fits and "offset" in family.fits]


@given(st.floats(0.2, 0.35), st.floats(0.65, 0.8), st.floats(-0.04, 0.04), st.floats(-0.04, 0.04))
def test_a_two_point_calibration_reproduces_its_points(low, high, low_error, high_error):
    for family in OFFSETS:
        floor, ceiling = family.valid or (0.0, 1000.0)
        span = ceiling - floor
        parameters = (
            family.parse({"input": "physical"})
            if "input" in family.parameters.__struct_fields__ and family.valid
            else None
        )
        raws = [floor + low * span, floor + high * span]
        if raws[0] == 85.0 or raws[1] == 85.0:
            continue
        points = [Point(raw, raw + error * span) for raw, error in zip(raws, (low_error, high_error), strict=True)]
        found = family.calibrate("linear", points, parameters)
        assert found.residuals == pytest.approx((0, 0), abs=1e-6)
        assert found.rms == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "coefficients",
    [Linear(1.01, -0.2), DryWet(3000.0, 1400.0), Electrode(-0.17, 1.5), Table(((0.0, 1.0), (1.0, 5.0)))],
    ids=lambda coefficients: type(coefficients).__name__,
)
def test_a_calibration_outlives_the_log(coefficients):
    calibration = Calibration("any", "linear", coefficients, (0.1, -0.1), 0.1)
    assert msgspec.json.decode(msgspec.json.encode(calibration), type=Calibration) == calibration


@pytest.mark.parametrize(
    "stored",
    [
        b'{"shape":"dry_wet","dry":5,"wet":5}',
        b'{"shape":"electrode","volts_per_ph":0,"neutral_v":1.5}',
        b'{"shape":"table","points":[[1,2],[1,3]]}',
        b'{"shape":"linear","slope":1,"gain":2}',
    ],
)
def test_coefficients_of_which_nothing_can_come_are_not_read(stored):
    text = b'{"family":"any","kind":"linear","residuals":[],"rms":0,"coefficients":%s}' % stored
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Calibration)
