"""Stored readings as they would have come had their sensor been read in another way."""

import msgspec
import pytest

from kaiser.contracts.events.calibration import FoundCalibration, SensorKey
from kaiser.ingest import setups
from kaiser.ingest.remaking import Stored, Warmth, remade
from kaiser.ingest.setups import Setup
from kaiser.physics import families

KNOWN = families()
PROBE = SensorKey(gpio=4, sensor_type="ds18b20")
FOUND = FoundCalibration(
    family="ph",
    kind="ph",
    coefficients={"shape": "electrode", "volts_per_ph": -0.1775, "neutral_v": 1.5},
    residuals=[],
    rms=0.0,
)
AS_IT_CAME = setups.reader(KNOWN, "ph", Setup())
CALIBRATED = setups.reader(KNOWN, "ph", Setup(calibration=FOUND))
COMPENSATED = setups.reader(KNOWN, "ph", Setup(calibration=FOUND, compensate_from=PROBE))
MINUTE = 60_000_000
ROW = Stored(
    measured_at=100 * MINUTE, reading_id=1, raw=2520.0, value=5.14, zone_id="north", subzone_id="", unit="pH",
    quality="fair", time_source="device", pending=False, flags="",
)  # fmt: skip


def row(**fields):
    return msgspec.structs.replace(ROW, **fields)


def test_value_and_quality_follow_the_calibration_and_the_rest_stays() -> None:
    again = remade(ROW, CALIBRATED, {})
    assert again == row(value=pytest.approx(7 + (2520 / 4095 * 3.3 - 1.5) / -0.1775), quality="good")


def test_once_more_changes_nothing() -> None:
    for reader in (AS_IT_CAME, CALIBRATED):
        again = remade(row(flags="wrapped,saturated,late"), reader, {})
        assert remade(again, reader, {}) == again


def test_the_grade_that_a_device_gave_itself_stays() -> None:
    again = remade(row(quality="suspect", flags="device_grade"), CALIBRATED, {})
    assert (again.quality, again.flags) == ("suspect", "device_grade")
    broken = row(quality="error", value=None)
    assert remade(broken, CALIBRATED, {}) == broken


def test_an_error_of_the_conversion_is_mended_and_its_flag_goes() -> None:
    again = remade(row(quality="error", value=None, flags="wrapped,out_of_range,late"), CALIBRATED, {})
    assert (again.quality, again.flags) == ("good", "wrapped,late")


def test_a_temperature_of_that_time_compensates_and_without_one_it_is_assumed() -> None:
    near = {PROBE: Warmth([(91 * MINUTE, 10.0, "°C"), (130 * MINUTE, 40.0, "°C")])}
    again = remade(ROW, COMPENSATED, near)
    assert (again.value, again.flags) == (pytest.approx(COMPENSATED.convert(2520, 10.0)[0]), "")
    far = {PROBE: Warmth([(89 * MINUTE, 10.0, "°C"), (111 * MINUTE, 10.0, "°C")])}
    again = remade(ROW, COMPENSATED, far)
    assert (again.value, again.flags) == (COMPENSATED.convert(2520, None)[0], "temperature_assumed")


def test_a_warm_sensor_in_kelvin_is_as_warm_and_one_that_measures_no_temperature_is_none() -> None:
    assert Warmth([(MINUTE, 283.15, "K")]).at(MINUTE) == pytest.approx(10.0)
    assert Warmth([(MINUTE, 7.0, "pH")]).at(MINUTE) is None


def test_the_count_of_a_type_that_nobody_knows_stays_as_its_device_graded_it() -> None:
    count = row(value=2520.0, unit="raw", quality="good")
    assert remade(count, setups.reader(KNOWN, "leaf_wetness", Setup()), {}) == count
