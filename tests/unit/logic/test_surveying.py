"""What there is to watch and to switch, from what devices are to have and from what they say."""

from kaiser.contracts.events.equipment import Equipment, WantedActuator, WantedSensor
from kaiser.contracts.events.safeguards import SensorRef
from kaiser.logic.surveying import Survey
from kaiser.logic.validating import SensorFact, Site, check

from .builders import ESP, above, rule

PROBE, OTHER = "28FF641D8FDF18C1", "28FF641D8FDF18C2"


def probe(address="", gpio=4, kind="ds18b20"):
    return WantedSensor(gpio=gpio, sensor_type=kind, name="Air", onewire_address=address)


def surveyed(*sensors, actuators=()):
    survey = Survey()
    survey.configured(ESP, Equipment(sensors=list(sensors), actuators=list(actuators)))
    return survey


def facts(survey, gpio=4, kind="ds18b20"):
    return survey.of(ESP).sensors.get((ESP, gpio, kind))


def test_what_a_device_is_to_have_is_known_before_it_measures():
    pump = WantedActuator(gpio=25, actuator_type="pump", name="Pump")
    survey = surveyed(probe(), actuators=[pump])
    assert facts(survey) == (SensorFact(),)
    assert survey.of(ESP).actuators == {(ESP, 25): "pump"}


def test_another_order_takes_the_place_of_the_first():
    survey = surveyed(probe(), probe(gpio=5))
    survey.configured(ESP, Equipment(sensors=[probe(gpio=5)]))
    assert (facts(survey), facts(survey, 5)) == (None, (SensorFact(),))


def test_a_sensor_that_nobody_ordered_is_known_by_its_readings_and_so_is_its_unit():
    survey = Survey()
    survey.measured([(ESP, 4, "ds18b20", PROBE, "°C"), (ESP, 4, "ds18b20", OTHER, "°C")])
    assert facts(survey) == (SensorFact(PROBE, "°C"), SensorFact(OTHER, "°C"))


def test_an_address_that_the_device_sends_or_not_takes_the_place_of_the_ordered_one():
    without = surveyed(probe())
    without.measured([(ESP, 4, "ds18b20", PROBE, "°C")])
    assert facts(without) == (SensorFact(PROBE, "°C"),)
    silent = surveyed(probe(PROBE), probe(OTHER))
    silent.measured([(ESP, 4, "ds18b20", PROBE, "°C")])
    assert facts(silent) == (SensorFact(PROBE, "°C"), SensorFact(OTHER))
    unmarked = surveyed(WantedSensor(gpio=4, sensor_type="ds18b20", name="Air", i2c_address=68))
    unmarked.measured([(ESP, 4, "ds18b20", "", "°C")])
    assert facts(unmarked) == (SensorFact("", "°C"),)


def test_a_unit_is_the_last_one_that_a_reading_had():
    survey = Survey()
    for unit, known in (("°C", "°C"), ("", "°C"), ("°F", "°F"), ("°C", "°C"), ("°F", "°F")):
        survey.measured([(ESP, 4, "ds18b20", "", unit)])
        assert facts(survey) == (SensorFact("", known),)


def test_an_actuator_is_what_it_says_and_not_what_was_ordered():
    survey = surveyed(actuators=[WantedActuator(gpio=25, actuator_type="pump", name="Pump")])
    survey.reported(ESP, 25, "relay")
    survey.reported(ESP, 26, "pwm")
    assert survey.of(ESP).actuators == {(ESP, 25): "relay", (ESP, 26): "pwm"}


def test_rules_are_checked_against_it():
    survey = surveyed(probe(), actuators=[WantedActuator(gpio=25, actuator_type="pump", name="Pump")])
    survey.measured([(ESP, 4, "ds18b20", "", "°C")])
    wrong_unit = rule(above(26, SensorRef(ESP, 4, "ds18b20"), unit="°F"))
    unknown = rule(above(26, SensorRef(ESP, 5, "ds18b20")))
    site = Site(sensors=survey.of(ESP).sensors, actuators=survey.of(ESP).actuators)
    assert [(each.path, each.code) for each in check("r", wrong_unit, site) if each.weight == "error"] == [
        ("condition.unit", "UNIT_MISMATCH")
    ]
    assert [(each.path, each.code) for each in check("r", unknown, site) if each.weight == "error"] == [
        ("condition.sensor", "SENSOR_NOT_FOUND")
    ]
