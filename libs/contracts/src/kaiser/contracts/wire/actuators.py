"""Actuators: what they are told, what they answer, what they are (wire contract, sections 4.5 to 4.7, 5.1)."""

from typing import Annotated, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from kaiser.contracts.wire.fields import U8, U32, Epoch, Fraction, Gpio, Id, Text

ActuatorType = Literal["pump", "valve", "pwm", "relay"]
"""The firmware's strings, case-sensitive; it knows no other (section 9)."""


class ActuatorStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the device holds an actuator at, ``actuator/{gpio}/status``. Commanded, not measured; often repeated.

    Attributes:
        ts: Device clock, unix seconds; 0 where it is not set or cannot be right.
        actuator_type: Driver; on the wire ``type``.
        state: On or off; null where the device says ``error`` or ``unknown``. A valve keeps the old one for 5 s.
        pwm: Duty cycle, 0 to 255; of a valve its position times 127.
        runtime_ms: Accumulated.
        emergency: Where the actuator stands in an emergency stop.
        command_source: Who commanded it, ``head`` only.
    """

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts", "type": "actuator_type"}

    esp_id: Id
    ts: Epoch
    gpio: Gpio
    actuator_type: ActuatorType
    state: bool | None
    pwm: U8 | None = None
    runtime_ms: U32 = 0
    emergency: Literal["normal", "active", "clearing", "resuming"] = "normal"
    zone_id: Id = ""
    subzone_id: Id = ""
    seq: U32 | None = None
    command_source: Id = ""


class ActuatorResponse(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answer to a command, ``actuator/{gpio}/response``. ``dec`` sends no correlation id.

    Attributes:
        ts: Device clock, unix seconds; 0 where it is not set or cannot be right.
        command: Echo, in the case in which it was sent; any word.
        value: Echo; null where the device sent ``nan``.
        duration: Echo, seconds.
    """

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts"}

    esp_id: Id
    ts: Epoch
    gpio: Gpio
    command: Id
    success: bool
    value: Fraction | None = None
    duration: U32 = 0
    message: Text = ""
    zone_id: Id = ""
    seq: U32 | None = None
    correlation_id: Id = ""
    issued_by: Id = ""


class ActuatorAlert(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something happened to an actuator by itself, ``actuator/{gpio}/alert``.

    Attributes:
        ts: Device clock, unix seconds; 0 where it is not set or cannot be right.
        gpio: Pin; 255 for the whole device.
        alert_type: Such as ``emergency_stop``, ``verification_failed``, ``offline_rule_hold``; an open list.
    """

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts", "type": "alert_type"}

    esp_id: Id
    ts: Epoch
    gpio: Gpio
    alert_type: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
    message: Text = ""
    zone_id: Id = ""
    seq: U32 | None = None


class ActuatorCommand(Struct, frozen=True, kw_only=True):
    """Tells an actuator what to do, ``actuator/{gpio}/command``.

    There is no TOGGLE: a repeated one would undo itself, and no device removes duplicates (section 5.1). There is no
    time to live: ``head`` compares it with its uptime and finds everything expired (section 5.9).

    Attributes:
        command: ``ON`` (full power on a pwm actuator), ``OFF`` or ``PWM``.
        value: 0.0 to 1.0, read for ``PWM`` only.
        duration: Seconds until ``head`` switches off again, for ``ON`` only; 0 is for ever, and all that ``dec`` gets.
        timestamp: Unix seconds; ignored by devices.
    """

    command: Literal["ON", "OFF", "PWM"]
    value: float
    duration: int = 0
    timestamp: int | UnsetType = UNSET
    correlation_id: str | UnsetType = UNSET
    intent_id: str | UnsetType = UNSET
    issued_by: str | UnsetType = UNSET
    generation: int | UnsetType = UNSET
