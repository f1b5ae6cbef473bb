"""Readings of sensors that were set up and calibrated: each as its sensor was read when it was measured."""

import pytest

from kaiser.contracts.events.calibration import CalibrationFinished, FoundCalibration, SensorKey, SensorParametersSet
from kaiser.ingest.converting import Standing, convert
from kaiser.ingest.sensor_directory import SensorDirectory
from kaiser.ingest.sensors import Sensors
from kaiser.ingest.window import Window
from kaiser.physics import families

from .builders import NOW_S, raw

ESP = "ESP_0A1B2C"
APPROVED = {ESP: Standing(pending=False)}
PH = SensorKey(gpio=34, sensor_type="ph")
PROBE = SensorKey(gpio=4, sensor_type="ds18b20", address="28ff000000000001")
SAID = {"kaiser_id": "god", "esp_id": ESP, "by": "eva"}
COUNT = {"gpio": 34, "sensor_type": "ph", "address": "", "raw": 2520.0}


class Live:
    """A converter without a log."""

    def __init__(self) -> None:
        self.directory = SensorDirectory()
        self.sensors = Sensors(families(), self.directory)
        self.temperatures: dict[int, tuple[int, float]] = {}
        self.seen = 0

    def set(self, at_s: int, sensor=PH, parameters=None, **fields) -> None:
        said = SAID | {"at": at_s * 1_000_000, "sensor": sensor, "parameters": parameters or {}} | fields
        self.directory.decided(SensorParametersSet(**said))

    def calibrated(self, at_s: int, **coefficients) -> None:
        found = FoundCalibration(
            family="ph", kind="ph", coefficients={"shape": "electrode"} | coefficients, residuals=[0.0, 0.0], rms=0.0
        )
        at = at_s * 1_000_000
        said = SAID | {"at": at, "session_id": "s1", "sensor": PH, "family": "ph", "parameters": {}, "valid_from": at}
        self.directory.decided(CalibrationFinished(calibration=found, **said))

    def batch(self, *rows: dict):
        self.seen += len(rows)
        numbered = [{"reading_id": self.seen + i} | row for i, row in enumerate(rows)]
        return convert(raw(*numbered), "a", self.sensors, APPROVED, Window(), self.temperatures).batch


@pytest.fixture
def live() -> Live:
    return Live()


def test_a_calibration_changes_values_from_its_moment_on_and_not_before(live) -> None:
    (before,) = live.batch(COUNT).value
    live.calibrated(NOW_S - 10, volts_per_ph=-0.1775, neutral_v=1.5)
    late = COUNT | {"device_ts": NOW_S - 60}
    then, after = live.batch(late, COUNT).value
    assert then == before
    assert after == pytest.approx(7 + (2520 / 4095 * 3.3 - 1.5) / -0.1775)
    assert live.batch(COUNT).quality == ["good"]


def test_a_reading_has_the_unit_of_its_time(live) -> None:
    live.set(NOW_S - 10, PROBE, {"unit": "°F"})
    batch = live.batch({"raw": 400.0, "device_ts": NOW_S - 60}, {"raw": 400.0})
    assert (batch.unit, batch.value) == (["°C", "°F"], [25.0, pytest.approx(77.0)])


def test_the_temperature_of_another_sensor_compensates(live) -> None:
    live.set(NOW_S - 100, parameters={"volts_per_ph": -0.1775}, compensate_from=PROBE)
    assumed, cold = live.batch(COUNT, {"raw": 160.0}, COUNT).value[::2]
    assert abs(assumed - 7) < abs(cold - 7), "Nernst: a colder electrode is less steep"
    assert live.batch(COUNT).flags == [""], "the last one is remembered from batch to batch"


def test_without_a_fresh_and_sound_temperature_one_is_assumed_and_that_is_said(live) -> None:
    live.set(NOW_S - 5000, compensate_from=PROBE)
    old, broken = {"raw": 160.0, "device_ts": NOW_S - 601}, {"raw": -2032.0}
    assert live.batch(COUNT).flags == ["temperature_assumed"]
    assert live.batch(old, COUNT).flags[1] == "temperature_assumed"
    assert live.batch(broken, COUNT).flags[1] == "temperature_assumed"
    assert live.batch({"raw": 160.0, "quality": "suspect"}, COUNT).flags[1] == "temperature_assumed"
    assert live.batch({"raw": 160.0, "device_ts": NOW_S - 599}, COUNT).flags[1] == ""


def test_a_temperature_in_another_unit_compensates_as_well(live) -> None:
    live.set(NOW_S - 100, parameters={"volts_per_ph": -0.1775}, compensate_from=PROBE)
    celsius = live.batch({"raw": 160.0}, COUNT).value[1]
    live.set(NOW_S - 50, PROBE, {"unit": "K"})
    assert live.batch({"raw": 160.0}, COUNT).value[1] == pytest.approx(celsius)


def test_a_doubt_of_the_device_is_marked_as_its_own(live) -> None:
    batch = live.batch({"quality": "poor"}, {"quality": "error"}, {"quality": "good"})
    assert batch.flags == ["device_grade", "", ""]
