import pytest

from kaiser.ingest.sensors import Sensors, ds18b20, sensor_id


@pytest.mark.parametrize(
    ("raw", "value", "quality"),
    [
        (401, 25.0625, "good"),
        (0, 0.0, "good"),
        (-8, -0.5, "good"),
        (65_528, -0.5, "good"),
        (4_294_967_288, -0.5, "good"),
        (-160, -10.0, "good"),
        (-161, -10.0625, "fair"),
        (1359, 84.9375, "good"),
        (1361, 85.0625, "fair"),
        (-880, -55.0, "fair"),
        (2000, 125.0, "fair"),
    ],
)
def test_a_ds18b20_counts_sixteenths_of_a_degree(raw, value, quality):
    assert ds18b20(raw) == (value, quality, "")


@pytest.mark.parametrize("raw", [-2032, 63_504, 4_294_965_264])
def test_the_fault_value_of_a_ds18b20_is_an_error_and_no_value(raw):
    assert ds18b20(raw) == (None, "error", "sensor_fault")


def test_the_power_on_value_of_a_ds18b20_is_suspect():
    assert ds18b20(1360) == (85.0, "suspect", "power_on_value")


@pytest.mark.parametrize("raw", [-881, 2001, 32_767, 32_768, 12_345_678])
def test_what_a_ds18b20_cannot_measure_is_an_error_and_no_value(raw):
    assert ds18b20(raw) == (None, "error", "out_of_range")


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


def test_a_type_without_a_conversion_keeps_its_count():
    sensor = Sensors()[("ESP_0A1B2C", 33, "ph", "")]
    assert (sensor.unit, sensor.convert) == ("raw", None)
