"""The client library without a gateway."""

from kaiser.client import LiveEvent, sensor_data
from kaiser.client.stream import _decode
from kaiser.contracts import live


def test_a_message_of_a_newer_gateway_is_left_out():
    assert _decode('{"type":"weather","sun":true}') is None
    assert _decode('{"type":"pong","time":7,"new":1}') == live.Pong(7)


def test_a_reading_is_typed():
    body = dict.fromkeys(live.SensorData.__struct_fields__, 0)
    texts = ("esp_id", "sensor_type", "address", "unit", "quality", "time_source", "zone_id", "subzone_id")
    body |= dict.fromkeys(("sensor_id", "reading_id"), "7")
    body |= dict.fromkeys(texts, "x") | {"value": None, "pending": False, "new": 1}
    assert sensor_data(LiveEvent("sensor_data", 1, 2, body)).value is None
