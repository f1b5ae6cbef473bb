"""What clients say about rules, with examples."""

from typing import Annotated, Any, Final

import msgspec

from kaiser.gateway.api.documented import example

Why = Annotated[str, msgspec.Meta(max_length=500)]


class RuleWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule, and why it is so.

    Attributes:
        rule: As ``RuleView.rule`` shows it; logic says where what is wrong with it.
        reason: Why it is changed.
        enable: Whether this version goes live at once.
        expected_version: The newest version that you know; another one is a conflict. ``If-Match`` says the same.
        monolith: ``rule`` has the monolith's shape, and is converted.
    """

    rule: dict[str, Any]  # checked by logic, which has the paths of all faults
    reason: Why = ""
    enable: bool = False
    expected_version: Annotated[int, msgspec.Meta(ge=0)] | None = None
    monolith: bool = False


class EnableWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which version is to go live.

    Attributes:
        version: The newest by default; an older one is how to go back.
        backtest_id: The trial on the past that speaks for it, where one is asked for.
        override: Why it goes live without one.
    """

    version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    backtest_id: str = ""
    override: Why = ""


class DisableWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a rule is to rest."""

    reason: Why = ""


class TestWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to hold against what is known now.

    Attributes:
        rule: One that need not be defined; by default the one that is.
        values: Values to assume, by ``esp/gpio/sensor_type``.
    """

    rule: dict[str, Any] | None = None
    values: dict[str, float] = {}


_SOIL: Final = {"esp_id": "ESP_9F03D4", "gpio": 34, "sensor_type": "moisture"}
_PUMP: Final = {"esp_id": "ESP_9F03D4", "gpio": 25}
WATER: Final = {
    "name": "Water the bench",
    "condition": {"kind": "hysteresis", "sensor": _SOIL, "on_below": 30, "off_above": 45},
    "actions": [{"kind": "command", "actuator": _PUMP, "command": "ON"}],
    "otherwise": [{"kind": "command", "actuator": _PUMP, "command": "OFF"}],
    "cooldown_s": 300,
}
OLD: Final = {
    "rule_name": "Water the bench",
    "trigger_conditions": {"type": "sensor_threshold", **_SOIL, "operator": "<", "value": 30},
    "actions": [{"type": "actuator_command", **_PUMP, "command": "ON", "duration_seconds": 60}],
}
DEFINED: Final = [
    example("water while it is dry", rule=WATER, reason="new bench", enable=True),
    example("a rule of the monolith", rule=OLD, monolith=True),
]
