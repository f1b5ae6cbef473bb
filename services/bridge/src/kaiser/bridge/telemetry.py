"""Readings of one flush, gathered into record batches: one a kaiser id and partition, in the order of arrival."""

from collections.abc import Iterator
from typing import Any, Final

from kaiser.bridge import identity
from kaiser.contracts import subjects
from kaiser.contracts.events.packing import Packer
from kaiser.contracts.events.telemetry import RawReadings
from kaiser.contracts.wire import SensorData

OF_THE_BATCH: Final = frozenset({"kaiser_id", "session", "redelivered", "payloads"})
COLUMNS: Final = tuple(name for name in RawReadings.__struct_fields__ if name not in OF_THE_BATCH)

MOST_ROWS: Final = 1000
MOST_BYTES: Final = 256 * 1024
"""Readings, and bytes of their payloads, in one batch, so that it fits into one message of NATS (1 MB) however little
of it can be packed: somebody may send 16 KiB of noise in each."""

CLOCK_SET_FROM_S: Final = 1_700_000_000
CLOCK_SET_TO_S: Final = 2_500_000_000
"""The firmware takes a time for real between these (wire contract, section 2); 0 says that it never got one."""


_Row = tuple[Any, ...]  # a value of each column, whether it was sent before, and the payload


class Gathering:
    """Record batches that are being filled.

    Args:
        session: MQTT client id that the messages come over.
    """

    __slots__ = ("_packer", "_rows", "_session")

    def __init__(self, session: str) -> None:
        self._session = session
        self._packer = Packer()
        self._rows: dict[tuple[str, int], list[_Row]] = {}

    def add(
        self,
        kaiser_id: str,
        esp_id: str,
        data: SensorData,
        *,
        payload: bytes,
        payload_digest: int,
        dup: bool,
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
                dup,
                payload,
            )
        )

    def batches(self) -> Iterator[tuple[str, RawReadings]]:
        """Each batch with its subject; the gathering is empty afterwards."""
        rows_of, self._rows = self._rows, {}
        for (kaiser_id, part), rows in rows_of.items():
            subject = subjects.telemetry_raw(kaiser_id, part)
            for *columns, dups, payloads in _parts(list(map(list, zip(*rows, strict=True)))):
                yield (
                    subject,
                    RawReadings(
                        kaiser_id=kaiser_id,
                        session=self._session,
                        redelivered=[i for i, dup in enumerate(dups) if dup] if True in dups else [],
                        payloads=self._packer.pack(payloads),
                        **dict(zip(COLUMNS, columns, strict=True)),
                    ),
                )


def _parts(columns: list[list[Any]]) -> Iterator[list[list[Any]]]:
    """Columns in runs that one message of NATS can hold; almost always one."""
    sizes = list(map(len, columns[-1]))
    if len(sizes) <= MOST_ROWS and sum(sizes) <= MOST_BYTES:
        yield columns
        return
    start = total = 0
    for end, size in enumerate(sizes):
        if end - start == MOST_ROWS or (total + size > MOST_BYTES and end > start):
            yield [column[start:end] for column in columns]
            start, total = end, 0
        total += size
    yield [column[start:] for column in columns]
