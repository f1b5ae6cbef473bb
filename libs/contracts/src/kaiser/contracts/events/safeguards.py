"""What keeps actuators safe: limits, interlocks, decisions, stops, alerts. Subjects ``safety.…``.

Written by safety, but for emergency stops, which the gateway writes itself: a stop must not wait for anybody's leave,
and counts from the moment that it is in the log. Times are unix microseconds.
"""

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

Seconds = Annotated[int, Meta(ge=0, le=30 * 86_400)]
Level = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1, le=1000)]
ClockTime = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Name = Annotated[str, Meta(min_length=1, max_length=100)]


class ActuatorRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """One actuator."""

    esp_id: str
    gpio: int


class SensorRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sensor of a device; an address where several of its type are on a pin."""

    esp_id: str
    gpio: int
    sensor_type: str
    address: str = ""


class Scope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a stop is about.

    Attributes:
        kind: ``site`` is everything there is; only it may use the broadcast (wire contract, section 5.5).
        kaiser_id: For ``kaiser``; empty stands for devices that have none.
        zone_id: For ``zone``.
        esp_id: For ``device`` and ``actuator``.
        gpio: For ``actuator``.
    """

    kind: Literal["actuator", "device", "zone", "kaiser", "site"]
    kaiser_id: str | None = None
    zone_id: str | None = None
    esp_id: str | None = None
    gpio: int | None = None

    def fault(self) -> str:
        """Which field is missing or does not belong to the kind; empty where none is."""
        wanted = _NEEDS[self.kind]
        for name in ("kaiser_id", "zone_id", "esp_id", "gpio"):
            given = getattr(self, name) is not None
            if given != (name in wanted) or (name == "zone_id" and self.zone_id == ""):
                return name
        return ""

    def covers(self, *, kaiser_id: str, zones: Collection[str], esp_id: str, gpio: int) -> bool:
        """Whether an actuator is in it.

        Args:
            kaiser_id: Kaiser id that its device uses.
            zones: Zones that its device may be in, in its own word and by the registry's.
            esp_id: Its device.
            gpio: Its pin.
        """
        match self.kind:
            case "site":
                return True
            case "kaiser":
                return self.kaiser_id == kaiser_id
            case "zone":
                return self.zone_id in zones
            case "device":
                return self.esp_id == esp_id
            case "actuator":
                return (self.esp_id, self.gpio) == (esp_id, gpio)

    def words(self) -> str:
        """The scope in words, and as one key."""
        match self.kind:
            case "site":
                return "site"
            case "kaiser":
                return f"kaiser {self.kaiser_id}"
            case "zone":
                return f"zone {self.zone_id}"
            case "device":
                return f"device {self.esp_id}"
            case "actuator":
                return f"actuator {self.esp_id}/{self.gpio}"


_NEEDS: dict[str, tuple[str, ...]] = {
    "site": (),
    "kaiser": ("kaiser_id",),
    "zone": ("zone_id",),
    "device": ("esp_id",),
    "actuator": ("esp_id", "gpio"),
}


class Hours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A span of the day; one that ends before it starts goes across midnight, and belongs to its first day."""

    start: ClockTime
    end: ClockTime
    days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class DutyCycle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """On for at most this share of any span of this length."""

    share: Annotated[float, Meta(gt=0, le=1)]
    window_s: Annotated[int, Meta(ge=60, le=7 * 86_400)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one actuator may do. The defaults are those of an actuator for which nobody set any.

    Attributes:
        min_level: Lowest PWM level but off.
        max_level: Highest PWM level; below 1.0, ON is refused on pwm and valve, for it means all of it. What is above
            is stopped.
        max_on_s: Longest run, which the server ends; None for no limit. No firmware enforces its own (section 6.5).
        min_off_s: Shortest pause between two runs.
        starts_per_hour: Most starts in any hour; None for no limit.
        duty_cycle: Share of time that it may be on; None for no limit.
        allowed_hours: When it may be on; none is always.
        time_zone: IANA name, for the hours.
        power_w: What it draws, for power budgets.
        when_safety_is_silent: ``safe`` switches it off when the bridge hears nothing of safety for too long; ``hold``
            leaves it, for what must not stop.
    """

    min_level: Level = 0.0
    max_level: Level = 1.0
    max_on_s: Annotated[int, Meta(ge=1, le=30 * 86_400)] | None = 3600
    min_off_s: Seconds = 0
    starts_per_hour: Count | None = None
    duty_cycle: DutyCycle | None = None
    allowed_hours: tuple[Hours, ...] = ()
    time_zone: str = "UTC"
    power_w: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    when_safety_is_silent: Literal["safe", "hold"] = "safe"


DEFAULT_LIMITS = Limits()


class AtMost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="at_most", tag_field="kind"):
    """At most so many of a group are on; with 1, none of them while another is."""

    most: Count
    actuators: Annotated[tuple[ActuatorRef, ...], Meta(min_length=2, max_length=64)]


