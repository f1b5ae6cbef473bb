"""What WebSocket clients get: ``{type, seq, time, data}``, with the names of the monolith where it had one. Pure."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.live import SensorData

encode = msgspec.json.Encoder().encode

SENSOR_DATA: Final = "sensor_data"
ESP_HEALTH: Final = "esp_health"


class Envelope(msgspec.Struct, frozen=True):
    """Around every event.

    Attributes:
        type: Name of the event.
        seq: Sequence in its stream; readings that arrived together share one.
        time: Unix microseconds.
        data: Depends on the type.
    """

    type: str
    seq: int
    time: int
    data: Any  # a struct or the message of a device


def readings(batch: Readings, rows: Sequence[int], seq: int) -> list[bytes]:
    """The encoded ``sensor_data`` events of some rows of a batch."""
    return [
        encode(
            Envelope(
                SENSOR_DATA,
                seq,
                batch.measured_at[row],
                SensorData(
                    batch.esp_id[row],
                    batch.gpio[row],
                    batch.sensor_type[row],
                    batch.address[row],
                    batch.value[row],
                    batch.unit[row],
                    batch.quality[row],
                    batch.raw[row],
                    batch.measured_at[row] // 1_000_000,
                    batch.measured_at[row],
                    batch.time_source[row],
                    batch.received_at[row],
                    batch.zone_id[row],
                    batch.subzone_id[row],
                    batch.pending[row],
                    str(batch.sensor_id[row]),
                    str(batch.reading_id[row]),
                ),
            )
        )
        for row in rows
    ]
