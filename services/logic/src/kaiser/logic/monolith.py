"""Rules of the monolith (wire contract, section 12) as rules of ours, with what they meant.

What the monolith got wrong is not carried over: a condition across sensors sees all of them, 0.0 is a value, a time
rule runs when its window begins and not at every tick within it, and what is switched on while a condition holds is
switched off when it does not. Where more than one reading is possible, a note says which was taken.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Fault
from kaiser.logic.validating import Site

Values = dict[str, Any]  # JSON values of either shape

OPERATORS: Final = frozenset({">", ">=", "<", "<=", "==", "!=", "between"})
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Converted(msgspec.Struct, frozen=True):
    """A rule of our shape, still to be checked, and what had to be decided on the way."""

    rule: Values
    enabled: bool
    notes: list[Fault]


class MonolithError(ValueError):
    """It is no rule of the monolith.

    Attributes:
        fault: What is wrong, and where.
    """

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(detail)
        self.fault = Fault(path=path, code=Code.RULE_INVALID, detail=detail)


def convert(old: Values, site: Site, *, time_zone: str) -> Converted:
    """A rule of the monolith as one of ours.

    Args:
        old: As its REST interface had it.
        site: Tells the type of a sensor where only its pin is given.
        time_zone: IANA name; the monolith took its server's own.

    Raises:
        MonolithError: It is none, or a sensor cannot be told.
    """
    work = _Conversion(site)
    given = old.get("trigger_conditions", old.get("conditions"))
    field = "trigger_conditions" if "trigger_conditions" in old else "conditions"
    actions = old.get("actions")
    if not isinstance(actions, list) or not actions:
        raise MonolithError("actions", "a list of at least one action is expected")
    condition = work.conditions(given, str(old.get("logic_operator", "AND")), field)
    rule: Values = {
        "name": _text(old, "rule_name", "name"),
        "description": old.get("description") or "",
        "priority": old.get("priority", 100),
        "condition": condition,
        "actions": [work.action(action, f"actions[{i}]") for i, action in enumerate(actions)],
        "cooldown_s": old.get("cooldown_seconds") or 0,
        "time_zone": time_zone,
    }
    if (most := old.get("max_executions_per_hour")) is not None:
        rule["most_runs_per_hour"] = most
    if otherwise := list(work.opposite(rule["actions"])):
        rule["otherwise"] = otherwise
        work.note("actions", "what is switched on is switched off when the condition is over; the monolith left it on")
    if old.get("rule_metadata"):
        work.note("rule_metadata", "it is left out")
    return Converted(rule, bool(old.get("enabled", True)), work.notes)


class _Conversion:
    def __init__(self, site: Site) -> None:
        self.notes: list[Fault] = []
        self._site = site

    def note(self, path: str, detail: str) -> None:
        """Say what was decided."""
        self.notes.append(Fault(path=path, code=Code.RULE_INVALID, detail=detail, weight="warning"))

    def conditions(self, given: Any, logic: str, path: str) -> Values:
        """A condition, or a list of them with the rule's own operator."""
        if isinstance(given, dict):
            return self._condition(given, path)
        if not isinstance(given, list) or not given:
            raise MonolithError(path, "a condition or a list of them is expected")
        return self._compound(given, logic, path)

    def action(self, old: Any, path: str) -> Values:
        """An action."""
        if not isinstance(old, dict):
            raise MonolithError(path, "an action is an object")
        match old.get("type"):
            case "actuator_command" | "actuator":
                return self._command(old, path)
            case "delay":
                return {"kind": "delay", "for_s": max(1, round(_number(old, "seconds", path)))}
            case "notification":
                message = old.get("message_template") or old.get("message") or "{rule}: {cause}"
                channel, target = old.get("channel", "websocket"), old.get("target") or ""
                return {"kind": "notify", "channel": channel, "target": target, "message": message}
            case "sequence":
                return self._sequence(old, path)
            case kind:
                raise MonolithError(f"{path}.type", f"there is no action {kind!r}")

    def opposite(self, actions: list[Values]) -> Iterator[Values]:
        """What switches off what is switched on without an end of its own by actions outside of sequences."""
        for action in actions:
            on = action["kind"] == "command" and (action["command"] == "ON" or action.get("level", 0) > 0)
            if on and not action.get("duration_s"):
                yield {"kind": "command", "actuator": action["actuator"], "command": "OFF"}

    def _condition(self, old: Values, path: str) -> Values:
        match old.get("type"):
            case "sensor_threshold" | "sensor":
                return self._threshold(old, path)
            case "time_window" | "time":
                return self._hours(old, path)
            case "compound":
                return self._compound(old.get("conditions"), str(old.get("logic", "AND")), f"{path}.conditions")
            case "hysteresis":
                return self._hysteresis(old, path)
            case "sensor_diff":
                return self._difference(old, path)
            case kind:
                raise MonolithError(f"{path}.type", f"there is no condition {kind!r}")

    def _compound(self, given: Any, logic: str, path: str) -> Values:
        if not isinstance(given, list) or not given:
            raise MonolithError(path, "a list of conditions is expected")
        if logic.upper() not in {"AND", "OR"}:
            raise MonolithError(path, f"{logic!r} is neither AND nor OR")
        parts = [self._condition(each, f"{path}[{i}]") for i, each in enumerate(given)]
        if len(parts) == 1:
            return parts[0]
        return {"kind": "all" if logic.upper() == "AND" else "any", "conditions": parts}

    def _threshold(self, old: Values, path: str) -> Values:
        operator = old.get("operator")
        if operator not in OPERATORS:
            raise MonolithError(f"{path}.operator", f"{operator!r} is none of {' '.join(sorted(OPERATORS))}")
        new: Values = {"kind": "compare", "sensor": self._sensor(old, path), "operator": operator}
        if operator == "between":  # the monolith asked for a value here, too, and ignored it
            return new | {"low": _number(old, "min", path), "high": _number(old, "max", path)}
        return new | {"value": _number(old, "value", path)}

    def _hours(self, old: Values, path: str) -> Values:
        start, end = round(_number(old, "start_hour", path)), round(_number(old, "end_hour", path))
        if not (0 <= start <= 23 and 0 <= end <= 24):
            raise MonolithError(path, f"{start} to {end} are no hours of a day")
        new: Values = {"kind": "hours", "start": f"{start:02}:00", "end": f"{end % 24:02}:00"}
        days = old.get("days_of_week")
        if days is not None:
            if not isinstance(days, list) or not all(isinstance(day, int) and 0 <= day <= 6 for day in days):
                raise MonolithError(f"{path}.days_of_week", "a list of 0 (Monday) to 6 is expected")
            new["days"] = [DAYS[day] for day in sorted(set(days))]
        if new["start"] == new["end"]:
            self.note(path, "a window that ends when it starts is taken as a whole day")
        if end < start and days is not None:
            self.note(path, "a window across midnight belongs to the day on which it starts")
        return new

    def _hysteresis(self, old: Values, path: str) -> Values:
        new: Values = {"kind": "hysteresis", "sensor": self._sensor(old, path)}
        if "activate_above" in old:
            on, off = _number(old, "activate_above", path), _number(old, "deactivate_below", path)
            return new | {"on_above": on, "off_below": off}
        on, off = _number(old, "activate_below", path), _number(old, "deactivate_above", path)
        return new | {"on_below": on, "off_above": off}

    def _difference(self, old: Values, path: str) -> Values:
        sides = {}
        for side, names in (("left", ("left", "sensor_a", "a")), ("right", ("right", "sensor_b", "b"))):
            name = next((name for name in names if isinstance(old.get(name), dict)), None)
            if name is None:
                raise MonolithError(f"{path}.{names[1]}", "a sensor is expected")
            sides[side] = {"sensor": self._sensor(old[name], f"{path}.{name}")}
        operator = old.get("operator", ">")
        return {"kind": "difference", **sides, "operator": operator, "value": _number(old, "value", path)}

    def _sensor(self, old: Values, path: str) -> Values:
        esp_id, gpio = str(old.get("esp_id", "")), old.get("gpio")
        if not esp_id or not isinstance(gpio, int):
            raise MonolithError(path, "esp_id and gpio are expected")
        kind = old.get("sensor_type")
        if kind:
            lower = str(kind).lower()
            if lower != kind:
                self.note(f"{path}.sensor_type", f"{kind} is written {lower}; the monolith never matched it")
            return {"esp_id": esp_id, "gpio": gpio, "sensor_type": lower}
        found = [key[2] for key in self._site.sensors or {} if key[:2] == (esp_id, gpio)]
        if len(found) != 1:
            words = f"{esp_id}/{gpio} has {', '.join(sorted(found)) or 'no known sensor'}: say which type is meant"
            raise MonolithError(f"{path}.sensor_type", words)
        self.note(f"{path}.sensor_type", f"{found[0]} is the only sensor on {esp_id}/{gpio}")
        return {"esp_id": esp_id, "gpio": gpio, "sensor_type": found[0]}

    def _command(self, old: Values, path: str) -> Values:
        command, value = str(old.get("command", "")).upper(), old.get("value")
        if command not in {"ON", "OFF", "PWM", "TOGGLE"}:
            raise MonolithError(f"{path}.command", f"{old.get('command')!r} is none of ON, OFF, PWM, TOGGLE")
        actuator = {"esp_id": str(old.get("esp_id", "")), "gpio": old.get("gpio")}
        new: Values = {"kind": "command", "actuator": actuator, "command": command}
        if command == "PWM":
            level = _number(old, "value", path)
            new |= {"command": "OFF"} if level == 0 else {"level": level}
        elif command == "ON" and isinstance(value, int | float) and value < 1:
            self.note(f"{path}.value", "ON is full power on every device; the value is left out")
        duration = round(float(old.get("duration_seconds") or old.get("duration") or 0))
        if duration and new["command"] in {"ON", "PWM"}:
            new["duration_s"] = duration
        return new

    def _sequence(self, old: Values, path: str) -> Values:
        steps = old.get("steps")
        if not isinstance(steps, list) or not steps:
            raise MonolithError(f"{path}.steps", "a list of steps is expected")
        new = [self.action(_step(step), f"{path}.steps[{i}]") for i, step in enumerate(steps)]
        if old.get("abort_on_failure", True) is False:
            for step in new:
                if step["kind"] == "command":
                    step["on_failure"] = "go_on"
        if old.get("max_duration_seconds"):
            self.note(f"{path}.max_duration_seconds", "it is left out: every step has a time-out of its own")
        return {"kind": "sequence", "steps": new}


def _step(step: Any) -> Any:  # an action, or one wrapped in a step
    return step["action"] if isinstance(step, dict) and isinstance(step.get("action"), dict) else step


def _number(old: Mapping[str, Any], name: str, path: str) -> float:
    value = old.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MonolithError(f"{path}.{name}", "a number is expected")
    return float(value)


def _text(old: Values, *names: str) -> str:
    for name in names:
        if old.get(name):
            return str(old[name])
    raise MonolithError(names[0], "a name is expected")
