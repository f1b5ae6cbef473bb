"""What kinds of alerts mean, and what is done at each at once (wire contract, section 4.7). Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import ActuatorStopped, EmergencyRequested, Scope, Severity
from kaiser.contracts.topics import GPIO_WHOLE_DEVICE
from kaiser.safety.events import KAISER

Action = Literal["stop", "latch", "note"]


class Meaning(NamedTuple):
    """How bad a kind of alert is and what is done at once."""

    severity: Severity
    action: Action


MEANINGS: Final[Mapping[str, Meaning]] = {
    "emergency_stop": Meaning("critical", "latch"),
    "safety_violation": Meaning("critical", "latch"),
    "hardware_error": Meaning("error", "stop"),
    "runtime_protection": Meaning("error", "stop"),
    "verification_failed": Meaning("warning", "note"),
    "safety_forced_off": Meaning("warning", "note"),
    "offline_rule_hold": Meaning("info", "note"),
    "unknown_state": Meaning("error", "note"),
    "stop_unconfirmed": Meaning("critical", "note"),
    "clear_unconfirmed": Meaning("error", "note"),
    "safety_silent": Meaning("critical", "note"),
    "drift": Meaning("warning", "note"),
    "uncommanded": Meaning("warning", "note"),
}
"""By kind: those of devices, then our own. ``emergency_stop`` of a device that nobody stopped is latched: somebody
pressed a button there, and nothing may switch it on again by itself."""

UNKNOWN: Final = Meaning("warning", "note")


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be alarmed at.

    Attributes:
        alert_id: Id that the alert has if it is a new one.
        seq: Sequence in ACTUATORS; 0 for our own.
    """

    alert_id: str
    kaiser_id: str
    esp_id: str
    gpio: int
    kind: str
    at: int
    detail: str = ""
    seq: int = 0


class Situation(msgspec.Struct, frozen=True):
    """What has to be known to act at an alert.

    Attributes:
        pins: Pins of a device's actuators.
        possibly_on: Whether an actuator may be on.
        stopping: Whether a stop of it is open.
        latched: Whether an emergency stop covers it, or was released and is being cleared on its device.
    """

    pins: Callable[[str], Iterable[int]]
    possibly_on: Callable[[str, int], bool]
    stopping: Callable[[str, int], bool]
    latched: Callable[[str, int], bool]


def acts(
    alarm: Alarm, situation: Situation, acted: set[tuple[str, int]], now: int, *, anew: bool
) -> Sequence[EmergencyRequested | ActuatorStopped]:
    """What is done at once at an alarm.

    Args:
        alarm: What it is about.
        situation: What is known of actuators.
        acted: Actuators for which something was decided already, which grows.
        now: Unix microseconds.
        anew: Whether no such alert was open; a repetition stops only what may be on.
    """
    place = (alarm.esp_id, alarm.gpio)
    match MEANINGS.get(alarm.kind, UNKNOWN).action:
        case "note":
            return ()
        case "latch":
            if place in acted or situation.latched(*place):
                return ()
            acted.add(place)
            return (_latch(alarm, now),)
        case "stop":
            whole = alarm.gpio == GPIO_WHOLE_DEVICE
            pins = situation.pins(alarm.esp_id) if whole else (alarm.gpio,)
            hit = [gpio for gpio in pins if _to_stop(alarm.esp_id, gpio, situation, anew=anew)]
            fresh = [gpio for gpio in hit if (alarm.esp_id, gpio) not in acted]
            acted.update((alarm.esp_id, gpio) for gpio in fresh)
            return [_stop(alarm, gpio, now) for gpio in fresh]


def _to_stop(esp_id: str, gpio: int, situation: Situation, *, anew: bool) -> bool:
    return (anew or situation.possibly_on(esp_id, gpio)) and not situation.stopping(esp_id, gpio)


def _latch(alarm: Alarm, now: int) -> EmergencyRequested:
    if alarm.gpio == GPIO_WHOLE_DEVICE:
        scope = Scope(kind="device", esp_id=alarm.esp_id)
    else:
        scope = Scope(kind="actuator", esp_id=alarm.esp_id, gpio=alarm.gpio)
    reason = f"alert {alarm.kind}: {alarm.detail}" if alarm.detail else f"alert {alarm.kind}"
    return EmergencyRequested(
        at=now, by=KAISER, correlation_id=alarm.alert_id, emergency_id=alarm.alert_id, scope=scope, reason=reason
    )


def _stop(alarm: Alarm, gpio: int, now: int) -> ActuatorStopped:
    return ActuatorStopped(
        at=now,
        by=KAISER,
        correlation_id=alarm.alert_id,
        stop_id=f"{alarm.alert_id}.{gpio}",
        kaiser_id=alarm.kaiser_id,
        esp_id=alarm.esp_id,
        gpio=gpio,
        rule=f"alert {alarm.kind}",
        code=Code.DEVICE_ALERT,
        detail=alarm.detail,
        saw={"alert": alarm.kind, "pin": alarm.gpio, "raised_at": alarm.at},
    )
