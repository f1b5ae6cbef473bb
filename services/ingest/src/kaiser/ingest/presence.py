"""What is heard of devices into their table: signs of life, last wills, returns. Many events, one row a device."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from psycopg import AsyncRawCursor

from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.device import DeviceDiscovered, DeviceReturned, DeviceSaid, DeviceSilent
from kaiser.contracts.wire import Heartbeat, LastWill, SessionAnnounce
from kaiser.ingest import statements
from kaiser.timescale import Pool, timestamp_array

HEARTBEAT: Final = SAID[Heartbeat].name
LOST: Final = SAID[LastWill].name
ANNOUNCED: Final = SAID[SessionAnnounce].name

_DEVICES: Final = statements.read("devices")
_HEALTH: Final = statements.read("health")
_PROGRESS: Final = statements.read("progress")


NEVER: Final = 0
"""When a device was last seen that only a last will told of (the broker says that), or was heard that never was."""


class Beat(msgspec.Struct, frozen=True):
    """What a heartbeat says that is kept; names of :class:`kaiser.contracts.wire.Heartbeat`."""

    ts: int
    uptime: int
    heap_free: int
    wifi_rssi: int
    zone_id: str = ""
    master_zone_id: str = ""
    sensor_count: int = 0
    actuator_count: int = 0
    time_valid: bool | None = None
    boot_sequence_id: str = ""
    reset_reason: str = ""
    wifi_ip: str = ""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One event about a device.

    Attributes:
        kaiser_id: Kaiser id of its topic.
        esp_id: Device.
        generation: What the bridge takes its firmware for.
        at: When the bridge took it, unix microseconds.
        offline_reason: Why it is gone, for a last will; None for a sign of life.
        beat: What its heartbeat says, for a heartbeat.
    """

    kaiser_id: str
    esp_id: str
    generation: str
    at: int
    offline_reason: str | None = None
    beat: Beat | None = None


def heard(event: DeviceSaid[Beat] | DeviceSaid[Any] | DeviceDiscovered | DeviceReturned | DeviceSilent) -> Heard:
    """What an event says of a device's presence."""
    if isinstance(event, DeviceSilent):
        return Heard(
            kaiser_id=event.kaiser_id, esp_id=event.esp_id, generation="", at=event.received_at, offline_reason="silent"
        )
    message = event.message if isinstance(event, DeviceSaid) else None
    return Heard(
        kaiser_id=event.kaiser_id,
        esp_id=event.esp_id,
        generation=event.generation,
        at=event.received_at,
        offline_reason=(message.reason or "last_will") if isinstance(message, LastWill) else None,
        beat=message if isinstance(message, Beat) else None,
    )


class Row(msgspec.Struct):
    """What several events say of one device; fields as in ``devices.sql``."""

    esp_id: str
    kaiser_id: str
    generation: str
    first_seen_at: int
    last_seen_at: int
    presence_at: int
    online: bool
    offline_reason: str | None = None
    beat_at: int = NEVER
    beat: Beat | None = None
    losses: int = 0


def columns(rows: Sequence[Row]) -> tuple[object, ...]:
    """The parameters of ``devices.sql``."""
    beats = [row.beat for row in rows]
    return (
        [row.esp_id for row in rows],
        [row.kaiser_id for row in rows],
        [row.generation for row in rows],
        timestamp_array([row.first_seen_at for row in rows]),
        timestamp_array([row.last_seen_at for row in rows]),
        timestamp_array([row.presence_at for row in rows]),
        [row.online for row in rows],
        [row.offline_reason for row in rows],
        timestamp_array([row.beat_at for row in rows]),
        [beat.zone_id if beat else "" for beat in beats],
        [beat.boot_sequence_id if beat else "" for beat in beats],
        [beat and beat.uptime for beat in beats],
        [beat and beat.heap_free for beat in beats],
        [beat and beat.wifi_rssi for beat in beats],
        [beat and beat.sensor_count for beat in beats],
        [beat and beat.actuator_count for beat in beats],
        [beat.reset_reason if beat else "" for beat in beats],
        [beat.wifi_ip if beat else "" for beat in beats],
        [row.losses for row in rows],
        [beat.master_zone_id if beat else "" for beat in beats],
    )


def health(beats: Sequence[tuple[str, int, Beat]]) -> tuple[object, ...]:
    """The parameters of ``health.sql``."""
    return (
        [esp_id for esp_id, _, _ in beats],
        timestamp_array([at for _, at, _ in beats]),
        [beat.uptime for _, _, beat in beats],
        [beat.heap_free for _, _, beat in beats],
        [beat.wifi_rssi for _, _, beat in beats],
    )


def merged(events: Iterable[Heard]) -> list[Row]:
    """One row a device, in the order of their ids: writers that lock rows in one order do not lock each other out."""
    rows: dict[str, Row] = {}
    for said in events:
        row = rows.get(said.esp_id)
        if row is None:
            row = rows[said.esp_id] = Row(
                said.esp_id, said.kaiser_id, said.generation, said.at, NEVER, said.at, online=True
            )
        row.losses += said.offline_reason is not None
        row.first_seen_at = min(row.first_seen_at, said.at)
        if said.at >= row.presence_at:
            row.presence_at = said.at
            row.online = said.offline_reason is None
            row.offline_reason = said.offline_reason
        if said.offline_reason is None and said.at >= row.last_seen_at:
            row.last_seen_at = said.at
            row.kaiser_id, row.generation = said.kaiser_id, said.generation
        if said.beat is not None and said.at >= row.beat_at:
            row.beat, row.beat_at = said.beat, said.at
    return [rows[esp_id] for esp_id in sorted(rows)]


def rounds(events: Iterable[Heard]) -> list[list[Heard]]:
    """Events in order, at most one of a device in each list.

    A loss and a restart are counted by what the row says before them, so two events that became one row would count as
    one: the table would depend on how many came at once, and one that is rebuilt in larger batches would differ.
    """
    found: list[list[Heard]] = []
    turns: dict[str, int] = {}
    for said in events:
        turn = turns[said.esp_id] = turns.get(said.esp_id, -1) + 1
        if turn == len(found):
            found.append([])
        found[turn].append(said)
    return found


class Presence:
    """Writes rows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def write(self, events: Iterable[Heard], consumer: str, stream_seq: int) -> None:
        """Merge what was heard into the table; when it returns it is committed.

        Args:
            events: In the order of the stream.
            consumer: Who heard it, for the table of progress.
            stream_seq: Sequence of the last one.

        Raises:
            DatabaseAway: Nothing was written, or it is not known; the same may be given again.
            BadData: A value was refused.
        """
        heard = list(events)
        if not heard:
            return
        beats = [(said.esp_id, said.at, said.beat) for said in heard if said.beat is not None]
        async with self._pool.connection() as connection, connection.transaction():
            for turn in rounds(heard):
                await AsyncRawCursor(connection).execute(_DEVICES, columns(merged(turn)), prepare=True)
            if beats:
                await AsyncRawCursor(connection).execute(_HEALTH, health(beats), prepare=True)
            await AsyncRawCursor(connection).execute(_PROGRESS, (consumer, stream_seq), prepare=True)
