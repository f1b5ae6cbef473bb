"""Decisions of the registry into the table of devices: many events, one row a device."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from psycopg import AsyncRawCursor

from kaiser.contracts.events.device import DeviceRegistered
from kaiser.contracts.events.equipment import ConfigLapsed, ConfigOrdered, ConfigSettled
from kaiser.contracts.events.registry import (
    DeviceApproved,
    DeviceBoardSet,
    DeviceDeafened,
    DeviceDescribed,
    DeviceHearing,
    DeviceKeyIssued,
    DeviceRejected,
    DeviceRenamed,
    DeviceRetired,
    SubzoneOrdered,
    SubzoneSettled,
    ZoneOrdered,
    ZoneSettled,
)
from kaiser.ingest import statements
from kaiser.ingest.registry import Fact
from kaiser.timescale import Pool, timestamp_array

CONSUMER: Final = "registry"
"""Its row in ``ingest.progress``."""
NONE: Final = 0
SAME: Final = -1
UNSAID: Final = "-"
"""No firmware version and no address, which nobody may call a device; what is known stays."""

_STANDINGS: Final = statements.read("standings")

MANY_NEW: Final = 500
"""Devices after which PostgreSQL is asked to look at the table again. It does so by itself within a minute or two, and
until then takes ten thousand for a handful, and sorts them all for each page of a list: 16 ms instead of 0.1."""


class Row(msgspec.Struct):
    """What several decisions say of one device; fields as in ``standings.sql``."""

    esp_id: str
    kaiser_id: str
    generation: str
    at: int
    seq: int
    state: str = ""
    by: str = ""
    reason: str = ""
    name: str = ""
    board: str | None = None
    key_issued_at: int = SAME
    zone_wanted: str = ""
    zone_state: str = ""
    zone_detail: str = ""
    config_state: str = ""
    deaf_since: int = SAME
    firmware_version: str = UNSAID
    mac_address: str = UNSAID
    zone_seq: int = NONE
    zone_name: str = ""
    master_zone_wanted: str = ""
    zone_master: bool = False


def merged(decided: Iterable[tuple[int, Fact]]) -> list[Row]:
    """One row a device, in the order of their ids.

    Args:
        decided: Sequences and events, in the order of the stream.
    """
    rows: dict[str, Row] = {}
    for seq, fact in decided:
        row = rows.get(fact.esp_id)
        if row is None:
            row = rows[fact.esp_id] = Row(fact.esp_id, fact.kaiser_id, "dec", 0, seq)
        row.seq = seq
        _merge(row, fact)
        if isinstance(fact, ZoneOrdered):
            row.zone_seq = seq
    return [rows[esp_id] for esp_id in sorted(rows)]


def _merge(row: Row, fact: Fact) -> None:
    match fact:
        case DeviceRegistered():
            row.key_issued_at = row.deaf_since = NONE
            row.firmware_version = row.mac_address = ""
            row.generation = fact.generation
            row.state, row.at, row.by = "pending", fact.registered_at, ""
        case DeviceApproved():
            row.state, row.at, row.by, row.reason = "approved", fact.at, fact.by, ""
        case DeviceRejected():
            row.state, row.at, row.by, row.reason = "rejected", fact.at, fact.by, fact.reason
            row.key_issued_at = NONE
        case DeviceRetired():
            row.state, row.at, row.by, row.reason = "retired", fact.at, fact.by, fact.reason
            row.key_issued_at = NONE
        case DeviceRenamed():
            row.name = fact.name
        case DeviceBoardSet():
            row.board = fact.board
        case DeviceDescribed():
            row.firmware_version, row.mac_address = fact.firmware_version, fact.mac_address
        case ZoneOrdered():
            row.zone_wanted, row.zone_state, row.zone_detail = fact.zone_id, "ordered", ""
            row.zone_name, row.master_zone_wanted, row.zone_master = (
                fact.zone_name, fact.master_zone_id, fact.zone_master,
            )  # fmt: skip
        case ZoneSettled():
            row.zone_wanted, row.zone_state, row.zone_detail = fact.zone_id, fact.outcome, fact.detail
        case ConfigOrdered() | ConfigLapsed():
            row.config_state = "ordered"
        case ConfigSettled():
            row.config_state = fact.outcome
        case DeviceDeafened():
            row.deaf_since = fact.at
        case DeviceHearing():
            row.deaf_since = NONE
        case SubzoneOrdered() | SubzoneSettled():
            pass  # read from the log: query.ingest.equipment
        case DeviceKeyIssued():
            row.key_issued_at = fact.at


def columns(rows: Sequence[Row]) -> tuple[object, ...]:
    """The parameters of ``standings.sql`` but the last."""
    return (
        [row.esp_id for row in rows],
        [row.kaiser_id for row in rows],
        [row.generation for row in rows],
        timestamp_array([row.at for row in rows]),
        [row.state for row in rows],
        [row.by for row in rows],
        [row.reason for row in rows],
        [row.name for row in rows],
        [row.board for row in rows],
        timestamp_array([row.key_issued_at for row in rows]),
        [row.seq for row in rows],
        [row.zone_wanted for row in rows],
        [row.zone_state for row in rows],
        [row.zone_detail for row in rows],
        [row.config_state for row in rows],
        timestamp_array([row.deaf_since for row in rows]),
        [row.firmware_version for row in rows],
        [row.mac_address for row in rows],
        [row.zone_seq for row in rows],
        [row.zone_name for row in rows],
        [row.master_zone_wanted for row in rows],
        [row.zone_master for row in rows],
    )


class Standings:
    """Writes rows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._new = 0

    async def write(self, decided: Sequence[tuple[int, Fact]]) -> None:
        """Merge decisions into the table; when it returns they are committed.

        Raises:
            DatabaseAway: Nothing was written, or it is not known; the same may be given again.
            BadData: A value was refused.
        """
        if decided:
            parameters = (*columns(merged(decided)), decided[-1][0])
            self._new += sum(isinstance(fact, DeviceRegistered) for _, fact in decided)
            async with self._pool.connection() as connection:
                await AsyncRawCursor(connection).execute(_STANDINGS, parameters, prepare=True)
                if self._new >= MANY_NEW:
                    await connection.execute("ANALYZE devices")
                    self._new = 0
