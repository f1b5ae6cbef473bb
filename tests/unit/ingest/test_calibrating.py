"""What is decided about parameters and calibrations of sensors."""

import pytest

from kaiser.contracts.events.calibration import SensorKey
from kaiser.ingest import calibrating, sensor_intents, setups
from kaiser.ingest.calibrator import MOST_POINTS, Calibrator
from kaiser.ingest.refusals import RegistryError
from kaiser.physics import families

KNOWN = families()
PH = SensorKey(gpio=34, sensor_type="ph")
PROBE = SensorKey(gpio=4, sensor_type="ds18b20", address="28ff000000000001")
LEAF = SensorKey(gpio=35, sensor_type="leaf_wetness")
BOARD = {"volts_per_ph": -0.1775}
SEVEN = {"raw": 1861, "reference": 7.0, "temperature_c": 25.0}
FOUR = {"raw": 2520, "reference": 4.0, "temperature_c": 25.0}


class Sensors:
    """An aggregate without a log."""

    def __init__(self) -> None:
        self.state = calibrating.UNKNOWN
        self.now = 1_000_000

    def do(self, intent, sensor=PH, **fields):
        self.now += 1
        command = intent(kaiser_id="god", esp_id="ESP_0A1B2C", at=self.now, by="eva", sensor=sensor, **fields)
        events = Calibrator(KNOWN).decide(self.state, command)
        for event in events:
            self.state = calibrating.evolve(self.state, event)
        return events

    def set(self, parameters, sensor=PH, **fields):
        return self.do(sensor_intents.SetParameters, sensor, parameters=parameters, **fields)

    def start(self, session_id="s1", kind="ph", sensor=PH):
        return self.do(sensor_intents.Start, sensor, session_id=session_id, kind=kind)

    def point(self, sensor=PH, **fields):
        return self.do(sensor_intents.TakePoint, sensor, **fields)

    def finish(self, sensor=PH, **fields):
        return self.do(sensor_intents.Finish, sensor, **fields)

    def calibrated(self, session_id="s1", **fields):
        self.start(session_id)
        self.point(**SEVEN)
        self.point(**FOUR)
        return self.finish(**fields)[0]


@pytest.fixture
def sensors() -> Sensors:
    return Sensors()


def test_a_session_reproduces_its_points_and_is_in_force(sensors) -> None:
    sensors.set(BOARD)
    done = sensors.calibrated()
    assert done.calibration.residuals == pytest.approx([0, 0], abs=1e-9)
    assert (done.parameters, done.valid_from) == (BOARD, done.at)
    setup = sensors.state.of(PH).setup
    assert (setup.session_id, setup.parameters) == ("s1", BOARD)
    reader = setups.reader(KNOWN, "ph", setup)
    assert [reader.convert(raw, 25.0)[0] for raw in (1861, 2520)] == pytest.approx([7.0, 4.0])


def test_a_sensor_has_one_open_calibration_and_keeps_its_parameters_meanwhile(sensors) -> None:
    sensors.start()
    for again in (lambda: sensors.start("s2"), lambda: sensors.set(BOARD)):
        with pytest.raises(RegistryError) as refused:
            again()
        assert refused.value.code == "CALIBRATION_OPEN"
    sensors.start("s3", "offset", PROBE)  # that of another sensor is none of its business
    sensors.do(sensor_intents.Abandon, reason="buffer spilled")
    assert sensors.state.of(PH).sessions["s1"].state == "abandoned"
    assert sensors.state.of(PROBE).open == "s3"
    sensors.start("s2")


@pytest.mark.parametrize(
    ("point", "reason", "where"),
    [
        ({"raw": 4095, "reference": 7.0}, "raw_unusable", "raw"),
        ({"raw": 1861, "reference": 15.0}, "reference_out_of_range", "reference"),
        ({"raw": 1861, "reference": float("nan")}, "point_not_finite", "reference"),
    ],
)
def test_a_point_that_none_can_mend_is_refused_at_once(sensors, point, reason, where) -> None:
    sensors.start()
    with pytest.raises(RegistryError) as refused:
        sensors.point(**point)
    assert (refused.value.code, refused.value.where) == ("CALIBRATION_REFUSED", where)
    assert str(refused.value).startswith(f"{reason}: ")
    assert sensors.state.of(PH).sessions["s1"].points == ()


def test_points_that_are_no_calibration_leave_the_session_open(sensors) -> None:
    sensors.set(BOARD)
    sensors.start()
    sensors.point(**SEVEN)
    with pytest.raises(RegistryError, match=r"^too_few_points: ") as refused:
        sensors.finish()
    assert (refused.value.code, refused.value.where) == ("CALIBRATION_REFUSED", "points")
    sensors.point(**FOUR)
    assert sensors.finish()


def test_a_kind_that_the_family_does_not_know_is_refused(sensors) -> None:
    with pytest.raises(RegistryError, match=r"^kind_unsupported: ") as refused:
        sensors.start(kind="dry_wet")
    assert refused.value.where == "kind"


