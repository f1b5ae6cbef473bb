from kaiser.ingest.sensors import Sensors, sensor_id
from kaiser.physics import families


def test_two_probes_on_one_pin_are_two_sensors():
    ids = {
        sensor_id("ESP_0A1B2C", 4, "ds18b20", "28ff000000000001"),
        sensor_id("ESP_0A1B2C", 4, "ds18b20", "28ff000000000002"),
        sensor_id("ESP_0A1B2C", 4, "sht31_temp", "28ff000000000001"),
        sensor_id("ESP_0A1B2C", 5, "ds18b20", "28ff000000000001"),
        sensor_id("ESP_0A1B2D", 4, "ds18b20", "28ff000000000001"),
    }
    assert len(ids) == 5
    assert all(0 <= number < 1 << 63 for number in ids)


def test_the_id_of_a_sensor_never_changes_since_rows_are_kept_under_it():
    assert sensor_id("ESP_0A1B2C", 4, "ds18b20", "28ff000000000001") == 587518077392349749


def test_a_sensor_is_converted_by_the_family_of_its_type():
    sensor = Sensors(families())[("ESP_0A1B2C", 4, "ds18b20", "28ff000000000001")]
    assert sensor.unit == "°C"
    assert sensor.convert(401.0, None) == (25.0625, "good", "")


def test_a_type_that_nobody_knows_keeps_its_count():
    sensor = Sensors(families())[("ESP_0A1B2C", 33, "leaf_wetness", "")]
    assert (sensor.unit, sensor.convert) == ("raw", None)
