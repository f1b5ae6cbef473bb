"""The worlds that safety is explored in: one device with a few actuators, a link, a lease, a clock that ticks. Pure.

What can happen in them is in :mod:`kaiser.safety.model`.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.equipment import WantedActuator
from kaiser.contracts.events.safeguards import ActuatorRef, InterlockSet, Limits, LimitsSet, Rule
from kaiser.contracts.wire import ActuatorStatus
from kaiser.roster import Member
from kaiser.safety.folding import fold_actuators, fold_member, fold_safety
from kaiser.safety.objecting import SECOND
from kaiser.safety.state import State

TICK_S: Final = 10
TICK_US: Final = TICK_S * SECOND
START_US: Final = 1000 * TICK_US

DEVICE: Final = "ESP_00000A"
ZONE: Final = "zone"

Sent = Literal["", "on", "off", "on off"]
"""Messages on their way to an actuator, the first one first."""


AROUND: Final = ("stop link", "start link", "stop lease", "start lease", "emergency", "release", "tick")
"""What happens to all actuators at once."""

FINE: Final = ("ask on", "ask off", "dispatch", "arrive", "lose", "end", "status", *AROUND)
"""Every message by itself."""

COARSE: Final = ("switch on", "switch off", "report", *AROUND)
"""A command with everything up to its arrival, and a status with the end of the command: for more actuators."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """What is explored.

    Attributes:
        limits: Of each actuator; their times in whole ticks.
        interlocks: By id, about :func:`actuator` 0 and so on.
        moves: What may happen, by name.
    """

    limits: tuple[Limits, ...]
    interlocks: Mapping[str, Rule] = {}
    moves: tuple[str, ...] = FINE


class World(msgspec.Struct, kw_only=True):
    """Everything at one moment.

    Attributes:
        state: What safety knows.
        now: Unix microseconds, whole ticks.
        on: Which actuators are on in fact.
        on_ticks: For how long each has been, in ticks.
        sent: Messages on their way to each.
        link: Whether the device is there.
        link_ticks: For how long it has been, in ticks.
        lease: Whether safety may decide.
        coarse: Whether commands arrive at once, and stops with the next tick.
        seqs: Of the last events in ACTUATORS and SAFETY.
        last: What safety said to the last command; empty where that was no command.
    """

    state: State
    now: int = START_US
    on: list[bool]
    on_ticks: list[int]
    sent: list[Sent]
    link: bool = True
    link_ticks: int = 1
    lease: bool = True
    coarse: bool = False
    seqs: list[int] = []
    last: str = ""

    def copy(self) -> "World":
        """A world that goes on apart from this one."""
        return World(
            state=self.state.copy(),
            now=self.now,
            on=self.on.copy(),
            on_ticks=self.on_ticks.copy(),
            sent=self.sent.copy(),
            link=self.link,
            link_ticks=self.link_ticks,
            lease=self.lease,
            coarse=self.coarse,
            seqs=self.seqs.copy(),
        )


def actuator(i: int) -> ActuatorRef:
    """The ``i``-th actuator of the model."""
    return ActuatorRef(DEVICE, i)


def first_world(configuration: Configuration) -> World:
    """Everything is off, known to be, and has been for long."""
    count = len(configuration.limits)
    world = World(state=State(), on=[False] * count, on_ticks=[0] * count, sent=[""] * count, seqs=[0, 0])
    world.coarse = "switch on" in configuration.moves
    wanted = {i: WantedActuator(gpio=i, actuator_type="relay", name=str(i)) for i in range(count)}
    since = world.now - 900 * TICK_US
    fold_member(
        world.state,
        Member(esp_id=DEVICE, standing="approved", zone_confirmed=ZONE, actuators=wanted, heard_at=since),
    )
    for i, limits in enumerate(configuration.limits):
        take_safety(world, LimitsSet(at=since, by="", esp_id=DEVICE, gpio=i, limits=limits, reason=""))
        say_status(world, i, since)
    for interlock_id, rule in configuration.interlocks.items():
        take_safety(world, InterlockSet(at=since, by="", interlock_id=interlock_id, rule=rule, reason=""))
    return world


def say_status(world: World, i: int, at: int) -> None:
    """A status of the ``i``-th actuator, as it is, comes at a time."""
    status = ActuatorStatus(esp_id=DEVICE, ts=0, gpio=i, actuator_type="relay", state=world.on[i])
    take_actuators(world, DeviceSaid(kaiser_id="", esp_id=DEVICE, generation="dec", received_at=at, message=status))


def take_actuators(world: World, event: Any) -> None:  # any event of the stream
    """Something is in ACTUATORS, and safety reads it."""
    world.seqs[0] += 1
    fold_actuators(world.state, world.seqs[0], event)


def take_safety(world: World, event: Any) -> None:  # any event of the stream
    """Something is in SAFETY, and safety reads it."""
    world.seqs[1] += 1
    fold_safety(world.state, world.seqs[1], event)
