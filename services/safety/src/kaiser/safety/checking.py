"""Whether limits and interlocks that somebody orders make sense. Pure; each check raises what it finds."""

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import ActuatorRef, AtMost, Limits, OnlyWhile, PowerBudget, Rule, SensorBand
from kaiser.contracts.ids import is_esp_id
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.topics import GPIO_MAX
from kaiser.safety.contradicting import Contradiction
from kaiser.safety.limits import fault


def check_place(esp_id: str, gpio: int) -> None:
    """Refuse what can be no actuator: INVALID_ESP_ID, INVALID_GPIO_PIN."""
    if not is_esp_id(esp_id):
        raise Refusal(Code.INVALID_ESP_ID, f"{esp_id[:40]!r} is not the id of a device", "esp_id")
    if not 0 <= gpio <= GPIO_MAX:
        raise Refusal(Code.INVALID_GPIO_PIN, f"{gpio} is outside of 0 to {GPIO_MAX}", "gpio")


def check_limits(limits: Limits | None) -> None:
    """Refuse limits that make no sense: VALUE_OUT_OF_RANGE."""
    if limits is not None and (words := fault(limits)):
        raise Refusal(Code.VALUE_OUT_OF_RANGE, words, "limits")


def check_rule(rule: Rule) -> None:
    """Refuse a rule that makes no sense by itself: VALUE_OUT_OF_RANGE, or that names what can be no actuator."""
    if isinstance(rule, AtMost) and len(set(rule.actuators)) < len(rule.actuators):
        raise Refusal(Code.VALUE_OUT_OF_RANGE, "an actuator is named twice", "rule.actuators")
    if isinstance(rule, OnlyWhile) and rule.actuator == rule.requires:
        raise Refusal(Code.VALUE_OUT_OF_RANGE, "an actuator cannot require itself", "rule.requires")
    if isinstance(rule, SensorBand) and None not in (rule.minimum, rule.maximum) and _is_empty(rule):
        raise Refusal(Code.VALUE_OUT_OF_RANGE, "the minimum is above the maximum", "rule.minimum")
    for ref in _named(rule):
        check_place(ref.esp_id, ref.gpio)


def check_known(known: int | None, seq: int) -> None:
    """Refuse an order about something else than whoever orders it has seen: STATE_CHANGED."""
    if known is not None and known != seq:
        raise Refusal(Code.STATE_CHANGED, f"it is at {seq}, and you saw it at {known}", "known_seq")


def refuse(found: Contradiction | None, where: str) -> None:
    """Refuse what contradicts itself, with the way there: INTERLOCK_CONTRADICTION."""
    if found is not None:
        raise Refusal(Code.INTERLOCK_CONTRADICTION, found.detail(), where)


def _is_empty(band: SensorBand) -> bool:
    return (band.minimum or 0.0) > (band.maximum or 0.0)


def _named(rule: Rule) -> tuple[ActuatorRef, ...]:
    match rule:
        case AtMost():
            return rule.actuators
        case OnlyWhile():
            return (rule.actuator, rule.requires)
        case SensorBand():
            return (rule.actuator,)
        case PowerBudget():
            return ()
