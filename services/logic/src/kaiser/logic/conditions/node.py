"""What every evaluator of a condition is: it tells a truth and what it saw, from what is known at a moment.

A node may remember things in its slots of the rule's memory, which outlives restarts, and nowhere else. To ask it twice
at one moment must give the same answer twice: the engine asks again at moments of its own.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.events.safeguards import SensorRef
from kaiser.contracts.rules import Comparison, Condition, Place, Quality
from kaiser.logic.series import RANKS, Series, SeriesKey
from kaiser.logic.times import NEVER, SECOND
from kaiser.logic.times.wall import zone
from kaiser.logic.world import Occurrence, Presence, Shadow, World

Truth = bool | None
"""None where it is not known."""

Memory = list[Any]  # what nodes remember, as JSON values


class ConditionError(ValueError):
    """A condition cannot be evaluated as it stands.

    Attributes:
        where: Field, below the condition.
        code: Stable code.
    """

    def __init__(self, where: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.where = where
        self.code = code


class Look:
    """A look at the site from one rule.

    Attributes:
        now: The engine's clock.
        moment: When that which made it look happened: when a reading was measured; never after ``now``.
        wake: When to look again at the latest, though nothing comes; nodes bring it forward.
        memory: What the rule's nodes remember.
    """

    __slots__ = ("memory", "moment", "now", "wake")

    def __init__(self, now: int, memory: Memory, moment: int | None = None) -> None:
        self.now = now
        self.moment = now if moment is None else moment
        self.wake = NEVER
        self.memory = memory


class Node(Protocol):
    """An evaluator."""

    def truth(self, look: Look) -> Truth:
        """Whether it is true."""

    def seen(self, look: Look) -> Seen:
        """The same, with what it saw."""


class Listener(Protocol):
    """A node that waits for something to happen."""

    def notice(self, occurrence: Occurrence, at: int, seq: int, memory: Memory) -> bool:
        """Remember it if it is what the node waits for; whether it is."""


class Needs:
    """What the nodes of one rule watch; gathered while they are built.

    Args:
        world: Where they look.
        time_zone: Of the rule.
        place: Of the rule.
        patience: How late a reading may be, microseconds.
        plugins: Plug-ins by name.
    """

    def __init__(
        self,
        world: World,
        *,
        time_zone: str = "UTC",
        place: Place | None = None,
        patience: int = 60 * SECOND,
        plugins: "Mapping[str, Evaluator]" = {},  # noqa: B006  # read only
    ) -> None:
        self.world = world
        self.plugins = plugins
        self.series: dict[SeriesKey, int] = {}
        self.devices: set[str] = set()
        self.actuators: set[tuple[str, int]] = set()
        self.emergencies = False
        self.listeners: list[Listener] = []
        self.memory: Memory = []
        self._time_zone = time_zone
        self._place = place
        self._patience = patience

    def readings(self, sensor: SensorRef, quality: Quality, horizon: int = 0) -> Series:
        """Readings of a sensor of at least a grade, as far back as a horizon in microseconds."""
        patience = self._patience if horizon else 0
        key = SeriesKey(sensor.esp_id, sensor.gpio, sensor.sensor_type, sensor.address, RANKS[quality], patience)
        self.series[key] = max(self.series.get(key, 0), horizon)
        return self.world.series.setdefault(key, Series(key))

    def presence(self, esp_id: str) -> Presence:
        """A device."""
        self.devices.add(esp_id)
        return self.world.presence(esp_id)

    def shadow(self, esp_id: str, gpio: int) -> Shadow:
        """An actuator."""
        self.actuators.add((esp_id, gpio))
        return self.world.shadow(esp_id, gpio)

    def slot(self, initial: Any) -> int:  # a JSON value
        """A place to remember something in."""
        self.memory.append(initial)
        return len(self.memory) - 1

    def zone(self, name: str | None) -> ZoneInfo:
        """A time zone; the rule's where none is named.

        Raises:
            ConditionError: TIME_ZONE_UNKNOWN.
        """
        found = zone(name or self._time_zone)
        if found is None:
            raise ConditionError("time_zone", "TIME_ZONE_UNKNOWN", f"there is no time zone {name or self._time_zone!r}")
        return found

    def place(self, place: Place | None) -> Place:
        """A place; the rule's where none is given.

        Raises:
            ConditionError: PLACE_MISSING.
        """
        if (found := place or self._place) is None:
            raise ConditionError("place", "PLACE_MISSING", "say where the sun is looked at from, here or for the rule")
        return found


Build = Callable[[Condition, Needs], Node]
Evaluator = Callable[[Any, Needs, Build], Node]  # takes the struct of its kind
"""Makes the node of a condition.

Raises:
    ConditionError: It cannot be evaluated as it stands.
"""

Test = Callable[[float], bool]

_TESTS: Final[dict[str, Callable[[float], Test]]] = {
    ">": lambda value: lambda x: x > value,
    ">=": lambda value: lambda x: x >= value,
    "<": lambda value: lambda x: x < value,
    "<=": lambda value: lambda x: x <= value,
    "==": lambda value: lambda x: x == value,
    "!=": lambda value: lambda x: x != value,
}


def test_of(comparison: Comparison) -> Test:
    """The test that a comparison is.

    Raises:
        ConditionError: A number is missing, too many, or the ends are the wrong way round.
    """
    low, high, value = comparison.low, comparison.high, comparison.value
    if comparison.operator in {"between", "outside"}:
        if low is None or high is None:
            where = "low" if low is None else "high"
            raise ConditionError(where, "RULE_INVALID", f"{comparison.operator} needs low and high")
        if value is not None:
            raise ConditionError("value", "RULE_INVALID", f"{comparison.operator} takes low and high, and no value")
        if low > high:
            raise ConditionError("low", "CONDITION_IMPOSSIBLE", f"{low:g} is above {high:g}")
        return (lambda x: low <= x <= high) if comparison.operator == "between" else (lambda x: not low <= x <= high)
    if value is None:
        raise ConditionError("value", "RULE_INVALID", f"{comparison.operator} needs a value")
    if low is not None or high is not None:
        where = "low" if low is not None else "high"
        raise ConditionError(where, "RULE_INVALID", f"{comparison.operator} takes a value, and no low or high")
    return _TESTS[comparison.operator](value)


def against(comparison: Comparison) -> str:
    """What a comparison holds a number against, in words."""
    if comparison.operator in {"between", "outside"}:
        return f"{comparison.operator} {comparison.low:g} and {comparison.high:g}"
    return f"{comparison.operator} {comparison.value:g}"


def stale(series: Series, now: int, fresh: int) -> str:
    """Why the latest reading does not count; empty where it does."""
    if not series.at:
        return "no reading yet"
    if now >= series.at + fresh:
        return f"the latest reading is {(now - series.at) / SECOND:.0f} s old, {fresh // SECOND} s is the limit"
    return ""
