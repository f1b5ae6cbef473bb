"""Follows orders about zones and subzones until the device has answered: sends, waits, sends again, notes what came.

What is open is in the registry itself, so nothing is remembered over a restart but when to try next: then at once.
"""

import asyncio
import time
from typing import Final

import msgspec
import nats.errors
import structlog

from kaiser.contracts import commands, subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.downlink import DownlinkForbiddenError
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.device import DeviceRestarted, DeviceReturned, DeviceSaid, Generation
from kaiser.contracts.events.downlink import DownlinkReported, DownlinkRequested
from kaiser.contracts.events.registry import SubzoneOrdered, ZoneOrdered
from kaiser.contracts.streams import DEVICES
from kaiser.contracts.wire import SessionAnnounce, SubzoneAck, ZoneAck
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
from kaiser.ingest import subzones, zones
from kaiser.ingest.directory import Directory
from kaiser.ingest.hearing import is_deaf
from kaiser.ingest.orders import KAISER, SOURCE, Orders
from kaiser.ingest.refusals import RegistryError
from kaiser.ingest.zones import Answer

_log = structlog.get_logger(__name__)

ACKED: Final = SAID[ZoneAck].name
SUBZONE_ACKED: Final = SAID[SubzoneAck].name
ANNOUNCED: Final = SAID[SessionAnnounce].name
SPEC: Final = ConsumerSpec(
    stream=DEVICES.name,
    durable="ingest-zoning",
    subjects=tuple(
        f"device.*.*.{event}"
        for event in (
            "registry.zone_ordered",
            "registry.subzone_ordered",
            "zone_acked",
            "subzone_acked",
            "downlink_refused",
            "announced",
            "returned",
            "restarted",
        )
    ),
)
LOOK_EVERY_S: Final = 1.0

Order = ZoneOrdered | SubzoneOrdered
Key = tuple[str, str]
"""Device and subzone; empty for the zone itself."""

_decode_zone = msgspec.json.Decoder(ZoneOrdered).decode
_decode_subzone = msgspec.json.Decoder(SubzoneOrdered).decode
_decode_ack = msgspec.json.Decoder(DeviceSaid[ZoneAck]).decode
_decode_subzone_ack = msgspec.json.Decoder(DeviceSaid[SubzoneAck]).decode
_decode_report = msgspec.json.Decoder(DownlinkReported).decode
_decode_restart = msgspec.json.Decoder(DeviceRestarted).decode


class _About(msgspec.Struct):
    esp_id: str


_decode_about = msgspec.json.Decoder(_About).decode


class _Try(msgspec.Struct):
    """Tries of one order.

    Attributes:
        correlation_id: The order.
        number: Tries so far.
        next_at: When to try again, by the monotonic clock; infinite after the last.
        told_at: Of the first try that the device has had since it was started or came back, unix microseconds.
    """

    correlation_id: str
    number: int = 0
    next_at: float = 0.0
    told_at: int = 0


