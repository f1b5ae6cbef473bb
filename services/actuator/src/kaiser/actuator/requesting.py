"""Requests: what is refused at once, what is repeated, and what becomes a command. Pure."""

from collections.abc import Sequence

from kaiser.actuator import facts, sending
from kaiser.actuator.commands import US, Around, Ask
from kaiser.actuator.levels import Wish, wish
from kaiser.actuator.state import ActuatorState, Fact, Key, Waiting
from kaiser.contracts.codes import Code
from kaiser.contracts.downlink import DownlinkForbiddenError
from kaiser.contracts.events.actuation import CommandRequested
from kaiser.contracts.refusals import Refusal


def request(state: ActuatorState, ask: Ask) -> Sequence[Fact]:
    """What a request makes happen; nothing for one that repeats an earlier one.

    Raises:
        Refusal: The command cannot be carried out, or its idempotency key stands for another one.
    """
    if ask.key and (known := state.keys.get(ask.key)) is not None:
        _check_same(known, ask)
        return ()
    wanted = _admitted(state, ask)
    held_until = 0 if ask.around.online else ask.at + ask.hold_s * US
    asked = _requested(ask, wanted, held_until)
    try:
        sending.check(asked, ask.around.generation)
    except DownlinkForbiddenError as error:
        raise Refusal(error.code, str(error), "command") from error
    events: list[Fact] = []
    if state.waiting is not None:
        events.append(facts.superseded(state.waiting, ask.at, ask.command_id))
    events.append(asked)
    if wanted.action == "OFF" and not held_until:
        events.extend(send_off(state, Waiting(asked), ask.at, ask.around))
    return events


def send_off(state: ActuatorState, waiting: Waiting, at: int, around: Around) -> Sequence[Fact]:
    """OFF goes out at once: it needs nobody's leave."""
    events: list[Fact] = []
    if state.sent is not None:
        events.append(facts.superseded(state.sent, at, waiting.id))
    events.append(facts.dispatched(waiting.request, at, around))
    return events


def resume(state: ActuatorState, at: int, around: Around) -> Sequence[Fact]:
    """An OFF that was requested, and not sent because somebody came between, or its process died: it goes out now."""
    waiting = state.waiting
    if waiting is None or waiting.held or waiting.request.action != "OFF":
        return ()
    return send_late_off(state, waiting, at, around)


def send_late_off(state: ActuatorState, waiting: Waiting, at: int, around: Around) -> Sequence[Fact]:
    """An OFF that ought to be out already; the device may have gone meanwhile."""
    if around.online:
        return send_off(state, waiting, at, around)
    return (facts.ended(waiting, at, "failed", Code.ESP_OFFLINE, "the device went away before it was told"),)


def _admitted(state: ActuatorState, ask: Ask) -> Wish:
    """What the device is to be told, if it can be told anything now."""
    around = ask.around
    if refusal := _refused(around, hold_s=ask.hold_s, ends_a_run=ask.source == "timer"):
        raise refusal
    now_at = around.level if around.known else None
    if now_at is None and state.wanted is not None:
        now_at = state.wanted.level
    wanted = wish(ask.asked, ask.level, around.actuator_type, now_at)
    if around.latched and wanted.action != "OFF":
        raise Refusal(Code.EMERGENCY_ACTIVE, f"emergency stop {around.latched} is in force here", "command")
    return wanted


def _refused(around: Around, *, hold_s: int, ends_a_run: bool) -> Refusal | None:
    if not around.registered:
        return Refusal(Code.ESP_DEVICE_NOT_FOUND, f"no device {around.esp_id!r} was ever heard", "esp_id")
    if not around.approved and not ends_a_run:  # what was begun while it was approved is ended still
        return Refusal(Code.DEVICE_STATE_FORBIDS, "only devices that were approved are told anything", "esp_id")
    if not around.exists:
        return Refusal(Code.ACTUATOR_NOT_FOUND, f"the device has no actuator on pin {around.gpio}", "gpio")
    if not around.actuator_type:
        return Refusal(Code.TYPE_UNKNOWN, "nobody said yet which type of actuator this is", "gpio")
    if around.deaf:
        return Refusal(Code.DEVICE_DEAF, "the device hears nothing until it is power-cycled", "esp_id")
    if not around.online and not hold_s:
        return Refusal(Code.ESP_OFFLINE, "the device is not connected; hold_s lets a command wait for it", "esp_id")
    return None


def _check_same(known: Key, ask: Ask) -> None:
    same = known.asked == ask.asked and known.duration_s == ask.duration_s
    if same and ask.asked == "PWM" and ask.around.actuator_type:
        same = wish("PWM", ask.level, ask.around.actuator_type, None).level == known.level
    if not same:
        words = f"this key was used for command {known.command_id}, which asked for something else"
        raise Refusal(Code.IDEMPOTENCY_CONFLICT, words, "idempotency_key")


def _requested(ask: Ask, wanted: Wish, held_until: int) -> CommandRequested:
    around = ask.around
    return CommandRequested(
        kaiser_id=around.kaiser_id,
        esp_id=around.esp_id,
        gpio=around.gpio,
        at=ask.at,
        command_id=ask.command_id,
        correlation_id=ask.correlation_id,
        action=wanted.action,
        asked=ask.asked,
        level=wanted.level,
        duration_s=ask.duration_s,
        source=ask.source,
        by=ask.by,
        reason=ask.reason,
        idempotency_key=ask.key,
        causation_id=ask.causation_id,
        deadline_at=(held_until or ask.at) + ask.timeout_s * US,
        held_until=held_until,
    )
