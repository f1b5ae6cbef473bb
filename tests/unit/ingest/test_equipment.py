"""What may hang on a device, and what may not."""

import pytest

from kaiser.contracts.events.equipment import Equipment, WantedActuator, WantedSensor
from kaiser.ingest.equipment import fault

PH = WantedSensor(gpio=32, sensor_type="ph", name="Tank pH")
PUMP = WantedActuator(gpio=25, actuator_type="pump", name="Main pump")
ROM = "28FF641E8C160350"


def sensor(gpio: int = 32, sensor_type: str = "ph", **more) -> WantedSensor:
    return WantedSensor(gpio=gpio, sensor_type=sensor_type, name=more.pop("name", "S"), **more)


def air(gpio: int, kind: str, address: int | None) -> WantedSensor:
    return sensor(gpio, kind, i2c_address=address)


def found(*sensors, actuators=(), board=None, generation="head") -> tuple[str, str] | None:
    wrong = fault(Equipment(sensors=list(sensors), actuators=list(actuators)), board, generation)
    return wrong and (wrong.code, wrong.where)


@pytest.mark.parametrize("generation", ["dec", "head"])
def test_usual_equipment_can_be_sent(generation):
    assert found(PH, sensor(4, "ds18b20"), actuators=[PUMP], generation=generation) is None


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        (sensor(12), "INVALID_GPIO_PIN", "gpio"),
        (sensor(25), "INVALID_GPIO_PIN", "gpio"),  # ADC2 reads nothing while Wi-Fi is on
        (sensor(21, "flow"), "GPIO_CONFLICT", "gpio"),
        (sensor(sensor_type="analog"), "INVALID_SENSOR_TYPE", "sensor_type"),
        (sensor(sensor_type="pH"), "INVALID_SENSOR_TYPE", "sensor_type"),
        (sensor(name='a"b'), "VALUE_OUT_OF_RANGE", "name"),
        (sensor(name=""), "VALUE_OUT_OF_RANGE", "name"),
        (sensor(subzone_id="bench a"), "VALUE_OUT_OF_RANGE", "subzone_id"),
        (sensor(interval_s=0), "VALUE_OUT_OF_RANGE", "interval_s"),
        (sensor(interval_s=301), "VALUE_OUT_OF_RANGE", "interval_s"),
        (sensor(0, "sht31_temp", i2c_address=70), "INVALID_BUS_ADDRESS", "i2c_address"),
        (sensor(0, "bmp280_pressure", i2c_address=68), "INVALID_BUS_ADDRESS", "i2c_address"),
        (sensor(0, "co2", i2c_address=3), "INVALID_BUS_ADDRESS", "i2c_address"),
        (sensor(4, "ds18b20", onewire_address="28FF"), "INVALID_BUS_ADDRESS", "onewire_address"),
        (sensor(4, "ds18b20", onewire_address="0" * 16), "INVALID_BUS_ADDRESS", "onewire_address"),
        (sensor(32, "ph", onewire_address=ROM), "INVALID_BUS_ADDRESS", "onewire_address"),
    ],
)
def test_a_sensor_that_a_device_would_misread_is_refused_with_its_field(wrong, code, field):
    assert found(PH if wrong.gpio != 32 else sensor(33), wrong) == (code, f"sensors[1].{field}")


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"gpio": 12}, "INVALID_GPIO_PIN", "gpio"),
        ({"gpio": 34}, "INVALID_GPIO_PIN", "gpio"),  # an input only
        ({"gpio": 22}, "GPIO_CONFLICT", "gpio"),
        ({"gpio": 18, "actuator_type": "valve", "aux_gpio": 6}, "INVALID_GPIO_PIN", "aux_gpio"),
        ({"gpio": 19, "actuator_type": "valve"}, "INVALID_GPIO_PIN", "gpio"),  # drives 20 as well
        ({"gpio": 18, "default_pwm": 256}, "VALUE_OUT_OF_RANGE", "default_pwm"),
        ({"gpio": 18, "max_runtime_s": 0}, "VALUE_OUT_OF_RANGE", "max_runtime_s"),
    ],
)
def test_an_actuator_that_a_device_would_not_drive_is_refused_with_its_field(wrong, code, field):
    actuator = WantedActuator(**{"actuator_type": "relay", "name": "A"} | wrong)
    assert found(actuators=[actuator]) == (code, f"actuators[0].{field}")


def test_no_pin_is_used_twice():
    assert found(sensor(25, "flow"), actuators=[PUMP]) == ("GPIO_CONFLICT", "sensors[0].gpio")
    valve = WantedActuator(gpio=25, actuator_type="valve", name="V")
    on_its_enable_pin = WantedActuator(gpio=26, actuator_type="relay", name="R")
    assert found(actuators=[valve, on_its_enable_pin]) == ("GPIO_CONFLICT", "actuators[1].gpio")
    assert found(sensor(14, "flow"), sensor(14, "light")) == ("GPIO_CONFLICT", "sensors[1].gpio")


def test_probes_share_a_pin_on_head_and_not_on_dec():
    probes = [sensor(4, "ds18b20", onewire_address=ROM), sensor(4, "ds18b20", onewire_address=ROM[:-1] + "1")]
    assert found(*probes) is None
    assert found(*probes, generation="dec") == ("GPIO_CONFLICT", "sensors[1].gpio")
    assert found(probes[0], probes[0]) == ("GPIO_CONFLICT", "sensors[1].gpio")


def test_values_of_one_chip_share_a_number_and_two_chips_do_not():
    both = [air(0, "sht31_temp", 68), air(0, "sht31_humidity", 68)]
    assert found(*both) is None
    assert found(*both, air(1, "sht31_temp", 69)) is None
    assert found(*both, air(0, "bmp280_temp", 118)) == ("GPIO_CONFLICT", "sensors[2].gpio")
    assert found(*both, air(1, "sht31_temp", 68)) == ("INVALID_BUS_ADDRESS", "sensors[2].i2c_address")


def test_a_xiao_has_the_pins_that_its_board_and_its_firmware_both_know():
    assert found(sensor(4), board="xiao_esp32c3") is None
    assert found(sensor(32), board="xiao_esp32c3") == ("INVALID_GPIO_PIN", "sensors[0].gpio")
    assert found(sensor(6, "ds18b20"), board="xiao_esp32c3") == ("INVALID_GPIO_PIN", "sensors[0].gpio")


def test_a_board_holds_so_many_and_no_more():
    many = [sensor(4, "ds18b20", onewire_address=f"28FF641E8C1603{i:02X}") for i in range(1, 12)]
    assert found(*many) is None
    assert found(*many, board="xiao_esp32c3") == ("VALUE_OUT_OF_RANGE", "sensors")


def test_dec_devices_have_no_rules_of_their_own():
    wanted = Equipment(sensors=[PH], offline_rules=[])
    assert fault(wanted, None, "dec").where == "offline_rules"
    assert fault(wanted, None, "head") is None
