"""What safety knows: a product of parts, each of which comes from one stream alone.

``outputs`` comes from ACTUATORS, ``guards``, ``interlocks`` and ``latches`` from SAFETY, ``readings`` from TELEMETRY,
``members`` from the roster. So it does not matter in which order the streams are read, and the same log always gives
the same state, bit by bit. Everything else in :class:`State` is derived from these, so that a decision need not search.

Facts are frozen; the state itself is changed in place, and only by :mod:`kaiser.safety.folding`. Times are unix
microseconds, 0 for never.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from kaiser.contracts.events.safeguards import (
    DEFAULT_LIMITS,
    ActuatorRef,
    EmergencyRequested,
    Limits,
    PowerBudget,
    Rule,
    SensorRef,
)
from kaiser.roster import STRANGER, Member


class Run(msgspec.Struct, frozen=True, array_like=True):
    """A time that an actuator was on, or may have been."""

    since: int
    until: int


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """One actuator, as ACTUATORS tells it.

    Attributes:
        level: What its last status says, 0.0 to 1.0; None where the device does not know.
        reported_at: When that status came.
        said_ts: The latest time of the device's own clock in a status, unix seconds; 0 for none.
        reported_on_since: Since when its statuses say that it is on, without a break; 0 while they do not, or
            only one says so that came late.
        command_id: The last command to it.
        command_seq: Sequence of its request.
        command_level: What it asks for.
        dispatched: Whether it is on its way, or was.
        sent_id: The last command that was put on its way to switch on. A later request may wait meanwhile, or be
            rejected, and changes nothing about it.
        sent_open: Whether it has no end yet.
        sent_at: When it was put on its way last.
        sent_level: Highest level that was put on its way since a status has shown what came of it.
        arrived: Whether the device has shown or said since that it is there.
        ended: Whether it has come to its end.
        on_since: Since when it may be on: since the first ON was on its way, or the first status that said so; 0 while
            it is known to be off, or nothing ever said that it is on.
        refused: Whether the device refused the only command that the run rests on.
        off_since: Status by which it became known to be off; 0 for never known.
        runs: Those that are over, oldest first.
    """

    level: float | None = None
    reported_at: int = 0
    said_ts: int = 0
    reported_on_since: int = 0
    command_id: str = ""
    command_seq: int = 0
    command_level: float = 0.0
    dispatched: bool = False
    sent_id: str = ""
    sent_open: bool = False
    sent_at: int = 0
    sent_level: float = 0.0
    arrived: bool = False
    ended: bool = True
    on_since: int = 0
    refused: bool = False
    off_since: int = 0
    runs: tuple[Run, ...] = ()


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Safety has switched an actuator off by itself, and it has not said yet that it is."""

    stop_id: str
    at: int
    seq: int
    rule: str


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """One actuator, as SAFETY tells it.

    Attributes:
        limits: As they were set; None where they never were.
        approved_id: The last command that may switch it on.
        approved_seq: Sequence in ACTUATORS of its request; 0 for none, or where an OFF has taken its place.
        approved_level: What it may be switched to.
        run_since: Since when the run counts that this command starts or goes on with.
        starts: When it was allowed to start, in the last hour before the last one, oldest first.
        stop: Stop that is not confirmed.
    """

    limits: Limits | None = None
    approved_id: str = ""
    approved_seq: int = 0
    approved_level: float = 0.0
    run_since: int = 0
    starts: tuple[int, ...] = ()
    stop: Stop | None = None


class Latch(msgspec.Struct, frozen=True, kw_only=True):
    """An emergency stop in force."""

    request: EmergencyRequested
    seq: int


