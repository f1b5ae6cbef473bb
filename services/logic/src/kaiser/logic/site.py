"""What there is to watch and to switch, for the checks of rules: out of the log, and asked of those who know more."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self, TypeVar

import msgspec
import nats.errors
import structlog

from kaiser.contracts import actuation, queries, subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.queries import Page, Reply
from kaiser.contracts.refusals import Fault
from kaiser.contracts.rules import Rule
from kaiser.eventlog import EventLog, now_us
from kaiser.logic.surveyor import Surveyor
from kaiser.logic.validating import SensorFact, Site

_log = structlog.get_logger(__name__)

ANSWER_S: Final = 1.5
"""Whoever orders a rule waits for it."""
PAGE: Final = 1000
SENSORS: Final = subjects.query("ingest", "sensors")
ACTUATORS: Final = subjects.query("actuator", "actuators")
UNCHECKED: Final = {
    "sensors": "nobody tells what sensors there are at present, so they were not checked",
    "actuators": "nobody tells what actuators there are at present, so they were not checked",
}

Sensors = dict[tuple[str, int, str], tuple[SensorFact, ...]]
Actuators = dict[tuple[str, int], str]

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")
_sensors = msgspec.json.Decoder(Reply[Page[queries.Sensor]])
_actuators = msgspec.json.Decoder(Reply[Page[actuation.Actuator]])


class Surroundings:
    """Knows what the log says, and asks ingest and the actuator service where that is not enough.

    It is not where a device has been silent for long, or where the log is still being read.

    Args:
        log: The connection.
        surveyor: Follows in the log what there is.
        webhooks: Names of those that are set; None where nobody knows.
    """

    def __init__(self, log: EventLog, surveyor: Surveyor, webhooks: frozenset[str] | None = None) -> None:
        self._log = log
        self._webhooks = webhooks
        self._surveyor = surveyor

    async def around(self, values: Any, rules: Mapping[str, Rule]) -> tuple[Site, list[Fault]]:  # JSON values
        """What there is on the devices that are named in a rule, and what could not be found out.

        Args:
            values: The rule.
            rules: All others.
        """
        named = Named.of(values)
        sensors: Sensors | None = {}
        actuators: Actuators | None = {}
        for esp_id in sorted(named.devices):
            known = self._surveyor.survey.of(esp_id)
            missing = {key for key in named.sensors - known.sensors.keys() if key[0] == esp_id}
            sensors = _joined(sensors, await self._sensors(esp_id, known.sensors) if missing else known.sensors)
            absent = {key for key in named.pins - known.actuators.keys() if key[0] == esp_id}
            actuators = _joined(
                actuators, await self._actuators(esp_id, known.actuators) if absent else known.actuators
            )
        faults = [
            Fault(path="", code=Code.SERVICE_ERROR, detail=UNCHECKED[name], weight="warning")
            for name, found in (("sensors", sensors), ("actuators", actuators))
            if found is None
        ]
        return Site(sensors=sensors, actuators=actuators, rules=rules, webhooks=self._webhooks), faults

    async def sensors(self, esp_id: str) -> list[queries.Sensor] | None:
        """Sensors of a device with their latest readings; None where nobody tells."""
        return await self._ask(SENSORS, queries.SensorsQuery(esp_id=esp_id, pending=True, limit=PAGE), _sensors)

    async def latest(self, rule: Rule, values: Mapping[str, float]) -> Readings | None:
        """Latest readings of the devices that a rule names, with values to assume, as a batch; None for none."""
        rows: dict[tuple[str, int, str, str], tuple[float | None, str, int, str]] = {}
        for esp_id in sorted(devices_of(rule)):
            for each in await self.sensors(esp_id) or ():
                if each.latest is not None:
                    latest = each.latest
                    key = (each.esp_id, each.gpio, each.sensor_type, each.address)
                    rows[key] = (latest.value, latest.quality, latest.measured_at, each.unit)
        for name, value in values.items():
            esp_id, gpio, sensor_type = name.split("/")
            place = (esp_id, int(gpio), sensor_type)
            keys = [key for key in rows if key[:3] == place] or [(*place, "")]
            rows |= {key: (value, "good", now_us(), "") for key in keys}
        return _batch(rows) if rows else None

    async def _sensors(self, esp_id: str, known: Sensors) -> Sensors | None:
        """What is known of a device's sensors, and what ingest knows beside; None where it does not tell."""
        told = await self.sensors(esp_id)
        if told is None:
            return None
        found: Sensors = {}
        for each in told:
            key = (each.esp_id, each.gpio, each.sensor_type)
            found[key] = (*found.get(key, ()), SensorFact(each.address, each.unit))
        return found | known

    async def _actuators(self, esp_id: str, known: Actuators) -> Actuators | None:
        """The same of its actuators, which the actuator service knows."""
        asked = actuation.ActuatorsQuery(esp_id=esp_id, limit=PAGE)
        told = await self._ask(ACTUATORS, asked, _actuators)
        return None if told is None else {(each.esp_id, each.gpio): each.actuator_type for each in told} | known

    async def _ask(
        self, subject: str, asked: msgspec.Struct, decoder: msgspec.json.Decoder[Reply[Page[T]]]
    ) -> list[T] | None:
        try:
            answer = await self._log.nc.request(subject, msgspec.json.encode(asked), timeout=ANSWER_S)
            reply = decoder.decode(answer.data)
        except (nats.errors.Error, TimeoutError, msgspec.DecodeError) as error:
            _log.warning("nobody tells what there is", subject=subject, reason=repr(error))
            return None
        if reply.ok is None:
            _log.warning("nobody tells what there is", subject=subject, reason=repr(reply.problem))
            return None
        return list(reply.ok.items)


