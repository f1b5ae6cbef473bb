"""The registry of devices: who takes part, under which name, with which key. Pure.

One aggregate a device, whatever kaiser id it talks under: its events are those of ``device.*.{esp}.registry.>``.

    (unknown) --meet--> pending --approve--> approved --retire--> retired
                          |                    |  ^                  |
                          +-----reject---------+  +----approve-------+
                                   v              |
                                rejected ---------+
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.downlink import DownlinkForbiddenError
from kaiser.contracts.events.device import DeviceRegistered, Generation
from kaiser.contracts.events.registry import (
    Board,
    DeviceApproved,
    DeviceBoardSet,
    DeviceKeyIssued,
    DeviceRejected,
    DeviceRenamed,
    DeviceRetired,
    RegistryEvent,
    ZoneOrdered,
    ZoneOutcome,
    ZoneSettled,
)
from kaiser.ingest import zones

Standing = Literal["unknown", "pending", "approved", "rejected", "retired"]
Fact = DeviceRegistered | RegistryEvent

LONGEST_NAME: Final = 100
LONGEST_REASON: Final = 500


class DeviceState(msgspec.Struct, frozen=True, kw_only=True):
    """What the registry holds of a device.

    Attributes:
        standing: Where it is in its life.
        kaiser_id: Kaiser id of its last event.
        generation: Firmware generation as it was registered.
        name: What people call it; empty for none.
        board: Which board it is; None while nobody said.
        key_id: Of the key that is valid; empty for none.
        digest: Of that key.
        zone: The last order to be in a zone; None for none.
        zone_outcome: What came of it; None while the device has not answered.
    """

    standing: Standing = "unknown"
    kaiser_id: str = ""
    generation: Generation = "dec"
    name: str = ""
    board: Board | None = None
    key_id: str = ""
    digest: str = ""
    zone: ZoneOrdered | None = None
    zone_outcome: ZoneOutcome | None = None

    @property
    def registered(self) -> bool:
        """Whether it is known at all."""
        return self.standing != "unknown"

    @property
    def pending(self) -> bool:
        """Whether its readings are kept without being shown."""
        return self.standing != "approved"


class RegistryError(Exception):
    """The registry refuses a command.

    Attributes:
        code: Stable code.
        where: Field of the command.
    """

    def __init__(self, code: str, detail: str, where: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.where = where


class Meet(msgspec.Struct, frozen=True, kw_only=True):
    """A device was heard, in a message that may be its first."""

    kaiser_id: str
    esp_id: str
    generation: Generation
    at: int


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What every command of a person says."""

    esp_id: str
    at: int
    by: str
    correlation_id: str = ""


class Approve(Order, frozen=True, kw_only=True):
    """Let a device take part, with a key of its own; a name may come with it."""

    key_id: str
    digest: str
    name: str | None = None


class Reject(Order, frozen=True, kw_only=True):
    """Keep a device out."""

    reason: str


class Rename(Order, frozen=True, kw_only=True):
    """Call a device by another name."""

    name: str


class SetBoard(Order, frozen=True, kw_only=True):
    """Say which board a device is."""

    board: Board


class Retire(Order, frozen=True, kw_only=True):
    """Take a device out of use."""

    reason: str


class RotateKey(Order, frozen=True, kw_only=True):
    """Give a device another key."""

    key_id: str
    digest: str


class AssignZone(Order, frozen=True, kw_only=True):
    """Put a device into a zone."""

    zone_id: str
    zone_name: str = ""
    master_zone_id: str = ""
    into_kaiser_id: str | None = None


class SettleZone(Order, frozen=True, kw_only=True):
    """Note what came of the order with the same correlation id."""

    outcome: ZoneOutcome
    detail: str = ""


Command = Meet | Approve | Reject | Rename | SetBoard | Retire | RotateKey | AssignZone | SettleZone
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
        case Retire(reason=reason):
            if state.standing == "retired":
                return ()
            return (DeviceRetired(reason=_short(reason, LONGEST_REASON, "reason"), **decided),)
        case RotateKey(key_id=key_id, digest=digest):
            if state.standing != "approved":
                words = f"the device is {state.standing}; only an approved one has a key"
                raise RegistryError(Code.DEVICE_STATE_FORBIDS, words, "esp_id")
            return (DeviceKeyIssued(key_id=key_id, digest=digest, **decided),)
        case AssignZone():
            return _zone_ordered(state, command, decided)
        case SettleZone(outcome=outcome, detail=detail):
            if state.zone is None or state.zone.correlation_id != command.correlation_id:
                return ()  # another order has come since
            if state.zone_outcome not in (None, "unanswered") or outcome == state.zone_outcome:
                return ()  # a late answer counts, a second one does not
            return (ZoneSettled(zone_id=state.zone.zone_id, outcome=outcome, detail=detail, **decided),)


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
        case ZoneOrdered():
            return replace(state, zone=event, zone_outcome=None)
        case ZoneSettled():
            return replace(state, zone_outcome=event.outcome)
        case DeviceKeyIssued():
            return replace(state, key_id=event.key_id, digest=event.digest)


def subject(event: Fact) -> str:
    """Subject of an event of the registry."""
    token = "registered" if isinstance(event, DeviceRegistered) else event.EVENT
    return subjects.registry(event.kaiser_id, event.esp_id, token)


def _zone_ordered(state: DeviceState, order: AssignZone, decided: dict[str, Any]) -> Sequence[Fact]:
    if state.standing != "approved":
        words = f"the device is {state.standing}; only an approved one is put into a zone"
        raise RegistryError(Code.DEVICE_STATE_FORBIDS, words, "esp_id")
    ordered = ZoneOrdered(
        zone_id=order.zone_id,
        zone_name=order.zone_name or order.zone_id,
        master_zone_id=order.master_zone_id,
        into_kaiser_id=order.into_kaiser_id or state.kaiser_id or zones.FALLBACK_KAISER_ID,
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
