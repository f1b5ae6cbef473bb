"""Finished batches in few words."""

from kaiser.contracts.events.telemetry import Readings
from kaiser.ingest.sensors import sensor_id

NOW_S = 1_767_100_140
"""A full minute."""


def readings(*rows: dict) -> Readings:
    """A finished batch of rows; what a row does not say is a good DS18B20 reading of NOW_S, each with its own id."""
    usual = {
        "esp_id": "ESP_0A1B2C", "gpio": 4, "sensor_type": "ds18b20", "address": "28ff000000000001", "raw": 400.0,
        "value": 25.0, "unit": "°C", "quality": "good", "measured_at": NOW_S * 1_000_000, "time_source": "device",
        "device_ts": NOW_S, "zone_id": "north", "subzone_id": "", "pending": False, "flags": "",
    }  # fmt: skip
    full = []
    for i, row in enumerate(rows):
        made = usual | {"reading_id": i + 1} | row
        if "at" in made:
            made["measured_at"] = made.pop("at") * 1_000_000
        made.setdefault("received_at", made["measured_at"] + 1)
        made["sensor_id"] = sensor_id(made["esp_id"], made["gpio"], made["sensor_type"], made["address"])
        full.append(made)
    names = [name for name in Readings.__struct_fields__ if name != "kaiser_id"]
    return Readings(kaiser_id="god", **{name: [row[name] for row in full] for name in names})