class OnlyWhile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="only_while", tag_field="kind"):
    """An actuator is on only while another is, and has been for so long; it is stopped when that one goes off."""

    actuator: ActuatorRef
    requires: ActuatorRef
    for_s: Seconds = 0


class PowerBudget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="power_budget", tag_field="kind"):
    """What the actuators of a zone draw together, by the ``power_w`` of their limits times their level."""

    zone_id: Name
    watts: Annotated[float, Meta(gt=0, le=1e9)]


class SensorBand(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="sensor_band", tag_field="kind"):
    """An actuator is on only while a sensor is fresh and inside a band; it is stopped when that ends.

    Attributes:
        minimum: Lowest value, in the sensor's unit; None for none.
        maximum: Highest value; None for none.
        fresh_s: Age at which a reading does not count any more.
    """

    actuator: ActuatorRef
    sensor: SensorRef
    minimum: float | None = None
    maximum: float | None = None
    fresh_s: Annotated[int, Meta(ge=1, le=86_400)] = 120


Rule = AtMost | OnlyWhile | PowerBudget | SensorBand


class SafetyEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What every event of safety says.

    Attributes:
        at: When, unix microseconds.
        by: User name of who decided; ``kaiser`` for what follows from something else.
        correlation_id: The request that it came from.
    """

    at: int
    by: str
    correlation_id: str = ""


class LimitsSet(SafetyEvent, frozen=True, kw_only=True):
    """An actuator has other limits from now on. Subject ``safety.limits.{esp}.{gpio}``.

    Attributes:
        limits: All of them; None takes them back to the defaults.
        reason: Why.
    """

    TYPE: ClassVar[str] = "io.kaiser.safety.limits_set.v1"

    esp_id: str
    gpio: int
    limits: Limits | None
    reason: str


class InterlockSet(SafetyEvent, frozen=True, kw_only=True):
    """A rule between actuators holds from now on. Subject ``safety.interlock.{interlock}``.

    Attributes:
        interlock_id: Which; the same id is the same interlock, changed.
        reason: Why.
    """

    TYPE: ClassVar[str] = "io.kaiser.safety.interlock_set.v1"

    interlock_id: str
    rule: Rule
    reason: str


class InterlockRemoved(SafetyEvent, frozen=True, kw_only=True):
    """A rule between actuators holds no longer. Subject ``safety.interlock.{interlock}``."""

    TYPE: ClassVar[str] = "io.kaiser.safety.interlock_removed.v1"

    interlock_id: str
    reason: str


class CommandDecision(SafetyEvent, frozen=True, kw_only=True):
    """What every decision on a command says. Subject ``safety.decision.{esp}.{gpio}``.

    Attributes:
        command_id: The command.
        esp_id: Device.
        gpio: Pin.
        action: ON, OFF or PWM.
        level: 0.0 to 1.0.
        rule: The rule that decided: ``off``, ``clear``, ``emergency``, ``max_on``, ``interlock lamp-or-heater``, …
        saw: The values that it saw, by name; enough to decide the same again by hand.
        request_seq: Sequence in ACTUATORS of the request; tells what is known of the command on both streams apart.
    """

    command_id: str
    esp_id: str
    gpio: int
    action: Literal["ON", "OFF", "PWM"]
    level: float
    rule: str
    saw: dict[str, Any] = {}
    request_seq: int = 0


class CommandApproved(CommandDecision, frozen=True, kw_only=True):
    """A command may be carried out.

    Attributes:
        valid_until: It must be on its way by then, or be asked for again.
        max_on_s: It is stopped after so long; None for never.
        run_since: Since when the run counts that it starts, or that it goes on with; 0 for OFF.
    """

    TYPE: ClassVar[str] = "io.kaiser.safety.command_approved.v1"

    valid_until: int
    max_on_s: int | None = None
    run_since: int = 0


class CommandRejected(CommandDecision, frozen=True, kw_only=True):
    """A command may not be carried out.

    Attributes:
        code: Stable code.
        detail: In words.
        retry_at: When the same rule would allow it, if that is known; 0 otherwise.
    """

    TYPE: ClassVar[str] = "io.kaiser.safety.command_rejected.v1"

    code: str
    detail: str
    retry_at: int = 0


class ActuatorStopped(SafetyEvent, frozen=True, kw_only=True):
    """Safety switches an actuator off by itself. Subject ``safety.stop.{esp}.{gpio}``.

    It is told OFF until its status says so. The actuator service lets what it had under way end as ``superseded``.

    Attributes:
        stop_id: This stop.
        rule: What it broke: ``max_on``, ``interlock …``, ``alert …``, ``returned``, ``emergency``, …
        code: Stable code.
        detail: In words.
        saw: The values that it saw, by name.
    """

    TYPE: ClassVar[str] = "io.kaiser.safety.actuator_stopped.v1"

    stop_id: str
    kaiser_id: str
    esp_id: str
    gpio: int
    rule: str
    code: str
    detail: str
    saw: dict[str, Any] = {}


class StopConfirmed(SafetyEvent, frozen=True, kw_only=True):
    """The actuator's own status said that it is off. Subject ``safety.stop.{esp}.{gpio}``.

    Attributes:
        stop_id: Which stop.
        tries: How often it was told.
    """

    TYPE: ClassVar[str] = "io.kaiser.safety.stop_confirmed.v1"

    stop_id: str
    esp_id: str
    gpio: int
    tries: int


class EmergencyRequested(SafetyEvent, frozen=True, kw_only=True):
    """Everything in a scope is off, and stays off until it is released. Subject ``safety.emergency.requested``.

    Counts from the moment that it is in the log: the bridge tells the devices, safety and the actuator service refuse.
    Written by the gateway for people, and by safety for what follows from an alert.

    Attributes:
        emergency_id: This stop.
        scope: What it is about.
        reason: Why.
    """

    TYPE: ClassVar[str] = "io.kaiser.safety.emergency_requested.v1"

    emergency_id: str
    scope: Scope
    reason: str


class EmergencyReleased(SafetyEvent, frozen=True, kw_only=True):
    """Actuators in a scope may be switched on again; none is. Subject ``safety.emergency.released``.

    Attributes:
        emergency_id: Which stop.
        scope: As it was requested.
        reason: Why.
    """

    TYPE: ClassVar[str] = "io.kaiser.safety.emergency_released.v1"

    emergency_id: str
    scope: Scope
    reason: str


class LeaseLost(msgspec.Struct, frozen=True, kw_only=True):
    """The bridge heard nothing of safety for too long, and switches an actuator off by itself.

    Subject ``actuator.{kaiser}.{esp}.{gpio}.lease_lost``, written by the bridge, when the log is there again at the
    latest.

    Attributes:
        heard_at: When it heard of safety last, unix microseconds; 0 for never.
        at: When it switched off, unix microseconds.
    """

    TYPE: ClassVar[str] = "io.kaiser.actuator.lease_lost.v1"

    kaiser_id: str
    esp_id: str
    gpio: int
    heard_at: int
    at: int


Severity = Literal["info", "warning", "error", "critical"]


class AlertRaised(SafetyEvent, frozen=True, kw_only=True):
    """Something needs attention. Subject ``safety.alert.{esp}.{gpio}``; 255 stands for the whole device.

    Attributes:
        alert_id: This alert; repetitions while it is open are folded into it.
        kind: Of the device's alert (``emergency_stop``, ``runtime_protection``, ``hardware_error``, …) or of our own
            (``unknown_state``, ``stop_unconfirmed``, ``drift``, ``safety_silent``).
        detail: In words.
        acted: What was done at once: ``stopped``, ``latched`` or ``noted``.
    """

    TYPE: ClassVar[str] = "io.kaiser.safety.alert_raised.v1"

    alert_id: str
    kaiser_id: str
    esp_id: str
    gpio: int
    kind: str
    severity: Severity
    detail: str = ""
    acted: Literal["stopped", "latched", "noted"] = "noted"


class AlertFolded(SafetyEvent, frozen=True, kw_only=True):
    """An open alert was repeated. Subject as ``AlertRaised``; written now and then, not each time.

    Attributes:
        count: How often it was raised by now.
        last_at: When last.
    """

    TYPE: ClassVar[str] = "io.kaiser.safety.alert_folded.v1"

    alert_id: str
    esp_id: str
    gpio: int
    kind: str
    count: int
    last_at: int


class AlertCleared(SafetyEvent, frozen=True, kw_only=True):
    """An alert is over: somebody said so, or its cause is gone. Subject as ``AlertRaised``."""

    TYPE: ClassVar[str] = "io.kaiser.safety.alert_cleared.v1"

    alert_id: str
    esp_id: str
    gpio: int
    kind: str
    reason: str = ""


SETTING_EVENTS: tuple[type[SafetyEvent], ...] = (LimitsSet, InterlockSet, InterlockRemoved)
DECISION_EVENTS: tuple[type[SafetyEvent], ...] = (CommandApproved, CommandRejected)
STOP_EVENTS: tuple[type[SafetyEvent], ...] = (ActuatorStopped, StopConfirmed)
EMERGENCY_EVENTS: tuple[type[SafetyEvent], ...] = (EmergencyRequested, EmergencyReleased)
ALERT_EVENTS: tuple[type[SafetyEvent], ...] = (AlertRaised, AlertFolded, AlertCleared)
SAFETY_EVENTS = (*SETTING_EVENTS, *DECISION_EVENTS, *STOP_EVENTS, *EMERGENCY_EVENTS, *ALERT_EVENTS)