class Zoning:
    """Orders to be in a zone, or to have a subzone, on their way.

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
        self._tries: dict[Key, _Try] = {}

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
        if delivery.type in (ZoneOrdered.TYPE, SubzoneOrdered.TYPE):
            ordered = (_decode_zone if delivery.type == ZoneOrdered.TYPE else _decode_subzone)(delivery.data)
            self._tries[_key(ordered)] = _Try(ordered.correlation_id)
            if not self._directory.state(ordered.esp_id).deaf_since:
                await self._send(ordered)
        elif delivery.type == ACKED:
            said = _decode_ack(delivery.data)
            for order in self._open(said.esp_id):
                if isinstance(order, ZoneOrdered) and (found := zones.answer(order, said.message)) is not None:
                    await self._settle(order, found)
        elif delivery.type == SUBZONE_ACKED:
            await self._take_subzone_ack(_decode_subzone_ack(delivery.data))
        elif delivery.type == DownlinkReported.TYPE:
            report = _decode_report(delivery.data)
            for order in self._open(report.esp_id):
                if order.correlation_id == report.correlation_id:
                    await self._settle(order, Answer("refused", report.detail))
        elif delivery.type == DeviceRestarted.TYPE:
            await self._restarted(_decode_restart(delivery.data))
        elif delivery.type in (DeviceReturned.TYPE, ANNOUNCED):
            # It may have missed what was sent while it was away
            self._forget(_decode_about(delivery.data).esp_id)

    async def _take_subzone_ack(self, said: DeviceSaid[SubzoneAck]) -> None:
        for order in self._open(said.esp_id):
            if isinstance(order, SubzoneOrdered):
                found = subzones.answer(order, said.message, said.generation)
                if found is not None:
                    await self._settle(order, found)
                    return

    async def _restarted(self, restarted: DeviceRestarted) -> None:
        """A ``dec`` device has forgotten its subzones, which it cannot save (section 6.6)."""
        esp_id = restarted.esp_id
        self._forget(esp_id)
        state = self._directory.state(esp_id)
        if self._directory.place(esp_id)[1] != "dec" or state.standing != "approved":
            return
        for subzone in state.subzones.values():
            order = subzone.order
            if not subzone.open and order.gpios and order.at < restarted.received_at:
                asked = commands.OrderSubzone(
                    esp_id=esp_id,
                    by=KAISER,
                    subzone_id=order.subzone_id,
                    subzone_name=order.subzone_name,
                    gpios=order.gpios,
                )
                await self._orders.order_subzone(asked, now_us(), again=True)

    def _forget(self, esp_id: str) -> None:
        """Begin anew with a device that can hear now."""
        for key in [key for key in self._tries if key[0] == esp_id]:
            del self._tries[key]

    def _open(self, esp_id: str) -> list[Order]:
        """The orders that a device has not answered: its zone first, for subzones are parts of it."""
        state = self._directory.state(esp_id)
        orders: list[Order] = []
        if state.zone is not None and state.zone_outcome in (None, "unanswered"):
            orders.append(state.zone)
        orders += [subzone.order for subzone in state.subzones.values() if subzone.open]
        return orders

    async def _send_due(self) -> None:
        now = time.monotonic()
        for esp_id in self._directory.with_open_orders():
            if self._directory.state(esp_id).deaf_since:
                continue
            for order in self._open(esp_id):
                tried = self._tries.get(_key(order))
                if tried is None or tried.correlation_id != order.correlation_id:
                    tried = self._tries[_key(order)] = _Try(order.correlation_id)
                if is_deaf(self._directory.place(esp_id)[1], tried.told_at, self._directory.heard_at(esp_id)):
                    self._forget(esp_id)
                    words = "no answer to an order about its zone, while its heartbeats go on"
                    await self._orders.note_hearing(esp_id, words, now_us(), hears=False)
                    break
                if tried.next_at <= now:
                    await self._send(order)

    async def _send(self, order: Order) -> None:
        tried = self._tries.setdefault(_key(order), _Try(order.correlation_id))
        if tried.number > len(zones.PAUSES_S):
            tried.next_at = float("inf")
            words = f"no answer to {tried.number} messages"
            await self._note(order, Answer("unanswered", words))
            return
        kaiser_id, generation = self._directory.place(order.esp_id)
        try:
            request = _message(order, kaiser_id, generation)
        except DownlinkForbiddenError as error:
            await self._settle(order, Answer("refused", error.reason))
            return
        await self._log.publish(_event(request))
        pause = zones.PAUSES_S[min(tried.number, len(zones.PAUSES_S) - 1)]
        tried.number, tried.next_at = tried.number + 1, time.monotonic() + pause
        tried.told_at = tried.told_at or now_us()
        _log.info("order sent to device", esp_id=order.esp_id, order=order.TYPE, tries=tried.number)
        if generation == "dec" and isinstance(order, SubzoneOrdered) and not order.gpios:
            await self._settle(order, Answer("confirmed", "told; this firmware does not answer removals"))

    async def _settle(self, order: Order, found: Answer) -> None:
        await self._note(order, found)
        self._tries.pop(_key(order), None)

    async def _note(self, order: Order, found: Answer) -> None:
        if isinstance(order, ZoneOrdered):
            await self._orders.settle_zone(order, found, now_us())
        else:
            await self._orders.settle_subzone(order, found, now_us())


def _key(order: Order) -> Key:
    return order.esp_id, order.subzone_id if isinstance(order, SubzoneOrdered) else ""


def _message(order: Order, kaiser_id: str, generation: Generation) -> DownlinkRequested:
    """The message that tells a device.

    Raises:
        DownlinkForbiddenError: The device would misread it.
    """
    if isinstance(order, ZoneOrdered):
        return zones.downlink(order, kaiser_id, generation, now_us())
    return subzones.downlink(order, kaiser_id, generation, now_us())


def _event(request: DownlinkRequested) -> Event:
    kind = request.topic.rpartition("/esp/")[2].partition("/")[2].replace("/", "_")
    return Event(
        id=new_id(),
        subject=subjects.downlink(request.kaiser_id, request.esp_id, kind),
        type=DownlinkRequested.TYPE,
        data=encode(request),
        source=SOURCE,
    )
