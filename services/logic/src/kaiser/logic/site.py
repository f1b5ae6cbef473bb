"""What there is to watch and to switch, for the checks of rules, and what was measured last, for drafts."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec
import nats.errors
import structlog

from kaiser.contracts import queries, subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.logic import Fault
from kaiser.contracts.queries import Page, Reply
from kaiser.contracts.rules import Rule
from kaiser.eventlog import EventLog, now_us
from kaiser.logic.surveyor import Surveyor
from kaiser.logic.validating import Site

_log = structlog.get_logger(__name__)

ANSWER_S: Final = 1.5
"""Whoever orders a rule waits for it."""
PAGE: Final = 1000
SENSORS: Final = subjects.query("ingest", "sensors")

T = TypeVar("T")
_sensors = msgspec.json.Decoder(Reply[Page[queries.Sensor]])


class Surroundings:
    """What is known of the site.

    Args:
        log: The connection.
        surveyor: Knows what sensors and actuators there are.
    """

    def __init__(self, log: EventLog, surveyor: Surveyor) -> None:
        self._log = log
        self._surveyor = surveyor

    def site(self, rules: Mapping[str, Rule]) -> tuple[Site, list[Fault]]:
        """What there is, and what could not be found out.

        Args:
            rules: All others.
        """
        if missing := self._surveyor.missing:
            words = f"whether its sensors and actuators are there was not checked: still {missing}"
            return Site(rules=rules), [Fault(path="", code=Code.SERVICE_ERROR, detail=words, weight="warning")]
        return self._surveyor.survey.site(rules), []

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


def devices_of(rule: Rule) -> set[str]:
    """Devices that a rule names."""
    return set(_devices(msgspec.to_builtins(rule)))


def _devices(values: Any) -> Iterator[str]:  # JSON values
    """Devices that are named anywhere in them."""
    if isinstance(values, dict):
        if isinstance(esp_id := values.get("esp_id"), str) and esp_id:
            yield esp_id
        for each in values.values():
            yield from _devices(each)
    elif isinstance(values, list | tuple):
        for each in values:
            yield from _devices(each)


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
