"""What people order of the registry: decided on the log alone, with no database on the way."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec
import structlog

from kaiser.contracts import commands, devicekeys, subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.commands import DeviceDecided, DeviceOrder
from kaiser.contracts.events.codec import EventDecoder, encode
from kaiser.contracts.events.device import DeviceRegistered
from kaiser.contracts.events.equipment import NOTHING
from kaiser.contracts.events.registry import REGISTRY_EVENTS, DeviceKeyIssued, SubzoneOrdered, ZoneOrdered
from kaiser.contracts.queries import DeviceEquipment, EquipmentQuery, Subzone
from kaiser.contracts.streams import DEVICES
from kaiser.eventlog import Aggregate, ConcurrencyConflict, Delivery, Event, EventLog, LogFull, Repository, new_id
from kaiser.ingest import intents, registry
from kaiser.ingest.configs import ConfigResult
from kaiser.ingest.intents import Command
from kaiser.ingest.refusals import RegistryError
from kaiser.ingest.registry import DeviceState, Fact
from kaiser.ingest.zones import Answer

_log = structlog.get_logger(__name__)

SOURCE: Final = "kaiser/ingest"
KAISER: Final = "kaiser"
"""Who decides what follows from something else."""

O = TypeVar("O", bound=intents.Order)  # noqa: E741 - an order

decoder: Final = EventDecoder({event.TYPE: event for event in (DeviceRegistered, *REGISTRY_EVENTS)})
"""Events of the registry by type."""


def event_of(fact: Fact) -> Event:
    """An event of the registry as an event of the log."""
    at = fact.registered_at if isinstance(fact, DeviceRegistered) else fact.at
    return Event(subject=registry.subject(fact), type=fact.TYPE, data=encode(fact), source=SOURCE, time=at)


def fact_of(delivery: Delivery) -> Fact:
    """An event of the log as an event of the registry; raises ValueError for what is none."""
    fact: Fact = decoder.decode(delivery.type, delivery.data)
    return fact


AGGREGATE: Final[Aggregate[DeviceState, Command, Fact]] = Aggregate(
    initial=registry.UNKNOWN,
    decide=registry.decide,
    evolve=registry.evolve,
    encode=event_of,
    decode=fact_of,
)


def _unknown(_esp_id: str) -> str:
    """Stands where nobody knows more than the registry."""
    return ""


class Orders:
    """Executes orders.

    Args:
        log: Where the registry is.
        secret: Secret of the site that keys are derived from.
        kaiser_of: Kaiser id that a device talks under now; the registry has the one of its first message, which may be
            one whose kaiser id is a fixed word (wire contract, section 3.2).
    """

    def __init__(self, log: EventLog, secret: bytes, kaiser_of: Callable[[str], str] = _unknown) -> None:
        self._registry = Repository(log, DEVICES.name, AGGREGATE)
        self._secret = secret
        self._kaiser_of = kaiser_of

    async def approve(self, asked: commands.ApproveDevice, now: int) -> DeviceDecided:
        """Approve a device; its key is in the answer."""
        key_id, key = self._new_key(asked.esp_id)
        order = _order(intents.Approve, asked, now, key_id=key_id, digest=devicekeys.digest(key), name=asked.name)
        return await self._execute(order, key)

    async def reject(self, asked: commands.RejectDevice, now: int) -> DeviceDecided:
        """Reject a device."""
        return await self._execute(_order(intents.Reject, asked, now, reason=asked.reason))

    async def rename(self, asked: commands.RenameDevice, now: int) -> DeviceDecided:
        """Rename a device."""
        return await self._execute(_order(intents.Rename, asked, now, name=asked.name))

    async def set_board(self, asked: commands.SetDeviceBoard, now: int) -> DeviceDecided:
        """Say which board a device is."""
        return await self._execute(_order(intents.SetBoard, asked, now, board=asked.board))

    async def describe(self, asked: commands.DescribeDevice, now: int) -> DeviceDecided:
        """Say what a device is beyond its board."""
        told = {"firmware_version": asked.firmware_version, "mac_address": asked.mac_address}
        return await self._execute(_order(intents.Describe, asked, now, **told))

    async def retire(self, asked: commands.RetireDevice, now: int) -> DeviceDecided:
        """Retire a device."""
        return await self._execute(_order(intents.Retire, asked, now, reason=asked.reason))

    async def rotate_key(self, asked: commands.RotateDeviceKey, now: int) -> DeviceDecided:
        """Give a device another key, which is in the answer."""
        key_id, key = self._new_key(asked.esp_id)
        order = _order(intents.RotateKey, asked, now, key_id=key_id, digest=devicekeys.digest(key))
        return await self._execute(order, key)

    async def assign_zone(self, asked: commands.AssignZone, now: int) -> DeviceDecided:
        """Order a device into a zone; the device has not answered yet."""
        order = _order(
            intents.AssignZone,
            asked,
            now,
            zone_id=asked.zone_id,
            zone_name=asked.zone_name,
            master_zone_id=asked.master_zone_id,
            into_kaiser_id=asked.into_kaiser_id or self._kaiser_of(asked.esp_id) or None,
            zone_master=asked.zone_master,
        )
        return await self._execute(order)

    async def settle_zone(self, order: ZoneOrdered, found: Answer, now: int) -> None:
        """Note what came of an order."""
        asked = _of_ours(order.esp_id, order.correlation_id)
        await self._execute(_order(intents.SettleZone, asked, now, outcome=found.outcome, detail=found.detail))

    async def order_subzone(self, asked: commands.OrderSubzone, now: int, *, again: bool = False) -> DeviceDecided:
        """Make pins a subzone; the device has not answered yet.

        Args:
            asked: The order.
            now: Unix microseconds.
            again: The device has forgotten what it confirmed.
        """
        order = _order(
            intents.OrderSubzone,
            asked,
            now,
            subzone_id=asked.subzone_id,
            subzone_name=asked.subzone_name,
            gpios=asked.gpios,
            again=again,
        )
        return await self._execute(order)

    async def settle_subzone(self, order: SubzoneOrdered, found: Answer, now: int) -> None:
        """Note what came of an order."""
        told = {"subzone_id": order.subzone_id, "outcome": found.outcome, "detail": found.detail}
        await self._execute(_order(intents.SettleSubzone, _of_ours(order.esp_id, order.correlation_id), now, **told))

    async def configure(self, asked: commands.ConfigureDevice, now: int) -> DeviceDecided:
        """Have this equipment on a device; the device has not answered yet."""
        return await self._execute(_order(intents.Configure, asked, now, wanted=asked.wanted))

    async def configure_again(self, asked: commands.ConfigureAgain, now: int) -> DeviceDecided:
        """Tell a device all of its equipment again; the device has not answered yet."""
        return await self._execute(_order(intents.LapseConfig, asked, now, detail=asked.reason))

    async def lapse_config(self, esp_id: str, detail: str, now: int) -> None:
        """Note that a device cannot have its equipment any more."""
        await self._execute(_order(intents.LapseConfig, _of_ours(esp_id), now, detail=detail))

    async def settle_config(self, esp_id: str, run: str, settled: ConfigResult, now: int) -> None:
        """Note what came of telling a device what is to hang on it."""
        told = {"outcome": settled.outcome, "faults": settled.faults, "until_restart": settled.until_restart}
        await self._execute(_order(intents.SettleConfig, _of_ours(esp_id, run), now, **told))

    async def note_hearing(self, esp_id: str, detail: str, now: int, *, hears: bool) -> None:
        """Note that a device hears, or that it does not."""
        await self._execute(_order(intents.NoteHearing, _of_ours(esp_id), now, hears=hears, detail=detail))

    async def equipment(self, asked: EquipmentQuery, now: int) -> DeviceEquipment:  # noqa: ARG002  # one face for all
        """What is to hang on a device, and what it made of that.

        Raises:
            RegistryError: ESP_DEVICE_NOT_FOUND.
        """
        loaded = await self._registry.load(subjects.registry_of(asked.esp_id))
        state = loaded.state
        if not state.registered:
            words = f"no device {asked.esp_id!r} was ever heard"
            raise RegistryError(Code.ESP_DEVICE_NOT_FOUND, words, "esp_id")
        config = state.config
        return DeviceEquipment(
            esp_id=asked.esp_id,
            state="none" if config.wanted is None else config.outcome or "ordered",
            wanted=config.wanted or NOTHING,
            faults=list(config.faults),
            until_restart=list(config.until_restart),
            settled_at=config.settled_at,
            subzones=[
                Subzone(
                    subzone_id=name,
                    subzone_name=subzone.order.subzone_name,
                    zone_id=subzone.order.zone_id,
                    gpios=subzone.order.gpios,
                    state=subzone.outcome or "ordered",
                )
                for name, subzone in sorted(state.subzones.items())
            ],
            seq=loaded.last_seq,
        )

    async def device(self, esp_id: str) -> DeviceState:
        """What the registry holds of a device, as the log has it now, with the kaiser id that it talks under.

        Raises:
            RegistryError: ESP_DEVICE_NOT_FOUND.
        """
        state = (await self._registry.load(subjects.registry_of(esp_id))).state
        if not state.registered:
            raise RegistryError(Code.ESP_DEVICE_NOT_FOUND, f"no device {esp_id!r} was ever heard", "esp_id")
        return msgspec.structs.replace(state, kaiser_id=self._kaiser_of(esp_id) or state.kaiser_id)

    def _new_key(self, esp_id: str) -> tuple[str, str]:
        key_id = devicekeys.new_key_id()
        return key_id, devicekeys.derive(self._secret, esp_id, key_id)

    async def _execute(self, order: Command, key: str = "") -> DeviceDecided:
        try:
            done = await self._registry.execute(subjects.registry_of(order.esp_id), order, admit=_as_seen(order))
        except ConcurrencyConflict as conflict:
            raise RegistryError(Code.SERVICE_ERROR, "others change this device all the time; try again") from conflict
        except LogFull as full:
            raise RegistryError(Code.SERVICE_ERROR, f"the log takes no more: {full}") from full
        for event in done.events:
            _log.info("device decided", esp_id=order.esp_id, decision=event.TYPE)
        issued = any(isinstance(event, DeviceKeyIssued) for event in done.events)
        return DeviceDecided(
            esp_id=order.esp_id,
            state=done.state.standing,
            seq=done.last_seq,
            changed=bool(done.events),
            key=key if issued else "",
        )


def _of_ours(esp_id: str, correlation_id: str = "") -> DeviceOrder:
    """An order that follows from something else."""
    return DeviceOrder(esp_id=esp_id, by=KAISER, correlation_id=correlation_id)


def _as_seen(order: Command) -> Callable[[int], Awaitable[None]] | None:
    """Refuses an order about a device that is not as whoever orders it has seen it."""
    known = order.known_seq if isinstance(order, intents.Order) else None
    if known is None:
        return None

    async def admit(seq: int) -> None:
        if seq != known:
            raise RegistryError(Code.STATE_CHANGED, f"the device is at {seq}, and you saw it at {known}", "known_seq")

    return admit


def _order(kind: type[O], asked: DeviceOrder, now: int, **more: object) -> O:
    common: dict[str, object] = {"esp_id": asked.esp_id, "at": now, "by": asked.by, "known_seq": asked.known_seq}
    common["correlation_id"] = asked.correlation_id or new_id()
    return msgspec.convert(common | more, kind)
