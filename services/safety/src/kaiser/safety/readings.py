"""Readings of the sensors that interlocks name, and of no other: a site has thousands a second."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable
from typing import Final, cast

import msgspec
import structlog

from kaiser.contracts import subjects
from kaiser.contracts.events.safeguards import Rule, SensorBand
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.streams import TELEMETRY
from kaiser.eventlog import Delivery, EventLog, OrderedReader, now_us

_log = structlog.get_logger(__name__)

SECOND_US: Final = 1_000_000

Place = tuple[str, int, str]
"""Device, pin and type; the address is looked at by whoever takes the reading in."""
Take = Callable[[int, Readings], None]
"""Called with sequences and readings of watched sensors."""


class Few(msgspec.Struct, frozen=True, kw_only=True):
    """What safety needs of a batch of finished readings."""

    esp_id: list[str]
    gpio: list[int]
    sensor_type: list[str]
    address: list[str]
    value: list[float | None]
    quality: list[str]
    measured_at: list[int]
    received_at: list[int]
    pending: list[bool]


class Watched(msgspec.Struct, frozen=True):
    """Sensors that matter, where their readings are, and how old one may be."""

    places: frozenset[Place] = frozenset()
    subjects: tuple[str, ...] = ()
    fresh_s: int = 0


_decode = msgspec.json.Decoder(Few).decode


def watched(rules: Iterable[Rule]) -> Watched:
    """What interlocks have to know."""
    bands = [rule for rule in rules if isinstance(rule, SensorBand)]
    parts = {subjects.partition(band.sensor.esp_id) for band in bands}
    return Watched(
        frozenset((band.sensor.esp_id, band.sensor.gpio, band.sensor.sensor_type) for band in bands),
        tuple(f"telemetry.reading.*.{part}" for part in sorted(parts)),
        max((band.fresh_s for band in bands), default=0),
    )


def chosen(batch: Few, places: Collection[Place]) -> Few | None:
    """The rows of watched sensors; None where there are none."""
    here = zip(batch.esp_id, batch.gpio, batch.sensor_type, strict=True)
    rows = [i for i, place in enumerate(here) if place in places]
    if not rows:
        return None
    return Few(**{name: [getattr(batch, name)[i] for i in rows] for name in Few.__struct_fields__})


class ReadingsFollowed:
    """Follows the readings that matter, which interlocks change.

    Args:
        log: The connection.
        take: Takes readings in.
    """

    def __init__(self, log: EventLog, take: Take) -> None:
        self._log = log
        self._take = take
        self._watched = Watched()
        self._changed = asyncio.Event()

    def watch(self, rules: Iterable[Rule]) -> None:
        """Follow what these interlocks name from now on."""
        wanted = watched(rules)
        if wanted != self._watched:
            self._watched = wanted
            self._changed.set()

    async def run(self) -> None:
        """Follow, until cancelled."""
        while True:
            self._changed.clear()
            wanted = self._watched
            following = asyncio.ensure_future(self._follow(wanted) if wanted.places else asyncio.sleep(0))
            try:
                await self._changed.wait()
            finally:
                following.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await following

    async def _follow(self, wanted: Watched) -> None:
        since = now_us() - wanted.fresh_s * SECOND_US
        reader = OrderedReader(self._log, TELEMETRY.name, subjects=wanted.subjects, start_time_us=since)
        async with reader:
            while True:
                for delivery in await reader.take():
                    self._read(delivery, wanted.places)

    def _read(self, delivery: Delivery, places: Collection[Place]) -> None:
        try:
            few = chosen(_decode(delivery.data), places)
        except (msgspec.DecodeError, ValueError) as error:
            _log.warning("readings teach nothing", seq=delivery.seq, reason=str(error))
            return
        if few is not None:
            self._take(delivery.seq, cast("Readings", few))  # the columns that are looked at, and no others
