"""Emergency stop: of one device, of the site, and what devices answer (wire contract, sections 4.19, 5.5)."""

from typing import ClassVar, Literal

from msgspec import UNSET, Struct, UnsetType

from kaiser.contracts.wire.fields import U32, Epoch, Id, Text, Uptime


class EmergencyAck(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A ``head`` device has handed a stop to its safety task, ``actuator/emergency/ack``; outputs are not yet off.

    Held back until the device is registered, so its absence proves nothing.
    """

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts"}

    command: Id
    outcome: Id
    esp_id: Id | None = None
    correlation_id: Id = ""
    gpio_count: U32 = 0
    ts: Epoch = 0
    seq: U32 | None = None


class RecoveryConfirm(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A ``head`` device has left the emergency, ``actuator/recovery_confirm``: only now may a latch be released."""

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts"}

    command: Id
    state: Id
    esp_id: Id | None = None
    correlation_id: Id = ""
    ts: Epoch = 0
    seq: U32 | None = None


class EmergencyReply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``actuator/emergency/response`` (``status``) or ``actuator/emergency/error`` (``error``).

    Attributes:
        status: Such as ``emergency_cleared``; empty in an error.
        error: Such as ``unauthorized`` or ``clear_failed``; empty in a response.
        timestamp: Milliseconds since boot.
    """

    ALIASES: ClassVar[dict[str, str]] = {"ts": "timestamp"}

    status: Id = ""
    error: Id = ""
    message: Text = ""
    timestamp: Uptime = 0
    seq: U32 | None = None
    esp_id: Id | None = None


class DeviceEmergency(Struct, frozen=True, kw_only=True):
    """Stops or clears one ``head`` device, ``actuator/emergency``. ``dec`` swallows it: send OFF to each actuator.

    Three short fields at most, for the device parses it in 256 bytes.

    Attributes:
        auth_token: The device's emergency token; production builds refuse everything without it.
    """

    command: Literal["emergency_stop", "clear_emergency"]
    auth_token: str | UnsetType = UNSET
    correlation_id: str | UnsetType = UNSET


class BroadcastEmergency(Struct, frozen=True, kw_only=True):
    """Stops every actuator of the site, ``kaiser/broadcast/emergency``. It has no scope and cannot be cleared.

    ``dec`` stops at anything that parses; so nothing but a stop may ever be sent here.

    Attributes:
        auth_token: The broadcast token that production builds of ``head`` want.
        timestamp: Text; a number is refused.
    """

    command: Literal["stop_all", "emergency_stop"] = "stop_all"
    reason: str = "operator"
    issued_by: str | UnsetType = UNSET
    timestamp: str | UnsetType = UNSET
    auth_token: str | UnsetType = UNSET
