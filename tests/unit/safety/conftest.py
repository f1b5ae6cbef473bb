"""What devices say, folded into a state."""

import itertools
from collections.abc import Callable

import pytest

from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.wire import ActuatorStatus
from kaiser.safety.folding import fold_actuators
from kaiser.safety.state import State

ESP = "ESP_0A1B2C"
NOW = 1_800_000_000_000_000


@pytest.fixture
def says() -> Callable[..., None]:
    """A status of an actuator."""
    numbers = itertools.count(1)

    def say(state: State, gpio: int, *, on: bool, at: int) -> None:
        status = ActuatorStatus(esp_id=ESP, ts=0, gpio=gpio, actuator_type="pump", state=on)
        said = DeviceSaid(kaiser_id="god", esp_id=ESP, generation="head", received_at=at, message=status)
        fold_actuators(state, next(numbers), said)

    return say


@pytest.fixture
def said_off(says) -> Callable[..., None]:
    """Statuses of actuators that are off."""

    def say(state: State, *gpios: int) -> None:
        for gpio in gpios:
            says(state, gpio, on=False, at=NOW)
        state.seqs.clear()

    return say