def test_what_is_not_open_can_not_go_on(sensors) -> None:
    for go_on in (lambda: sensors.point(**SEVEN), sensors.finish, lambda: sensors.do(sensor_intents.Abandon)):
        with pytest.raises(RegistryError) as refused:
            go_on()
        assert refused.value.code == "CALIBRATION_NOT_FOUND"


def test_so_many_points_and_no_more(sensors) -> None:
    sensors.start()
    for _ in range(MOST_POINTS):
        sensors.point(**SEVEN)
    with pytest.raises(RegistryError, match="are enough"):
        sensors.point(**SEVEN)


def test_parameters_are_read_strictly_with_the_path_of_what_is_wrong(sensors) -> None:
    with pytest.raises(RegistryError) as refused:
        sensors.set({"volts_per_ph": "much"})
    assert (refused.value.code, refused.value.where) == ("VALUE_OUT_OF_RANGE", "parameters.volts_per_ph")
    with pytest.raises(RegistryError) as refused:
        sensors.set({}, sensor=SensorKey(gpio=4, sensor_type="No Type"))
    assert refused.value.code == "INVALID_SENSOR_TYPE"


def test_the_same_parameters_again_are_no_event(sensors) -> None:
    assert sensors.set(BOARD)
    assert not sensors.set(BOARD | {"neutral_v": 1.5})  # its default


def test_a_change_ends_the_calibration_unless_its_coefficients_do_not_depend_on_it(sensors) -> None:
    sensors.calibrated()
    (kept,) = sensors.set({"temperature_c": 20.0}, compensate_from=PROBE)
    assert not kept.calibration_ends
    assert sensors.state.of(PH).setup.session_id == "s1"
    (ended,) = sensors.set({"neutral_v": 1.4})
    assert ended.calibration_ends
    assert (sensors.state.of(PH).setup.calibration, sensors.state.of(PH).setup.session_id) == (None, "")


def test_a_sensor_is_compensated_by_another_one_that_measures_temperature(sensors) -> None:
    for source in (PH, SensorKey(gpio=35, sensor_type="ec"), LEAF):
        with pytest.raises(RegistryError) as refused:
            sensors.set({}, compensate_from=source)
        assert refused.value.where.startswith("compensate_from")
    assert sensors.set({}, compensate_from=PROBE)


def test_a_type_that_nobody_knows_may_be_of_a_named_family_and_a_known_one_may_not(sensors) -> None:
    sensors.set({"slope": 0.5, "unit": "%"}, sensor=LEAF, family="linear")
    reader = setups.reader(KNOWN, LEAF.sensor_type, sensors.state.of(LEAF).setup)
    assert (reader.unit, reader.convert(10, None)[0]) == ("%", 5.0)
    for sensor, family in ((PH, "linear"), (LEAF, "bogus")):
        with pytest.raises(RegistryError) as refused:
            sensors.set({}, sensor=sensor, family=family)
        assert refused.value.where == "family"


def test_what_was_decided_last_counts_from_the_moment_it_was_decided_for(sensors) -> None:
    first = sensors.calibrated("s1")
    second = sensors.calibrated("s2", valid_from=first.valid_from - 1)
    known = sensors.state.of(PH).setups
    assert [setup.session_id for setup in known] == ["s2"]
    assert setups.at(known, second.valid_from - 1).session_id == ""
    assert setups.at(known, second.valid_from).session_id == "s2"
    with pytest.raises(RegistryError) as refused:
        sensors.calibrated("s3", valid_from=sensors.now + 1_000)
    assert refused.value.where == "valid_from"


def test_a_sensor_is_recomputed_once_at_a_time_and_with_what_there_is(sensors) -> None:
    def order(recompute_id, **fields):
        usual = {"start": 1, "end": 2, "calibration": "that_day"}
        return sensors.do(sensor_intents.OrderRecompute, recompute_id=recompute_id, **usual | fields)

    for wrong, code in (
        ({"end": 1}, "VALUE_OUT_OF_RANGE"),
        ({"end": sensors.now * 2}, "VALUE_OUT_OF_RANGE"),
        ({"calibration": "s9"}, "CALIBRATION_NOT_FOUND"),
    ):
        with pytest.raises(RegistryError) as refused:
            order("r0", **wrong)
        assert refused.value.code == code
    sensors.calibrated("s1")
    order("r1", calibration="s1")
    with pytest.raises(RegistryError) as refused:
        order("r2")
    assert refused.value.code == "RECOMPUTE_RUNNING"
    assert not sensors.do(sensor_intents.SettleRecompute, recompute_id="r0", rows=1, changed=1)
    (done,) = sensors.do(sensor_intents.SettleRecompute, recompute_id="r1", rows=9, changed=7)
    assert (done.rows, done.changed) == (9, 7)
    order("r2")


def test_a_family_that_is_gone_makes_errors_and_not_silence() -> None:
    gone = setups.Setup(parameters={"field_of_another_release": 1})
    assert setups.reader(KNOWN, "ph", gone).convert(1861, None) == setups.UNUSABLE
