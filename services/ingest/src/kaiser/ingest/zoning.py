"""Follows orders to be in a zone until the device has answered: sends, waits, sends again, and notes what came of it.

What is open is in the registry itself, so nothing is remembered over a restart but when to try next: then at once.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Final

import msgspec
import nats.errors
import structlog

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.downlink import DownlinkForbiddenError
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.device import DeviceReturned, DeviceSaid
from kaiser.contracts.events.downlink import DownlinkReported, DownlinkRequested
from kaiser.contracts.events.registry import ZoneOrdered
from kaiser.contracts.streams import DEVICES
from kaiser.contracts.wire import SessionAnnounce, ZoneAck
from kaiser.eventlog import (
    ConsumerSpec,
    Delivery,
    Event,
    EventLog,
    EventLogError,
    Lease,
    LogFull,
    Retry,
    Unprocessable,
    new_id,
    now_us,
)
from kaiser.ingest import zones
from kaiser.ingest.directory import Directory
from kaiser.ingest.orders import SOURCE, Orders
from kaiser.ingest.registry import RegistryError
from kaiser.ingest.zones import Answer

_log = structlog.get_logger(__name__)

ACKED: Final = SAID[ZoneAck].name
ANNOUNCED: Final = SAID[SessionAnnounce].name
SPEC: Final = ConsumerSpec(
    stream=DEVICES.name,
    durable="ingest-zoning",
    subjects=tuple(
        f"device.*.*.{event}"
        for event in ("registry.zone_ordered", "zone_acked", "downlink_refused", "announced", "returned")
    ),
)
LOOK_EVERY_S: Final = 1.0

_decode_order = msgspec.json.Decoder(ZoneOrdered).decode
_decode_ack = msgspec.json.Decoder(DeviceSaid[ZoneAck]).decode
_decode_report = msgspec.json.Decoder(DownlinkReported).decode


class _About(msgspec.Struct):
    esp_id: str


_decode_about = msgspec.json.Decoder(_About).decode


class _Try(msgspec.Struct):
    """Tries of one order.

    Attributes:
        correlation_id: The order.
        number: Tries so far.
        next_at: When to try again, by the monotonic clock; infinite after the last.
    """

    correlation_id: str
    number: int = 0
    next_at: float = 0.0


class Zoning:
    """Orders to be in a zone, on their way.

    Args:
        log: Where messages to devices go.
        directory: The registry, in memory.
        orders: Notes what came of an order.
        lease: Of the instances, the one that has it sends again.
    """

    def __init__(self, log: EventLog, directory: Directory, orders: Orders, lease: Lease) -> None:
        self._log = log
        self._directory = directory
        self._orders = orders
        self._lease = lease
        self._tries: dict[str, _Try] = {}

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Take in what devices and people say of zones.

        Raises:
            Retry: The log takes no more.
            Unprocessable: A delivery is not what its type says.
        """
        for delivery in deliveries:
            try:
                await self._take(delivery)
            except msgspec.MsgspecError as error:
                raise Unprocessable(Code.INVALID_PAYLOAD_FORMAT, str(error)) from error
            except LogFull as full:
                raise Retry(str(full)) from full

    async def run(self) -> None:
        """Send again what was not answered, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                if await (self._lease.renew() if self._lease.held else self._lease.acquire()):
                    await self._send_due()
            except (EventLogError, RegistryError, nats.errors.Error, TimeoutError, OSError) as error:
                _log.warning("zones wait for the log", reason=repr(error))

    async def _take(self, delivery: Delivery) -> None:
        if delivery.type == ZoneOrdered.TYPE:
            ordered = _decode_order(delivery.data)
            self._tries[ordered.esp_id] = _Try(ordered.correlation_id)
            await self._send(ordered)
        elif delivery.type == ACKED:
            said = _decode_ack(delivery.data)
            order = self._open(said.esp_id)
            if order is not None and (found := zones.answer(order, said.message)) is not None:
                await self._settle(order, found)
        elif delivery.type == DownlinkReported.TYPE:
            report = _decode_report(delivery.data)
            order = self._open(report.esp_id)
            if order is not None and order.correlation_id == report.correlation_id:
                await self._settle(order, Answer("refused", report.detail))
        elif delivery.type in (DeviceReturned.TYPE, ANNOUNCED):
            # It may have missed what was sent while it was away
            self._tries.pop(_decode_about(delivery.data).esp_id, None)

    def _open(self, esp_id: str) -> ZoneOrdered | None:
        """The order of a device that is not settled."""
        state = self._directory.state(esp_id)
        return state.zone if state.zone is not None and state.zone_outcome in (None, "unanswered") else None

    async def _send_due(self) -> None:
        now = time.monotonic()
        for order in list(self._all_open()):
            tried = self._tries.get(order.esp_id)
            if tried is None or tried.correlation_id != order.correlation_id:
                tried = self._tries[order.esp_id] = _Try(order.correlation_id)
            if tried.next_at <= now:
                await self._send(order)

    def _all_open(self) -> Iterable[ZoneOrdered]:
        for esp_id in self._directory.with_open_zone():
            if (order := self._open(esp_id)) is not None:
                yield order

    async def _send(self, order: ZoneOrdered) -> None:
        tried = self._tries.setdefault(order.esp_id, _Try(order.correlation_id))
        if tried.number > len(zones.PAUSES_S):
            tried.next_at = float("inf")
            words = f"no answer to {tried.number} messages"
            await self._orders.settle_zone(order, Answer("unanswered", words), now_us())
            return
        kaiser_id, generation = self._directory.place(order.esp_id)
        try:
            request = zones.downlink(order, kaiser_id, generation, now_us())
        except DownlinkForbiddenError as error:
            await self._settle(order, Answer("refused", error.reason))
            return
        await self._log.publish(_event(request))
        pause = zones.PAUSES_S[min(tried.number, len(zones.PAUSES_S) - 1)]
        tried.number, tried.next_at = tried.number + 1, time.monotonic() + pause
        _log.info("zone sent to device", esp_id=order.esp_id, zone_id=order.zone_id, tries=tried.number)

    async def _settle(self, order: ZoneOrdered, found: Answer) -> None:
        await self._orders.settle_zone(order, found, now_us())
        self._tries.pop(order.esp_id, None)


def _event(request: DownlinkRequested) -> Event:
    return Event(
        id=new_id(),
        subject=subjects.downlink(request.kaiser_id, request.esp_id, "zone_assign"),
        type=DownlinkRequested.TYPE,
        data=encode(request),
        source=SOURCE,
    )
