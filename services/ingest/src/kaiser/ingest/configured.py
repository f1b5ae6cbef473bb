"""What is to hang on a device, decided and remembered: the registry's part of configuration. Pure."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from kaiser.contracts.events.device import Generation
from kaiser.contracts.events.equipment import (
    NOTHING,
    ConfigFault,
    ConfigLapsed,
    ConfigOrdered,
    ConfigOutcome,
    ConfigSettled,
    Equipment,
)
from kaiser.contracts.events.registry import Board
from kaiser.ingest import equipment
from kaiser.ingest.refusals import RegistryError

ConfigEvent = ConfigOrdered | ConfigLapsed | ConfigSettled


class ConfigState(msgspec.Struct, frozen=True):
    """An order, how far the device has followed it, and what it holds.

    Attributes:
        wanted: All that is to hang on the device; None while nobody said.
        removed: What it may still have and is to give up.
        held: Items that it confirmed, as they are wanted; these need no telling.
        run: Correlation id of the order, or of telling it again.
        outcome: What came of it; None while the device has not answered.
        settled_at: When that was, unix microseconds.
        faults: Of the last outcome.
        until_restart: Of the last outcome.
    """

    wanted: Equipment | None = None
    removed: Equipment = NOTHING
    held: Equipment = NOTHING
    run: str = ""
    outcome: ConfigOutcome | None = None
    settled_at: int = 0
    faults: Sequence[ConfigFault] = ()
    until_restart: Sequence[int] = ()

    @property
    def open(self) -> bool:
        """Whether the device is still to answer."""
        return self.wanted is not None and self.outcome in (None, "unanswered")

    @property
    def untold(self) -> Equipment:
        """What the device has to be told: what is wanted and not held."""
        wanted = self.wanted or NOTHING
        return Equipment(
            sensors=[sensor for sensor in wanted.sensors if sensor not in self.held.sensors],
            actuators=[actuator for actuator in wanted.actuators if actuator not in self.held.actuators],
            offline_rules=wanted.offline_rules,
        )

    def settles(self, run: str, outcome: ConfigOutcome) -> bool:
        """Whether an outcome is news."""
        return self.open and self.run == run and outcome != self.outcome


NEVER: Final = ConfigState()


def ordered(
    state: ConfigState, wanted: Equipment, board: Board | None, generation: Generation, decided: dict[str, Any]
) -> Sequence[ConfigOrdered]:
    """What an order makes happen; nothing where it is so already.

    Raises:
        RegistryError: With the code and the path of what is wrong.
    """
    if (found := equipment.fault(wanted, board, generation)) is not None:
        raise RegistryError(found.code, found.detail, found.where)
    if wanted == state.wanted and state.outcome == "confirmed":
        return ()
    before = state.wanted or NOTHING
    had = Equipment(
        sensors=[*state.removed.sensors, *before.sensors], actuators=[*state.removed.actuators, *before.actuators]
    )
    return (ConfigOrdered(wanted=wanted, removed=equipment.without(had, wanted), **decided),)


def after(state: ConfigState, event: ConfigEvent) -> ConfigState:
    """The state after an event."""
    replace = msgspec.structs.replace
    match event:
        case ConfigOrdered():
            return replace(
                state,
                wanted=event.wanted,
                removed=event.removed,
                held=equipment.without(state.held, event.removed),
                run=event.correlation_id,
                outcome=None,
                faults=(),
                until_restart=(),
            )
        case ConfigLapsed():
            return replace(state, held=NOTHING, run=event.correlation_id, outcome=None)
        case ConfigSettled():
            told = event.outcome in ("confirmed", "partly")
            return replace(
                state,
                outcome=event.outcome,
                settled_at=event.at,
                faults=event.faults,
                until_restart=event.until_restart,
                held=_held(state.wanted or NOTHING, event.faults) if told else state.held,
                removed=NOTHING if event.outcome == "confirmed" else state.removed,
            )


def _held(wanted: Equipment, faults: Sequence[ConfigFault]) -> Equipment:
    failed = {(fault.kind, fault.gpio) for fault in faults}
    return Equipment(
        sensors=[sensor for sensor in wanted.sensors if ("sensor", sensor.gpio) not in failed],
        actuators=[actuator for actuator in wanted.actuators if ("actuator", actuator.gpio) not in failed],
    )
