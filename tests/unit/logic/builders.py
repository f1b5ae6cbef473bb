"""A site in few words: what happens there, and what an engine decides."""

from kaiser.contracts.events.actuation import CommandEnded, CommandRequested
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.logic import CommandAsked, RuleDefined, RuleDisabled, RuleEnabled
from kaiser.contracts.events.safeguards import ActuatorRef, SensorRef
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.rules import Command, Compare, Rule
from kaiser.contracts.wire import ActuatorStatus, Heartbeat, LastWill
from kaiser.logic.engine import Engine
from kaiser.logic.ordering import Message

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
NOON = 1_777_464_000 * SECOND  # 2026-04-29 12:00 UTC
ESP = "ESP_0A1B2C"
SOIL = SensorRef(ESP, 34, "moisture")
AIR = SensorRef(ESP, 4, "ds18b20")
PUMP = ActuatorRef(ESP, 25)
FAN = ActuatorRef(ESP, 26)

ON = Command(actuator=PUMP, command="ON", wait=False)
OFF = Command(actuator=PUMP, command="OFF", wait=False)


def below(value, sensor=SOIL, **fields):
    return Compare(sensor=sensor, operator="<", value=value, **fields)


def above(value, sensor=SOIL, **fields):
    return Compare(sensor=sensor, operator=">", value=value, **fields)


def rule(condition=None, actions=(ON,), **fields):
    return Rule(name=fields.pop("name", "A rule"), condition=condition, actions=tuple(actions), **fields)


def readings(*rows, at):
    """A batch; a row is (sensor, value) and whatever is not as usual."""
    usual = {"quality": "good", "measured_at": at, "address": "", "unit": "%", "pending": False}
    full = [{**usual, "reading_id": at + i, **(row[2] if len(row) > 2 else {})} for i, row in enumerate(rows)]
    return Readings(
        kaiser_id="god",
        reading_id=[row["reading_id"] for row in full],
        sensor_id=[0] * len(rows),
        esp_id=[row[0].esp_id for row in rows],
        gpio=[row[0].gpio for row in rows],
        sensor_type=[row[0].sensor_type for row in rows],
        address=[row["address"] for row in full],
        raw=[0.0] * len(rows),
        value=[row[1] for row in rows],
        unit=[row["unit"] for row in full],
        quality=[row["quality"] for row in full],
        measured_at=[row["measured_at"] for row in full],
        time_source=["device"] * len(rows),
        device_ts=[0] * len(rows),
        received_at=[at] * len(rows),
        zone_id=[""] * len(rows),
        subzone_id=[""] * len(rows),
        pending=[row["pending"] for row in full],
        flags=[""] * len(rows),
    )


def status(actuator, level, at):
    message = ActuatorStatus(
        esp_id=actuator.esp_id, ts=0, gpio=actuator.gpio, actuator_type="pwm",
        state=None if level is None else level > 0, pwm=None if level is None else round(level * 255),
    )  # fmt: skip
    return DeviceSaid(kaiser_id="god", esp_id=actuator.esp_id, generation="head", received_at=at, message=message)


def heartbeat(esp_id, at):
    beat = Heartbeat(esp_id=esp_id, ts=0, uptime=1, heap_free=1, wifi_rssi=-50)
    return DeviceSaid(kaiser_id="god", esp_id=esp_id, generation="head", received_at=at, message=beat)


def last_will(esp_id, at):
    return DeviceSaid(
        kaiser_id="god", esp_id=esp_id, generation="head", received_at=at,
        message=LastWill(status="offline", reason="unexpected_disconnect", timestamp=0),
    )  # fmt: skip


class Site:
    """An engine, and a log that it was fed from.

    Attributes:
        log: Every message in order.
        decisions: Everything that was decided.
    """

    def __init__(self, now=NOON, engine=None):
        self.engine = engine or Engine()
        self.now = now
        self.log = []
        self.decisions = []
        self._seq = 0

    def happens(self, event, stream="ACTUATORS", at=None):
        """An event is stored, now or at another moment; returns what is decided by it."""
        self._seq += 1
        self.now = max(self.now, at or 0)
        message = Message(self.now if at is None else at, stream, self._seq, event)
        self.log.append(message)
        return self._note(self.engine.take(stream, self._seq, message.at, event))

    def define(self, rule, rule_id="r", version=1):
        self.happens(RuleDefined(rule_id=rule_id, at=self.now, by="t", version=version, rule=rule), "LOGIC")
        self.now += 1
        return self.enable(rule_id, version)

    def enable(self, rule_id="r", version=1):
        decided = self.happens(RuleEnabled(rule_id=rule_id, at=self.now, by="t", version=version), "LOGIC")
        self.now += 1
        return decided

    def disable(self, rule_id="r"):
        return self.happens(RuleDisabled(rule_id=rule_id, at=self.now, by="t"), "LOGIC")

    def measures(self, value, sensor=SOIL, **fields):
        """A second passes, and a sensor measures something."""
        self.now += SECOND
        return self.happens(readings((sensor, value, fields), at=self.now), "TELEMETRY")

    def reports(self, level, actuator=PUMP):
        self.now += SECOND
        return self.happens(status(actuator, level, self.now))

    def passes(self, span):
        """Time passes, and nothing comes."""
        self.now += span
        return self._note(self.engine.tick(self.now))

    def answers(self, outcome="succeeded", code=""):
        """The last command that was asked for comes to its end."""
        asked = next(each for each in reversed(self.decisions) if isinstance(each, CommandAsked))
        return self.answers_to(asked, outcome, code)

    def answers_to(self, asked, outcome="succeeded", code=""):
        key = f"{asked.run_id}/{asked.step}"
        pin = {"kaiser_id": "god", "esp_id": asked.esp_id, "gpio": asked.gpio, "command_id": f"cmd {key}"}
        self.now += SECOND
        self.happens(
            CommandRequested(
                **pin, at=self.now, correlation_id="c", action="ON", asked="ON", level=1.0, source="rule",
                by=asked.rule_id, idempotency_key=key, deadline_at=0,
            )
        )  # fmt: skip
        self.now += SECOND
        return self.happens(CommandEnded(**pin, at=self.now, correlation_id="c", outcome=outcome, code=code))

    def of(self, kind):
        """Decisions of a kind."""
        return [each for each in self.decisions if isinstance(each, kind)]

    def commands(self):
        """Commands that were asked for, in short."""
        return [
            f"{each.rule_id} {each.command}{'' if each.level is None else f' {each.level:g}'} {each.gpio}"
            for each in self.of(CommandAsked)
        ]

    def truth(self, rule_id="r"):
        return self.engine.core.rules[rule_id].state.truth

    def _note(self, decisions):
        self.decisions += decisions
        return decisions
