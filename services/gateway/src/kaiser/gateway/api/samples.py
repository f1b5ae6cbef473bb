"""Examples out of schemas: what stands under a name here is what a greenhouse would have there.

Every answer has one, made of its schema when the gateway starts, so that none of them can be out of date; a test holds
each to the schema.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

AT: Final = "2026-05-01T06:00:31.250000Z"
PREFIX: Final = "#/components/schemas/"
BOUNDS: Final = ("minimum", "exclusiveMinimum", "maximum", "minLength", "minItems")

FILES: Final[dict[str, str]] = {
    "application/x-ndjson": '{"number": 17, "username": "ada", "method": "POST", "status": 200}\n',
    "text/csv": "start,count,errors,minimum,maximum,mean,last\n2026-05-01T06:00:00Z,2,0,21.5,22.0,21.75,22.0\n",
    "application/vnd.apache.parquet": "PAR1…PAR1",
}
"""What files look like, by media type."""

BY_NAME: Final[dict[str, Any]] = {
    "actuator_type": "pump",
    "address": "192.0.2.17",
    "aggregate_id": "ESP_9F03D4",
    "alert_id": "01J0ZK4QW3",
    "backtest_id": "3f1c",
    "board": "esp32_wroom",
    "by": "ada",
    "code": "",
    "command": "ON",
    "command_id": "cmd-4711",
    "correlation_id": "01J0ZK4QW5",
    "created_by": "admin",
    "detail": "",
    "duration_s": 600,
    "emergency_id": "01J0ZK4QW7",
    "esp_id": "ESP_9F03D4",
    "event_id": "01J0ZK4QWF",
    "expires_in": 1800,
    "firmware_version": "4.1.0",
    "generation": "head",
    "gpio": 25,
    "heap_free_bytes": 182_432,
    "interlock_id": "never-both",
    "kaiser_id": "god",
    "letter_id": "4711-0",
    "key": "the key, shown this once",
    "key_id": "9c1b7de0a2f4",
    "mac_address": "24:6F:28:9F:03:D4",
    "master_zone_id": "greenhouse",
    "method": "POST",
    "name": "north bench",
    "online": True,
    "outcome": "succeeded",
    "password": "a sentence is easy to keep",
    "quality": "good",
    "raw": 352.0,
    "reading_id": "7321958462103552",
    "reason": "dry bench",
    "refresh_token": "eyJhbGciOiJIUzI1NiJ9…",
    "access_token": "eyJhbGciOiJIUzI1NiJ9…",
    "current_password": "the one of before",
    "new_password": "a sentence is easy to keep",
    "resolution": "minute",
    "role": "operator",
    "root": "device",
    "rule_id": "water-north",
    "rule_name": "Water north",
    "run_id": "01J0ZK4QW9",
    "sensor_id": "6154297316045824",
    "sensor_type": "ds18b20",
    "seq": 4711,
    "session_id": "01J0ZK4QWB",
    "state": "approved",
    "state_by": "ada",
    "stream": "ACTUATORS",
    "subzone_id": "bench",
    "subzone_name": "Bench",
    "token_type": "bearer",
    "ticket": "Zk3J…",
    "unit": "°C",
    "uptime_s": 86_400,
    "user_id": "u01J0ZK4QWD",
    "username": "ada",
    "value": 22.0,
    "wifi_ip": "192.0.2.40",
    "wifi_rssi_dbm": -61,
    "zone_id": "north_tent",
    "zone_name": "North tent",
    "zones": ["north_tent"],
}
BY_PATTERN: Final = {"^([01][0-9]|2[0-3]):[0-5][0-9]$": "06:00"}
NULL: Final = frozenset({"next_cursor", "offline_reason", "offline_since", "deaf_since", "losses_since", "drift_since"})
"""What is not the case in an example."""


def sample(schema: Schema, components: Mapping[str, Schema]) -> Any:  # whatever the schema says
    """A value that a schema takes.

    Args:
        schema: JSON Schema, as litestar makes it of structs.
        components: What it refers to, by name.
    """
    return _Samples(components).of(schema, "", ())


class _Samples:
    def __init__(self, components: Mapping[str, Schema]) -> None:
        self._components = components

    def of(self, schema: Schema, name: str, within: tuple[str, ...]) -> Any:  # as above
        """A value; ``within`` has the schemas that this one is a part of, so that trees end."""
        if reference := schema.get("$ref"):
            part = str(reference).removeprefix(PREFIX)
            return self.of(self._components[part], name, (*within, part))
        for known in ("examples", "enum"):
            if schema.get(known):
                return BY_NAME[name] if name in BY_NAME and BY_NAME[name] in schema[known] else schema[known][0]
        if "const" in schema:
            return schema["const"]
        if "allOf" in schema:
            return self.of(schema["allOf"][0], name, within)
        if choices := schema.get("oneOf") or schema.get("anyOf"):
            if name in NULL and {"type": "null"} in choices:
                return None
            bounds = {key: schema[key] for key in BOUNDS if key in schema}  # litestar has those beside the choices
            return self.of(bounds | dict(self._choice(choices, within)), name, within)
        return self._plain(schema, name, within)

    def _choice(self, choices: Iterable[Schema], within: tuple[str, ...]) -> Schema:
        """The first that is something and does not begin the same again."""
        found = [choice for choice in choices if choice.get("type") != "null"]
        leaves = [one for one in found if not self._leads_back(one, within)]
        return (leaves or [{"type": "null"}])[0]

    def _leads_back(self, schema: Schema, within: tuple[str, ...]) -> bool:
        reference = str(schema.get("$ref", "")).removeprefix(PREFIX)
        return bool(reference) and (reference in within or len(within) > 6)

    def _plain(self, schema: Schema, name: str, within: tuple[str, ...]) -> Any:  # as above
        kind = schema.get("type")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind == "object":
            return self._object(schema, within)
        if kind == "array":
            return self._array(schema, name, within)
        if schema.get("format") == "date-time":
            return AT
        if "pattern" in schema and schema["pattern"] in BY_PATTERN:
            return BY_PATTERN[schema["pattern"]]
        if name in BY_NAME and _is_a(BY_NAME[name], kind):
            return BY_NAME[name]
        if kind in ("integer", "number"):
            return schema.get("minimum", schema.get("maximum", 0))
        return {"string": "x" * schema.get("minLength", 0), "boolean": False}.get(str(kind))

    def _object(self, schema: Schema, within: tuple[str, ...]) -> dict[str, Any]:
        required = schema.get("required", ())
        found = {}
        for name, part in schema.get("properties", {}).items():
            if name in required or not self._is_deep(part, within):
                found[name] = self.of(part, name, within)
        return found

    def _array(self, schema: Schema, name: str, within: tuple[str, ...]) -> list[Any]:
        if name in BY_NAME and isinstance(BY_NAME[name], list):
            return list(BY_NAME[name])
        items = schema.get("items", {})
        if not items or (self._is_deep(items, within) and not schema.get("minItems")):
            return []
        return [self.of(items, name.removesuffix("s"), within) for _ in range(max(1, schema.get("minItems", 1)))]

    def _is_deep(self, schema: Schema, within: tuple[str, ...]) -> bool:
        choices = [schema, *schema.get("oneOf", ()), *schema.get("anyOf", ()), *schema.get("allOf", ())]
        return any(self._leads_back(choice, within) for choice in choices)


def _is_a(value: Any, kind: Any) -> bool:  # a type of JSON Schema
    match kind:
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str)
    return False
