"""The registry of devices: who takes part, under which name, with which key. Pure.

One aggregate a device, whatever kaiser id it talks under: its events are those of ``device.*.{esp}.registry.>``.

    (unknown) --meet--> pending --approve--> approved --retire--> retired
                          |                    |  ^                  |
                          +-----reject---------+  +----approve-------+
                                   v              |
                                rejected ---------+
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.downlink import DownlinkForbiddenError
from kaiser.contracts.events.device import DeviceRegistered, Generation
from kaiser.contracts.events.equipment import (
    ConfigLapsed,
    ConfigOrdered,
    ConfigSettled,
)
from kaiser.contracts.events.registry import (
    Board,
    DeviceApproved,
    DeviceBoardSet,
    DeviceDeafened,
    DeviceDescribed,
    DeviceHearing,
    DeviceKeyIssued,
    DeviceRejected,
    DeviceRenamed,
    DeviceRetired,
    RegistryEvent,
    SubzoneOrdered,
    SubzoneSettled,
    ZoneOrdered,
    ZoneOutcome,
    ZoneSettled,
)
from kaiser.ingest import configured, subzones, zones
from kaiser.ingest.configured import ConfigState
from kaiser.ingest.intents import (
    Approve,
    AssignZone,
    Command,
    Configure,
    Describe,
    LapseConfig,
    Meet,
    NoteHearing,
    OrderSubzone,
    Reject,
    Rename,
    Retire,
    RotateKey,
    SetBoard,
    SettleConfig,
    SettleSubzone,
    SettleZone,
)
from kaiser.ingest.refusals import RegistryError
from kaiser.ingest.subzones import SubzoneState

Standing = Literal["unknown", "pending", "approved", "rejected", "retired"]
Fact = DeviceRegistered | RegistryEvent

LONGEST_NAME: Final = 100
LONGEST_REASON: Final = 500

_VERSION = re.compile(r"(?:[0-9A-Za-z][0-9A-Za-z._+-]{0,63})?")
_MAC = re.compile(r"(?:[0-9A-F]{2}(?::[0-9A-F]{2}){5})?")


class DeviceState(msgspec.Struct, frozen=True, kw_only=True):
    """What the registry holds of a device.

    Attributes:
        standing: Where it is in its life.
        kaiser_id: Kaiser id of its last event.
        generation: Firmware generation as it was registered.
        name: What people call it; empty for none.
        board: Which board it is; None while nobody said.
        firmware_version: As people said; empty while nobody did.
        mac_address: The same.
        key_id: Of the key that is valid; empty for none.
        digest: Of that key.
        zone: The last order to be in a zone; None for none.
        zone_outcome: What came of it; None while the device has not answered.
        subzones: Orders for its subzones, by their ids.
        config: What is to hang on it, and what came of that.
        deaf_since: Since when it does not hear, unix microseconds; 0 while it does.
    """

    standing: Standing = "unknown"
    kaiser_id: str = ""
    generation: Generation = "dec"
    name: str = ""
    board: Board | None = None
    firmware_version: str = ""
    mac_address: str = ""
    key_id: str = ""
    digest: str = ""
    zone: ZoneOrdered | None = None
    zone_outcome: ZoneOutcome | None = None
    subzones: Mapping[str, SubzoneState] = {}
    config: ConfigState = configured.NEVER
    deaf_since: int = 0

    @property
    def registered(self) -> bool:
        """Whether it is known at all."""
        return self.standing != "unknown"

    @property
    def unanswered(self) -> bool:
        """Whether the device is still to answer an order about its zone, its subzones or its equipment."""
        zone = self.zone is not None and self.zone_outcome in (None, "unanswered")
        return zone or self.config.open or any(subzone.open for subzone in self.subzones.values())

    @property
    def pending(self) -> bool:
        """Whether its readings are kept without being shown."""
        return self.standing != "approved"


UNKNOWN: Final = DeviceState()


def decide(state: DeviceState, command: Command) -> Sequence[Fact]:
    """What a command makes happen; nothing where it is so already.

    Raises:
        RegistryError: ESP_DEVICE_NOT_FOUND, DEVICE_STATE_FORBIDS, VALUE_OUT_OF_RANGE or DOWNLINK_FORBIDDEN.
    """
    if isinstance(command, Meet):
        return () if state.registered else (_registered(command),)
    if not state.registered:
        raise RegistryError(Code.ESP_DEVICE_NOT_FOUND, f"no device {command.esp_id!r} was ever heard", "esp_id")
    decided: dict[str, Any] = {  # fields of every decision
        "kaiser_id": state.kaiser_id,
        "esp_id": command.esp_id,
        "at": command.at,
        "by": command.by,
        "correlation_id": command.correlation_id,
    }
    match command:
        case Approve(key_id=key_id, digest=digest, name=name):
            if state.standing == "approved":
                return ()
            approved: list[Fact] = [
                DeviceApproved(**decided),
                DeviceKeyIssued(key_id=key_id, digest=digest, **decided),
            ]
            if name is not None and name != state.name:
                approved.append(DeviceRenamed(name=_short(name, LONGEST_NAME, "name"), **decided))
            return approved
        case Reject(reason=reason):
            if state.standing == "rejected":
                return ()
            return (DeviceRejected(reason=_short(reason, LONGEST_REASON, "reason"), **decided),)
        case Rename(name=name):
            _short(name, LONGEST_NAME, "name")
            return (DeviceRenamed(name=name, **decided),) if name != state.name else ()
        case SetBoard(board=board):
            return (DeviceBoardSet(board=board, **decided),) if board != state.board else ()
        case Describe():
            return _described(state, command, decided)
        case Retire(reason=reason):
            if state.standing == "retired":
                return ()
            return (DeviceRetired(reason=_short(reason, LONGEST_REASON, "reason"), **decided),)
        case RotateKey(key_id=key_id, digest=digest):
            _require_approved(state, "has a key")
            return (DeviceKeyIssued(key_id=key_id, digest=digest, **decided),)
        case AssignZone():
            return _zone_ordered(state, command, decided)
        case SettleZone(outcome=outcome, detail=detail):
            if state.zone is None or state.zone.correlation_id != command.correlation_id:
                return ()  # another order has come since
            if state.zone_outcome not in (None, "unanswered") or outcome == state.zone_outcome:
                return ()  # a late answer counts, a second one does not
            return (ZoneSettled(zone_id=state.zone.zone_id, outcome=outcome, detail=detail, **decided),)
        case OrderSubzone():
            _require_approved(state, "has subzones")
            return _subzone_ordered(state, command, decided)
        case SettleSubzone(subzone_id=subzone_id, outcome=outcome, detail=detail):
            known = state.subzones.get(subzone_id)
            if known is None or not known.settles(command.correlation_id, outcome):
                return ()
            return (SubzoneSettled(subzone_id=subzone_id, outcome=outcome, detail=detail, **decided),)
        case Configure(wanted=wanted):
            _require_approved(state, "is configured")
            return configured.ordered(state.config, wanted, state.board, state.generation, decided)
        case LapseConfig(detail=detail):
            if state.standing != "approved" or state.config.wanted is None or state.config.open:
                return ()
            return (ConfigLapsed(detail=detail, **decided),)
        case SettleConfig(outcome=result, faults=faults, until_restart=unsaved):
            if not state.config.settles(command.correlation_id, result):
                return ()
            return (ConfigSettled(outcome=result, faults=faults, until_restart=unsaved, **decided),)
        case NoteHearing(hears=hears, detail=detail):
            if hears == (not state.deaf_since):
                return ()
            return (DeviceHearing(detail=detail, **decided),) if hears else (DeviceDeafened(detail=detail, **decided),)


def evolve(state: DeviceState, event: Fact) -> DeviceState:
    """The state after an event."""
    replace = msgspec.structs.replace
    match event:
        case DeviceRegistered():
            return replace(state, standing="pending", kaiser_id=event.kaiser_id, generation=event.generation)
        case DeviceApproved():
            return replace(state, standing="approved", kaiser_id=event.kaiser_id)
        case DeviceRejected():
            return replace(state, standing="rejected", key_id="", digest="")
        case DeviceRetired():
            return replace(state, standing="retired", key_id="", digest="")
        case DeviceRenamed():
            return replace(state, name=event.name)
        case DeviceBoardSet():
            return replace(state, board=event.board)
        case DeviceDescribed():
            return replace(state, firmware_version=event.firmware_version, mac_address=event.mac_address)
        case ZoneOrdered():
            return replace(state, zone=event, zone_outcome=None)
        case ZoneSettled():
            settled = replace(state, zone_outcome=event.outcome)
            moved = event.outcome == "confirmed" and state.zone is not None
            return replace(settled, subzones=subzones.moved(state.subzones, event.zone_id)) if moved else settled
        case SubzoneOrdered() | SubzoneSettled():
            return replace(state, subzones=subzones.after(state.subzones, event))
        case ConfigOrdered() | ConfigLapsed() | ConfigSettled():
            return replace(state, config=configured.after(state.config, event))
        case DeviceDeafened():
            return replace(state, deaf_since=event.at)
        case DeviceHearing():
            return replace(state, deaf_since=0)
        case DeviceKeyIssued():
            return replace(state, key_id=event.key_id, digest=event.digest)


def subject(event: Fact) -> str:
    """Subject of an event of the registry."""
    token = "registered" if isinstance(event, DeviceRegistered) else event.EVENT
    return subjects.registry(event.kaiser_id, event.esp_id, token)


def _described(state: DeviceState, order: Describe, decided: dict[str, Any]) -> Sequence[Fact]:
    version = state.firmware_version if order.firmware_version is None else order.firmware_version
    mac = state.mac_address if order.mac_address is None else order.mac_address.upper().replace("-", ":")
    if not _VERSION.fullmatch(version):
        words = "not 1 to 64 letters, digits, dots, underscores, pluses and hyphens"
        raise RegistryError(Code.VALUE_OUT_OF_RANGE, words, "firmware_version")
    if not _MAC.fullmatch(mac):
        raise RegistryError(Code.VALUE_OUT_OF_RANGE, "not six bytes in hex with colons between", "mac_address")
    digits = order.esp_id.removeprefix("ESP_")
    if mac and not mac.replace(":", "").endswith(digits):
        words = f"a device of this address would call itself after its last bytes, and this one ends in {digits}"
        raise RegistryError(Code.VALUE_OUT_OF_RANGE, words, "mac_address")
    if (version, mac) == (state.firmware_version, state.mac_address):
        return ()
    return (DeviceDescribed(firmware_version=version, mac_address=mac, **decided),)


def _require_approved(state: DeviceState, what: str) -> None:
    if state.standing != "approved":
        words = f"the device is {state.standing}; only an approved one {what}"
        raise RegistryError(Code.DEVICE_STATE_FORBIDS, words, "esp_id")


def _subzone_ordered(state: DeviceState, order: OrderSubzone, decided: dict[str, Any]) -> Sequence[Fact]:
    zone = state.zone.zone_id if state.zone is not None and state.zone_outcome == "confirmed" else ""
    if order.gpios and not zone:
        words = "the device is in no zone that it has confirmed, of which this could be a part"
        raise RegistryError(Code.DEVICE_STATE_FORBIDS, words, "subzone_id")
    ordered = SubzoneOrdered(
        subzone_id=order.subzone_id,
        subzone_name=order.subzone_name or order.subzone_id,
        zone_id=zone,
        gpios=sorted(order.gpios),
        **decided,
    )
    known = state.subzones.get(order.subzone_id)
    if known is None and not order.gpios:
        return ()
    if known is not None and known.outcome == "confirmed" and subzones.same(known.order, ordered) and not order.again:
        return ()
    taken = {
        gpio: name for name, other in state.subzones.items() if name != order.subzone_id for gpio in other.order.gpios
    }
    for gpio in ordered.gpios:
        if gpio in taken:
            raise RegistryError(Code.GPIO_CONFLICT, f"pin {gpio} is in subzone {taken[gpio]!r}", "gpios")
    try:
        subzones.downlink(ordered, state.kaiser_id or zones.FALLBACK_KAISER_ID, state.generation, ordered.at)
    except DownlinkForbiddenError as error:
        raise RegistryError(Code.DOWNLINK_FORBIDDEN, error.reason, "subzone_id") from error
    return (ordered,)


def _zone_ordered(state: DeviceState, order: AssignZone, decided: dict[str, Any]) -> Sequence[Fact]:
    _require_approved(state, "is put into a zone")
    ordered = ZoneOrdered(
        zone_id=order.zone_id,
        zone_name=order.zone_name or order.zone_id,
        master_zone_id=order.master_zone_id,
        into_kaiser_id=order.into_kaiser_id or state.kaiser_id or zones.FALLBACK_KAISER_ID,
        zone_master=order.zone_master,
        **decided,
    )
    try:
        zones.downlink(ordered, state.kaiser_id, state.generation, ordered.at)
    except DownlinkForbiddenError as error:
        raise RegistryError(Code.DOWNLINK_FORBIDDEN, error.reason, "zone_id") from error
    before = state.zone
    if before is not None and state.zone_outcome == "confirmed" and zones.same(before, ordered):
        return ()
    return (ordered,)


def _registered(met: Meet) -> DeviceRegistered:
    return DeviceRegistered(kaiser_id=met.kaiser_id, esp_id=met.esp_id, generation=met.generation, registered_at=met.at)


def _short(text: str, longest: int, where: str) -> str:
    if not text.strip() or len(text) > longest or not text.isprintable():
        words = f"needs 1 to {longest} printable characters"
        raise RegistryError(Code.VALUE_OUT_OF_RANGE, words, where)
    return text
