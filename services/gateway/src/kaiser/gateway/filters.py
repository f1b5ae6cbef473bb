"""Who wants which events. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from kaiser.contracts import live
from kaiser.contracts.events.telemetry import Readings

EMERGENCY_STOP: Final = "emergency_stop"


class Filters(live.Filters, frozen=True, forbid_unknown_fields=True):
    """What a client wants, and whether an event is of it."""

    def confined(self, zones: frozenset[str]) -> "Confined | None":
        """The same for somebody who is confined to zones; None where nothing is left of it."""
        left = self.zones & zones if self.zones else zones
        return Confined(**msgspec.structs.asdict(self) | {"zones": left}) if left else None

    def wants_type(self, event_type: str) -> bool:
        """Whether any event of this type can be wanted."""
        return not self.types or event_type in self.types

    def wants(self, event_type: str, esp_id: str, rule_id: str = "", zone_id: str = "") -> bool:
        """Whether an event without a sensor is wanted.

        Args:
            event_type: Its type.
            esp_id: Its device; empty where it is about no single one.
            rule_id: The rule whose doing it is; empty where it is about none.
            zone_id: The zone of the device; empty for none.
        """
        if not self.wants_type(event_type):
            return False
        if rule_id and self.rule_ids:
            return rule_id in self.rule_ids
        if rule_id and (self.esp_ids or self.zones) and not esp_id:
            return event_type in self.types
        if not esp_id:
            return True
        return (not self.esp_ids or esp_id in self.esp_ids) and (not self.zones or zone_id in self.zones)

    def rows(self, batch: Readings, rows_of: Mapping[str, list[int]]) -> Sequence[int]:
        """Indices of the readings of a batch that are wanted.

        Args:
            batch: The batch.
            rows_of: Its indices by device, so that a client of one device costs nothing for the others.
        """
        if self.esp_ids:
            found: Sequence[int] = sorted(row for esp_id in self.esp_ids for row in rows_of.get(esp_id, ()))
        else:
            found = range(len(batch))
        if self.zones:
            found = [row for row in found if batch.zone_id[row] in self.zones]
        if self.sensor_types:
            found = [row for row in found if batch.sensor_type[row] in self.sensor_types]
        if not self.pending and True in batch.pending:
            found = [row for row in found if not batch.pending[row]]
        return found


class Confined(Filters, frozen=True, forbid_unknown_fields=True):
    """What a client wants who is confined to zones, which are those of the filters."""

    def wants(self, event_type: str, esp_id: str, rule_id: str = "", zone_id: str = "") -> bool:
        """As :meth:`Filters.wants`, but that only emergency stops come of what is about no device.

        Rules tell of sensors wherever they are, and interlocks of actuators. That something is to be off, everybody has
        to know.
        """
        if rule_id or not (esp_id or event_type == EMERGENCY_STOP):
            return False
        return super().wants(event_type, esp_id, rule_id, zone_id)
