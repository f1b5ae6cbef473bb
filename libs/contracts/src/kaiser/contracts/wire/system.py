"""System commands, heartbeat acknowledgement and server status (wire contract, sections 4.12, 5.6, 5.8)."""

from typing import Any, ClassVar, Literal

from msgspec import UNSET, Struct, UnsetType

from kaiser.contracts.wire.fields import U32, Epoch, Gpio, Id, Text


class SystemCommandResponse(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answer to a system command, ``system/command/response``; match it by the command, no id is echoed.

    Attributes:
        command: ``head`` only; ``dec`` and ``factory_reset`` answer with ``status`` alone.
        status: Such as ``factory_reset_initiated`` or ``ok``.
        success: Null where the reply has none.
        snapshot: Whatever else ``status``, ``diagnostics`` and ``get_config`` tell.
        ts: Unix seconds.
    """

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts"}

    command: Id = ""
    status: Id = ""
    success: bool | None = None
    error: Text = ""
    reason_code: Id = ""
    message: Text = ""
    found_count: U32 | None = None
    pin: Gpio | None = None
    esp_id: Id | None = None
    correlation_id: Id = ""
    ts: Epoch = 0
    seq: U32 | None = None
    snapshot: dict[str, Any] = {}  # open by the contract


class SystemCommand(Struct, frozen=True, kw_only=True):
    """A command to the device itself, ``system/command``. Words are lower case and exact; there is no reboot.

    Attributes:
        command: ``factory_reset`` is the only one that ``dec`` knows.
        confirm: True for ``factory_reset``, else unset.
        pin: Of ``onewire/scan``.
        token_type: Of ``set_emergency_token``.
        token: 1 to 64 characters.
        level: Of ``set_log_level``.
    """

    command: Literal[
        "status",
        "diagnostics",
        "get_config",
        "onewire/scan",
        "safe_mode",
        "exit_safe_mode",
        "set_log_level",
        "set_emergency_token",
        "factory_reset",
    ]
    confirm: Literal[True] | UnsetType = UNSET
    pin: int | UnsetType = UNSET
    token_type: Literal["esp", "broadcast"] | UnsetType = UNSET
    token: str | UnsetType = UNSET
    level: str | UnsetType = UNSET
    correlation_id: str | UnsetType = UNSET


class HeartbeatAck(Struct, frozen=True, kw_only=True):
    """Opens a ``head`` device's registration gate, ``system/heartbeat/ack``. Exactly these four fields (section 5.8).

    Attributes:
        status: ``approved`` or ``online`` make the device work, ``pending_approval`` limits it, and ``rejected`` stops
            it for good: never to be said unless somebody rejected the device.
        handover_epoch: What the heartbeat or the announce named; an integer of at least 1.
        server_time: Unix seconds; a device without a clock takes it over.
    """

    status: Literal["approved", "online", "pending_approval", "rejected"]
    handover_epoch: int
    server_time: int
    config_available: bool | UnsetType = UNSET


class ServerStatus(Struct, frozen=True, kw_only=True):
    """Whether Kaiser is there, ``kaiser/{k}/server/status``: the only retained message, and the last will.

    ``offline`` makes ``head`` devices switch their outputs to the safe state at once.

    Attributes:
        timestamp: Unix seconds.
        reason: ``unexpected_disconnect`` in the last will.
    """

    status: Literal["online", "offline"]
    timestamp: int
    reason: str | UnsetType = UNSET
