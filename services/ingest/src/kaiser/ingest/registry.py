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
)

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
    """

    standing: Standing = "unknown"
    kaiser_id: str = ""
    generation: Generation = "dec"
    name: str = ""
    board: Board | None = None
    key_id: str = ""
    digest: str = ""

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


Command = Meet | Approve | Reject | Rename | SetBoard | Retire | RotateKey
UNKNOWN: Final = DeviceState()


def decide(state: DeviceState, command: Command) -> Sequence[Fact]:
    """What a command makes happen; nothing where it is so already.

    Raises:
        RegistryError: ESP_DEVICE_NOT_FOUND, DEVICE_STATE_FORBIDS or VALUE_OUT_OF_RANGE.
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
        case DeviceKeyIssued():
            return replace(state, key_id=event.key_id, digest=event.digest)


def subject(event: Fact) -> str:
    """Subject of an event of the registry."""
    token = "registered" if isinstance(event, DeviceRegistered) else event.EVENT
    return subjects.registry(event.kaiser_id, event.esp_id, token)


def _registered(met: Meet) -> DeviceRegistered:
    return DeviceRegistered(kaiser_id=met.kaiser_id, esp_id=met.esp_id, generation=met.generation, registered_at=met.at)


def _short(text: str, longest: int, where: str) -> str:
    if not text.strip() or len(text) > longest or not text.isprintable():
        words = f"needs 1 to {longest} printable characters"
        raise RegistryError(Code.VALUE_OUT_OF_RANGE, words, where)
    return text
