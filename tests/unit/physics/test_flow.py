import pytest

from kaiser.physics.calibration import Point
from kaiser.physics.errors import CalibrationError, ParameterError
from kaiser.physics.flow import FLOW


def flow(**parameters):
    return FLOW.make(FLOW.parse(parameters))


def test_pulses_of_a_window_become_litres_a_minute():
    assert flow()(75, None) == (10.0, "good", "")
    assert flow(time_window_s=10)(75, None) == (1.0, "excellent", "")
    assert flow(pulses_per_litre=900)(75, None) == (5.0, "excellent", "")


def test_a_frequency_is_pulses_a_second_and_a_flow_is_itself():
    assert flow(input="frequency", time_window_s=10)(75, None)[0] == 10.0
    assert flow(input="flow_rate")(3.5, None) == (3.5, "excellent", "")


@pytest.mark.parametrize(
    ("rate", "quality"),
    [(0.0, "good"), (0.05, "fair"), (0.1, "good"), (1, "excellent"), (10, "good"), (20, "fair"), (100, "fair")],
)
def test_flows_are_graded_as_the_contract_has_it(rate, quality):
    assert flow(input="flow_rate")(rate, None) == (rate, quality, "")


@pytest.mark.parametrize("rate", [-0.1, 100.1, float("inf"), float("nan")])
def test_more_than_a_hundred_litres_a_minute_is_an_error_and_so_is_less_than_none(rate):
    assert flow(input="flow_rate")(rate, None) == (None, "error", "out_of_range")


def test_a_known_volume_gives_the_factor():
    found = FLOW.calibrate("gain", [Point(75, 11.0)])
    assert FLOW.make(None, found)(150, None)[0] == pytest.approx(22.0)
    assert FLOW.make(None, found)(0, None) == (0.0, "good", "")


def test_a_factor_of_four_is_another_turbine():
    with pytest.raises(CalibrationError) as refused:
        FLOW.calibrate("gain", [Point(75, 40.0)])
    assert refused.value.code == "slope_absurd"


@pytest.mark.parametrize("given", [{"pulses_per_litre": 0}, {"time_window_s": -1}, {"calibration_factor": 450}])
def test_parameters_that_make_no_flow_are_refused_with_their_path(given):
    with pytest.raises(ParameterError) as refused:
        FLOW.parse(given)
    assert refused.value.path == f"$.{next(iter(given))}"
