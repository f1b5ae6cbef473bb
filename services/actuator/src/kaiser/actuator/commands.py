"""What may be put to one actuator's aggregate: requests, decisions, answers, time, stops. Values only.

``at`` is unix microseconds by the wall clock of who puts it; ids come in from outside, so that deciding stays pure.
"""

from typing import Final, Literal

import msgspec

from kaiser.actuator.levels import Asked
from kaiser.contracts.events.actuation import CommandSource, DriftPolicy
from kaiser.contracts.events.device import Generation

US: Final = 1_000_000


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long what is waited for, seconds.

    Attributes:
        decide_s: For safety; then ON and PWM fail.
        answer_dec_s: For a ``dec`` device, whose loop may be stuck in HTTP (wire contract, section 5.1).
        answer_head_s: For a ``head`` device.
        settle_s: From the device's word to a status that shows it.
        settle_valve_s: The same for a valve, which travels for 5 s and reports its old position until then.
        insist_s: Between two OFF at the end of a duration, when the first was not seen to work.
        hold_off_s: An OFF at the end of a duration waits so long for a device that is gone.
    """

    decide_s: float = 2.0
    answer_dec_s: float = 10.0
    answer_head_s: float = 5.0
    settle_s: float = 3.0
    settle_valve_s: float = 6.0
    insist_s: float = 15.0
    hold_off_s: int = 86_400

    def answer_us(self, generation: Generation) -> int:
        """For the answer to one try, microseconds."""
        return round((self.answer_dec_s if generation == "dec" else self.answer_head_s) * US)

    def settle_us(self, actuator_type: str) -> int:
        """For a status that shows what the device said, microseconds."""
        return round((self.settle_valve_s if actuator_type == "valve" else self.settle_s) * US)


DEFAULT_PATIENCE: Final = Patience()


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an actuator beside its own commands, at the moment that something is decided.

    Attributes:
        kaiser_id: Kaiser id that its device uses.
        esp_id: Its device.
        gpio: Its pin.
        generation: Firmware.
        actuator_type: Type; empty where nobody said it.
        registered: Whether its device was ever heard.
        approved: Whether its device takes part.
        exists: Whether it was configured, or has ever told its state.
        online: Whether its device is there.
        deaf: Whether its device hears nothing.
        latched: Emergency stop that it is in; empty for none.
        stop_seq: Sequence in SAFETY of its last stop, in force or not; what was allowed before it is void. 0 for none.
        level: What it reported last; None where it never did, or does not know.
        level_at: When.
        known: Whether that still counts.
        patience: How long what is waited for.
    """

    kaiser_id: str
    esp_id: str
    gpio: int
    generation: Generation = "dec"
    actuator_type: str = ""
    registered: bool = True
    approved: bool = True
    exists: bool = True
    online: bool = True
    deaf: bool = False
    latched: str = ""
    stop_seq: int = 0
    level: float | None = None
    level_at: int = 0
    known: bool = False
    patience: Patience = DEFAULT_PATIENCE


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants the actuator to do something."""

    at: int
    around: Around
    command_id: str
    correlation_id: str
    asked: Asked
    level: float | None = None
    duration_s: int = 0
    source: CommandSource = "user"
    by: str = ""
    reason: str = ""
    key: str = ""
    causation_id: str = ""
    hold_s: int = 0
    timeout_s: int = 30


class Approve(msgspec.Struct, frozen=True, kw_only=True):
    """Safety allows a command. ``seq`` is the decision's in SAFETY."""

    at: int
    around: Around
    command_id: str
    valid_until: int
    seq: int


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """Safety forbids a command."""

    at: int
    command_id: str
    code: str
    detail: str
    rule: str
    seq: int


class HearResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The device answered a command.

    Attributes:
        word: Echo of the command's word, in any case.
        value: Echo of its level; None where there is none.
        correlation_id: As ``head`` says it.
        older: Whether it was in the log before the command that is sent now.
    """

    at: int
    around: Around
    word: str
    success: bool
    detail: str = ""
    value: float | None = None
    correlation_id: str = ""
    older: bool = False


class HearOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """A ``head`` device told what became of an intent."""

    at: int
    around: Around
    command_id: str
    good: bool
    detail: str = ""


class HearStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The device told the actuator's state; it is in ``around``.

    Attributes:
        newer_than: Command that was on its way before, by the log's order; empty for none.
    """

    at: int
    around: Around
    newer_than: str = ""


class HearDownlink(msgspec.Struct, frozen=True, kw_only=True):
    """The bridge could not send a command."""

    at: int
    command_id: str
    code: str
    detail: str


DueKind = Literal["decide", "hold", "answer", "settle", "deadline", "off", "insist", "drift", "reset"]
"""What time makes due.

- ``decide``: safety has not decided; or an OFF, which needs no leave, was not sent.
- ``hold``: the device did not come.
- ``answer``: the device has not answered a try.
- ``settle``: the status ought to show it by now.
- ``deadline``: no end in time.
- ``off``: a duration is over.
- ``insist``: an OFF at the end of a duration was not seen to work.
- ``drift``: desired and reported state have differed for a while.
- ``reset``: an inverted relay was configured or started anew, and does not do what it says until it is told OFF.
"""


class Due(msgspec.Struct, frozen=True):
    """A moment that something has to happen at, if nothing happens before.

    Attributes:
        kind: What.
        command_id: Command that it is about.
        attempt: Try of it, for ``answer``; version of the desired state, for ``drift``.
        since: When the wait began, unix microseconds.
        at: When it ends. A clock that was set cannot make it longer than the span between the two.
    """

    kind: DueKind
    command_id: str
    attempt: int
    since: int
    at: int


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """Something is due, by the monotonic clock.

    Attributes:
        new_id: For a command that comes of it.
        newer_than: Command that was on its way before the state in ``around`` was told; empty for none.
    """

    at: int
    around: Around
    due: Due
    new_id: str = ""
    newer_than: str = ""


class Arrive(msgspec.Struct, frozen=True, kw_only=True):
    """The device is there: what was held for it goes on its way."""

    at: int
    around: Around


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """A decision was stored in part: do the rest of it."""

    at: int
    around: Around


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Safety or an emergency stops the actuator.

    Attributes:
        seq: The stop's sequence in SAFETY: what was approved after it is not meant.
        over: Whether it was released since; what waits for safety may have been asked for after that.
        code: Why.
        detail: In words.
        kaiser_id: Kaiser id of the device.
    """

    at: int
    kaiser_id: str
    esp_id: str
    gpio: int
    seq: int
    code: str
    detail: str
    over: bool = False


WHATEVER_WAS_APPROVED: Final = 2**63 - 1


def stop_for_whatever_was_approved(around: Around, at: int, code: str, detail: str) -> Stop:
    """A stop of an actuator that nothing was approved after."""
    return Stop(
        at=at,
        kaiser_id=around.kaiser_id,
        esp_id=around.esp_id,
        gpio=around.gpio,
        seq=WHATEVER_WAS_APPROVED,
        code=code,
        detail=detail,
    )


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody takes a command back."""

    at: int
    command_id: str
    by: str


class SetPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody says what is done about drift."""

    at: int
    around: Around
    policy: DriftPolicy
    by: str
    reason: str


Intent = (
    Ask
    | Approve
    | Reject
    | HearResponse
    | HearOutcome
    | HearStatus
    | HearDownlink
    | Pass
    | Arrive
    | Resume
    | Stop
    | Cancel
    | SetPolicy
)