class Named(NamedTuple):
    """What is named anywhere in JSON values of a rule, of either shape."""

    devices: set[str]
    sensors: set[tuple[str, int, str]]
    pins: set[tuple[str, int]]

    @classmethod
    def of(cls, values: Any) -> Self:  # JSON values
        """What is named in them; a pin without a type may be an actuator."""
        named = cls(set(), set(), set())
        waiting = [values]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                named._take(value)
                waiting.extend(value.values())
            elif isinstance(value, list | tuple):
                waiting.extend(value)
        return named

    def _take(self, value: Mapping[str, Any]) -> None:
        esp_id, gpio, sensor_type = (value.get(name) for name in ("esp_id", "gpio", "sensor_type"))
        if not isinstance(esp_id, str) or not esp_id:
            return
        self.devices.add(esp_id)
        if isinstance(gpio, int) and isinstance(sensor_type, str):
            self.sensors.add((esp_id, gpio, sensor_type.lower()))
        elif isinstance(gpio, int):
            self.pins.add((esp_id, gpio))


def devices_of(rule: Rule) -> set[str]:
    """Devices that a rule names."""
    return Named.of(msgspec.to_builtins(rule)).devices


def _joined(first: dict[K, V] | None, second: dict[K, V] | None) -> dict[K, V] | None:
    """Both, where both are known."""
    return None if first is None or second is None else first | second


def _batch(rows: Mapping[tuple[str, int, str, str], tuple[float | None, str, int, str]]) -> Readings:
    keys, facts = list(rows), list(rows.values())
    count, at = len(keys), [fact[2] for fact in facts]
    return Readings(
        kaiser_id="",
        reading_id=list(range(count)),
        sensor_id=[0] * count,
        esp_id=[key[0] for key in keys],
        gpio=[key[1] for key in keys],
        sensor_type=[key[2] for key in keys],
        address=[key[3] for key in keys],
        raw=[0.0] * count,
        value=[fact[0] for fact in facts],
        unit=[fact[3] for fact in facts],
        quality=[fact[1] for fact in facts],
        measured_at=at,
        time_source=["server"] * count,
        device_ts=[0] * count,
        received_at=at,
        zone_id=[""] * count,
        subzone_id=[""] * count,
        pending=[False] * count,
        flags=[""] * count,
    )
