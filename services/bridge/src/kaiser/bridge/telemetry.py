"""Readings of one flush, gathered into record batches: one a kaiser id and partition, in the order of arrival."""

from collections.abc import Iterator
from typing import Final

from kaiser.bridge import identity
from kaiser.contracts import subjects
from kaiser.contracts.events.telemetry import RawReadings
from kaiser.contracts.wire import SensorData

COLUMNS: Final = tuple(name for name in RawReadings.__struct_fields__ if name not in ("kaiser_id", "session"))

CLOCK_SET_FROM_S: Final = 1_700_000_000
CLOCK_SET_TO_S: Final = 2_500_000_000
"""The firmware takes a time for real between these (wire contract, section 2); 0 says that it never got one."""


class Gathering:
    """Record batches that are being filled.

    Args:
        session: MQTT client id that the messages come over.
    """

    __slots__ = ("_rows", "_session")

    def __init__(self, session: str) -> None:
        self._session = session
        self._rows: dict[tuple[str, int], list[tuple[object, ...]]] = {}

    def add(
        self,
        kaiser_id: str,
        esp_id: str,
        data: SensorData,
        *,
        payload_digest: int,
        delivery: int,
        boot: str,
        received_at: int,
        flags: str,
    ) -> None:
        """Take in one reading; the order of its values is that of the columns."""
        key = (kaiser_id, subjects.partition(esp_id))
        rows = self._rows.get(key)
        if rows is None:
            rows = self._rows[key] = []
        ts = 0 if data.time_valid is False else data.ts
        clock_set = CLOCK_SET_FROM_S <= ts <= CLOCK_SET_TO_S
        rows.append(
            (
                identity.reading_id(
                    payload_digest, clock_set=clock_set, seq=data.seq, boot=boot, received_at=received_at
                ),
                delivery,
                esp_id,
                data.gpio,
                data.sensor_type,
                data.address,
                data.raw,
                data.value,
                data.quality,
                ts,
                data.seq,
                boot,
                data.zone_id,
                data.subzone_id,
                received_at,
                flags,
            )
        )

    def batches(self) -> Iterator[tuple[str, RawReadings]]:
        """Each batch with its subject; the gathering is empty afterwards."""
        rows_of, self._rows = self._rows, {}
        for (kaiser_id, part), rows in rows_of.items():
            columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
            batch = RawReadings(kaiser_id=kaiser_id, session=self._session, **columns)
            yield subjects.telemetry_raw(kaiser_id, part), batch
