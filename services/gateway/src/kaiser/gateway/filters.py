"""Who wants which events. Pure."""

from collections.abc import Sequence

import msgspec

from kaiser.contracts.events.telemetry import Readings


class Filters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client wants; an empty or absent list is everything.

    Attributes:
        types: Event types, such as ``sensor_data``.
        esp_ids: Devices.
        sensor_types: Sensor types, of events that have one.
    """

    types: frozenset[str] = frozenset()
    esp_ids: frozenset[str] = frozenset()
    sensor_types: frozenset[str] = frozenset()

    def wants_type(self, event_type: str) -> bool:
        """Whether any event of this type can be wanted."""
        return not self.types or event_type in self.types

    def wants(self, event_type: str, esp_id: str) -> bool:
        """Whether an event without a sensor is wanted."""
        return self.wants_type(event_type) and (not self.esp_ids or esp_id in self.esp_ids)

    def rows(self, batch: Readings) -> Sequence[int]:
        """Indices of the readings of a batch that are wanted."""
        everything = range(len(batch))
        if not self.esp_ids and not self.sensor_types:
            return everything
        return [
            row
            for row in everything
            if (not self.esp_ids or batch.esp_id[row] in self.esp_ids)
            and (not self.sensor_types or batch.sensor_type[row] in self.sensor_types)
        ]
