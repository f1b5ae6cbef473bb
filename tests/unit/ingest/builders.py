"""Raw batches in few words."""

from kaiser.contracts.events.telemetry import RawReadings

NOW_S = 1_767_100_125
NOW = NOW_S * 1_000_000 + 400_000


def raw(*rows: dict) -> RawReadings:
    """A raw batch of rows; what a row does not say is a good DS18B20 reading of now."""
    usual = {
        "reading_id": 1, "delivery": 0, "esp_id": "ESP_0A1B2C", "gpio": 4, "sensor_type": "ds18b20",
        "address": "28ff000000000001", "raw": 401.0, "preview": 25.06, "quality": "good", "device_ts": NOW_S,
        "seq": 1, "boot": "b1", "zone_id": "north", "subzone_id": "", "received_at": NOW, "flags": "",
    }  # fmt: skip
    full = [usual | {"reading_id": i + 1} | row for i, row in enumerate(rows)]
    return RawReadings(kaiser_id="god", **{name: [row[name] for row in full] for name in usual})
