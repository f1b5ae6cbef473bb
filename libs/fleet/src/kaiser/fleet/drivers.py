"""What the firmware does to pins: four kinds of actuators (wire contract, sections 5.1, 6.5, 9)."""

from collections import deque
from typing import Final

TYPES: Final = ("pump", "relay", "pwm", "valve")
"""Compared case-sensitively; any other type is refused."""

TRAVEL_S: Final = 5.0
"""A valve's full travel, which cannot be interrupted; it reports its old position until then."""

BINARY: Final = ("pump", "relay")

ACTIVATIONS_PER_HOUR: Final = 60
COOLS_FROM_MS: Final = 3_600_000
COOLDOWN_S: Final = 30.0
"""A pump that has run for an hour in all rests so long between two runs."""
OPEN_FROM: Final = 0.66
MIDDLE_FROM: Final = 0.33
POSITION_PWM: Final = 127


class Actuator:
    """One driver.

    Args:
        gpio: Pin.
        kind: One of :data:`TYPES`.
        default_state: What it starts with and falls back to.
        subzone_id: Subzone; empty if none.
        inverted: Whether the output is active low.

    Attributes:
        state: As commanded.
        energised: Whether the load has power, which nobody tells the server.
        pwm: 0 to 255; of a valve its position times 127.
        emergency: ``normal`` or ``active``.
        source: Who commanded it last, ``head`` only.
        off_at_s: Uptime when a timed ON ends; None without one, ``head`` only.
    """

    def __init__(
        self, gpio: int, kind: str, *, default_state: bool = False, subzone_id: str = "", inverted: bool = False
    ) -> None:
        self.gpio, self.kind = gpio, kind
        self.default_state, self.subzone_id = default_state, subzone_id
        self.inverted = inverted and kind in BINARY
        self.state = default_state
        self.pwm = 255 if default_state else 0
        self.emergency = "normal"
        self.source = ""
        self.off_at_s: float | None = None
        self._ran_ms = 0
        self._on_since_s: float | None = 0.0 if default_state else None
        self._off_at_s: float | None = None
        self._activations: deque[float] = deque(maxlen=ACTIVATIONS_PER_HOUR)
        self._arrives: tuple[float, int] | None = None
        # The pin is set without regard to what is active low, so that an inverted relay starts energised (section 6.5)
        self.energised = default_state != self.inverted

    def command(self, word: str, value: float, now_s: float) -> bool:
        """Do what a command says; false if it is refused.

        Args:
            word: ``ON``, ``OFF``, ``TOGGLE`` or ``PWM``, in any case.
            value: Read for ``PWM`` only: 0 to 1. A ``pwm`` actuator clamps it, so that 75 is full power.
            now_s: Seconds since boot.
        """
        word = word.upper()
        if self.emergency != "normal" or word not in ("ON", "OFF", "TOGGLE", "PWM"):
            return False
        if word == "TOGGLE":
            word = "OFF" if self.state else "ON"
        fraction = {"ON": 1.0, "OFF": 0.0}.get(word, value)
        if self.kind == "valve":
            return self._travel(2 if fraction >= OPEN_FROM else int(fraction >= MIDDLE_FROM), now_s)
        if self.kind == "pwm":
            self._set(round(255 * min(1.0, max(0.0, fraction))), now_s)
            return True
        if not 0.0 <= fraction <= 1.0 or (fraction >= 0.5 and not self.state and not self._may_start(now_s)):
            return False
        self._set(255 if fraction >= 0.5 else 0, now_s)
        return True

    def start(self, now_s: float) -> None:
        """The device was switched off and on."""
        self.fall_back(now_s)
        self.energised = self.default_state != self.inverted

    def stop(self, now_s: float, *, emergency: bool = False, writes_pin: bool = True) -> None:
        """Off, at once; after an emergency nothing is accepted until it is cleared or the driver is made anew.

        Args:
            now_s: Seconds since boot.
            emergency: Whether it is one.
            writes_pin: Whether the pin is set even if the actuator counts as off.
        """
        self._arrives = None
        if writes_pin:
            self.energised = False
        self._set(0, now_s)
        self.off_at_s = None
        if emergency:
            self.emergency = "active"

    def fall_back(self, now_s: float) -> bool:
        """To the default state. Returns whether that changed anything."""
        changed = self.state != self.default_state
        self._arrives, self.off_at_s = None, None
        self._set(255 if self.default_state else 0, now_s)
        return changed

    def settle(self, now_s: float) -> bool:
        """Let time pass: a valve arrives, a timed ON ends. Returns whether the state changed."""
        if self._arrives is not None and now_s >= self._arrives[0]:
            position = self._arrives[1]
            self._arrives = None
            self._set(position * POSITION_PWM, now_s)
            return True
        if self.off_at_s is not None and now_s >= self.off_at_s:
            self.off_at_s = None
            self._set(0, now_s)
            return True
        return False

    def runtime_ms(self, now_s: float) -> int:
        """Accumulated milliseconds of being on."""
        running = 0.0 if self._on_since_s is None else now_s - self._on_since_s
        return self._ran_ms + int(running * 1000)

    def _travel(self, position: int, now_s: float) -> bool:
        if self._arrives is not None:
            return False
        if position * POSITION_PWM != self.pwm:
            self._arrives = (now_s + TRAVEL_S, position)
        return True

    def _may_start(self, now_s: float) -> bool:
        full = len(self._activations) == ACTIVATIONS_PER_HOUR
        if full and now_s - self._activations[0] < 3600:
            return False
        if self._off_at_s is not None and self._ran_ms >= COOLS_FROM_MS and now_s - self._off_at_s < COOLDOWN_S:
            return False
        self._activations.append(now_s)
        return True

    def _set(self, pwm: int, now_s: float) -> None:
        self.pwm = pwm
        on = pwm > 0
        if on and self._on_since_s is None:
            self._on_since_s = now_s
        elif not on and self._on_since_s is not None:
            self._ran_ms += int((now_s - self._on_since_s) * 1000)
            self._on_since_s, self._off_at_s = None, now_s
        if on != self.state or self.kind not in BINARY:  # what is off already is left alone, energised or not
            self.energised = on
        self.state = on