class Reading(msgspec.Struct, frozen=True, array_like=True):
    """The last usable value of a sensor, and when it was measured."""

    value: float
    at: int


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What the parts together say about one actuator. Whoever asks gets the answer that is safe in his question.

    Attributes:
        known: Whether its last status still holds: its device is there, and was not away or restarted since.
        possible: Whether it may be on; what is not known to be off may be.
        evident: Whether something says that it is on or will be: an approval, a command on its way, a status.
        since: Since when, of what is evident; 0 where nothing is.
        sure: Whether it is certainly on, and nothing says that it is about to go off.
        sure_since: Since when.
        interrupted: Whether its device was away since the run began.
        level: Highest level that it may be at, 0.0 to 1.0.
        draw_mw: What it may draw, milliwatts.
        evident_mw: What it draws by what is evident, milliwatts.
    """

    known: bool = False
    possible: bool = True
    evident: bool = False
    since: int = 0
    sure: bool = False
    sure_since: int = 0
    interrupted: bool = False
    level: float = 1.0
    draw_mw: int = 0
    evident_mw: int = 0


NO_OUTPUT: Final = Output()
NO_GUARD: Final = Guard()
NO_VIEW: Final = View()

SensorKey = tuple[str, int, str, str]
"""Device, pin, type and address of a sensor; without an address, whichever of its type is on the pin."""


class State(msgspec.Struct, kw_only=True):
    """All that safety knows.

    Attributes:
        seqs: Sequence of the last event that was folded, by stream.
        outputs: By actuator, from ACTUATORS.
        guards: By actuator, from SAFETY.
        interlocks: By id, from SAFETY.
        latches: Emergency stops in force, by id, from SAFETY.
        readings: From TELEMETRY.
        members: Devices by id, from the roster.
        views: Derived: what the parts together say, by actuator.
        pins: Derived: pins that are known of each device.
        rules_of: Derived: interlocks that name an actuator.
        dependants: Derived: actuators that a change of this one concerns, by ``only_while`` and ``at_most``.
        watchers: Derived: actuators that a sensor concerns.
        zones: Derived: actuators that may be in a zone.
        budgets: Derived: power budgets of a zone.
    """

    seqs: dict[str, int] = {}
    outputs: dict[ActuatorRef, Output] = {}
    guards: dict[ActuatorRef, Guard] = {}
    interlocks: dict[str, Rule] = {}
    latches: dict[str, Latch] = {}
    readings: dict[SensorKey, Reading] = {}
    members: dict[str, Member] = {}
    views: dict[ActuatorRef, View] = {}
    pins: dict[str, frozenset[int]] = {}
    rules_of: dict[ActuatorRef, tuple[tuple[str, Rule], ...]] = {}
    dependants: dict[ActuatorRef, frozenset[ActuatorRef]] = {}
    watchers: dict[SensorKey, frozenset[ActuatorRef]] = {}
    zones: dict[str, frozenset[ActuatorRef]] = {}
    budgets: dict[str, tuple[tuple[str, PowerBudget], ...]] = {}

    def output(self, ref: ActuatorRef) -> Output:
        """The actuator as ACTUATORS tells it."""
        return self.outputs.get(ref, NO_OUTPUT)

    def guard(self, ref: ActuatorRef) -> Guard:
        """The actuator as SAFETY tells it."""
        return self.guards.get(ref, NO_GUARD)

    def view(self, ref: ActuatorRef) -> View:
        """The actuator as everything together tells it; one of which nothing is known may be on."""
        return self.views.get(ref, NO_VIEW)

    def member(self, esp_id: str) -> Member:
        """The device; a stranger where nobody knows it."""
        return self.members.get(esp_id, STRANGER)

    def actuators(self) -> Iterable[ActuatorRef]:
        """Every actuator of which anything is known."""
        return tuple(self.views)

    def limits(self, ref: ActuatorRef) -> Limits:
        """What an actuator may do: as it was set, else the defaults with the run time that its equipment names."""
        return self.guard(ref).limits or defaults(self.member(ref.esp_id), ref.gpio)

    def copy(self) -> "State":
        """A state that changes apart from this one; the facts are shared, for they are frozen."""
        return State(**{name: getattr(self, name).copy() for name in self.__struct_fields__})

    def encode(self) -> bytes:
        """Everything that was folded as bytes: the same state has the same bytes, whatever it was folded from first."""
        parts = {name: _sorted(getattr(self, name)) for name in FOLDED}
        return msgspec.json.encode(parts)

    def encode_all(self) -> bytes:
        """What :meth:`encode` gives, and what is derived from it."""
        parts = {name: _sorted(getattr(self, name)) for name in self.__struct_fields__}
        return msgspec.json.encode(parts)


FOLDED: Final = ("seqs", "outputs", "guards", "interlocks", "latches", "readings", "members")


def sensor_key(sensor: SensorRef) -> SensorKey:
    """Where the readings of a sensor are kept."""
    return (sensor.esp_id, sensor.gpio, sensor.sensor_type, sensor.address)


def _sorted(part: Mapping[object, object]) -> list[tuple[object, object]]:
    pairs = ((key, sorted(value) if isinstance(value, frozenset) else value) for key, value in part.items())
    return sorted(pairs, key=lambda pair: msgspec.json.encode(pair[0]))


def defaults(member: Member, gpio: int) -> Limits:
    """What an actuator may do whose limits nobody has set: with the run time that its equipment names."""
    wanted = member.actuators.get(gpio)
    if wanted is None or wanted.max_runtime_s is None:
        return DEFAULT_LIMITS
    return msgspec.structs.replace(DEFAULT_LIMITS, max_on_s=wanted.max_runtime_s)
