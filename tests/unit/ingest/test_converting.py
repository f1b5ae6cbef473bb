import msgspec

from kaiser.ingest.converting import Standing, convert
from kaiser.ingest.sensors import Sensors, sensor_id
from kaiser.ingest.window import Window
from kaiser.physics import families

from .builders import NOW, NOW_S, raw

APPROVED = {"ESP_0A1B2C": Standing(pending=False)}


def finished(*rows: dict, standings=APPROVED, window=None, origin="a"):
    return convert(raw(*rows), origin, Sensors(families()), standings, Window() if window is None else window)


def test_a_reading_is_converted_graded_and_dated():
    batch = finished({}).batch
    assert batch.value == [25.0625]
    assert batch.unit == ["°C"]
    assert batch.quality == ["good"]
    assert batch.measured_at == [NOW_S * 1_000_000]
    assert batch.time_source == ["device"]
    assert batch.sensor_id == [sensor_id("ESP_0A1B2C", 4, "ds18b20", "28ff000000000001")]
    assert batch.pending == [False]
    assert batch.flags == [""]


def test_what_the_bridge_said_passes_through_unchanged():
    given = raw({}, {"zone_id": "south"})
    batch = convert(given, "a", Sensors(families()), {}, Window()).batch
    for name in (
        "reading_id",
        "esp_id",
        "gpio",
        "sensor_type",
        "address",
        "raw",
        "device_ts",
        "received_at",
        "zone_id",
    ):
        assert getattr(batch, name) == getattr(given, name)


def test_zero_is_a_value_and_an_error_is_none():
    batch = finished({"raw": 0.0}, {"raw": -2032.0}, {"raw": 0.0, "quality": "error"}).batch
    assert batch.value == [0.0, None, None]
    assert batch.quality == ["good", "error", "error"]
    assert batch.flags == ["", "sensor_fault", ""]


def test_a_type_that_nobody_knows_keeps_its_count_and_the_grade_of_the_device():
    batch = finished({"sensor_type": "leaf_wetness", "raw": 2141.0, "quality": "fair"}).batch
    assert (batch.value, batch.unit, batch.quality) == ([2141.0], ["raw"], ["fair"])


def test_a_plugin_that_raises_costs_the_value_and_not_the_reading():
    def broken(_count: float, _temperature: float | None):
        raise ZeroDivisionError

    sensors = Sensors(families())
    facet = ("ESP_0A1B2C", 4, "ds18b20", "28ff000000000001")
    sensors[facet] = msgspec.structs.replace(sensors[facet], convert=broken)
    batch = convert(raw({}), "a", sensors, APPROVED, Window()).batch
    assert (batch.raw, batch.value, batch.quality, batch.flags) == ([401.0], [None], ["error"], ["conversion_failed"])


def test_the_doubt_of_the_device_stands_and_its_praise_does_not():
    batch = finished({"quality": "suspect"}, {"quality": "excellent", "raw": 1920.0}).batch
    assert batch.quality == ["suspect", "fair"]


def test_a_stranger_is_pending():
    assert finished({}, standings={}).batch.pending == [True]


def test_a_wrong_clock_does_not_date_readings():
    batch = finished({}, standings={"ESP_0A1B2C": Standing(pending=False, clock_wrong=True)}).batch
    assert (batch.measured_at, batch.time_source, batch.flags) == ([NOW], ["server"], ["clock_skewed"])


def test_flags_are_joined():
    batch = finished({"raw": -2032.0, "device_ts": 0, "flags": "wrapped"}).batch
    assert batch.flags == ["wrapped,sensor_fault,clock_unset"]


def test_a_reading_dated_by_the_server_that_comes_twice_is_one():
    window = Window()
    first = finished({"device_ts": 0}, {"device_ts": 0, "received_at": NOW + 1}, window=window)
    again = finished(
        {"device_ts": 0, "received_at": NOW + 9}, {"reading_id": 3, "device_ts": 0}, window=window, origin="b"
    )
    assert first.batch.reading_id == [1, 2]
    assert again.batch.reading_id == [3]
    assert again.batch.value == [25.0625]
    assert again.duplicates == 1


def test_a_reading_dated_by_the_server_that_comes_twice_in_one_batch_is_one():
    done = finished({"device_ts": 0, "reading_id": 5}, {"device_ts": 0, "reading_id": 5, "received_at": NOW + 9})
    assert (done.batch.reading_id, done.duplicates) == ([5], 1)


def test_the_same_raw_batch_becomes_the_same_again():
    window = Window()
    rows = [{"device_ts": 0, "reading_id": 1}, {"device_ts": 0, "reading_id": 1}, {"device_ts": 0, "reading_id": 2}]
    assert finished(*rows, window=window) == finished(*rows, window=window)


def test_a_reading_dated_by_its_device_is_left_to_the_database():
    window = Window()
    again = [finished({}, window=window).batch for _ in range(2)]
    assert again[0] == again[1]
    assert len(window) == 0
