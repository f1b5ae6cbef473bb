"""A site in few words: what happens there as events, folded as they come and kept to be folded again."""

from typing import Any

import msgspec

from kaiser.contracts.events.actuation import CommandAcknowledged, CommandDispatched, CommandEnded, CommandRequested
from kaiser.contracts.events.device import DeviceSaid
from kaiser.contracts.events.equipment import WantedActuator
from kaiser.contracts.events.safeguards import (
    ActuatorRef,
    EmergencyReleased,
    EmergencyRequested,
    InterlockRemoved,
    InterlockSet,
    Limits,
    LimitsSet,
    Rule,
    Scope,
    SensorRef,
)
from kaiser.contracts.events.telemetry import Readings
from kaiser.contracts.wire import ActuatorStatus
from kaiser.safety.deciding import Verdict, decide, decision
from kaiser.safety.folding import fold_actuators, fold_member, fold_readings, fold_safety
from kaiser.safety.state import State, View
from kaiser.safety.watching import Look, confirmed, look, stopped

SECOND = 1_000_000
NOW = 1_767_100_000 * SECOND
ESP = "ESP_0A1B2C"
PUMP, LAMP, HEATER, FAN = (ActuatorRef(ESP, gpio) for gpio in (25, 26, 27, 14))
SENSOR = SensorRef(ESP, 4, "ds18b20")
FOLDS = {"ACTUATORS": fold_actuators, "SAFETY": fold_safety, "TELEMETRY": fold_readings}


class Site:
    """One device with a pump, a lamp on PWM, a heater and a fan, all of them known to be off for an hour."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.state = State()
        self.now = NOW - 3600 * SECOND
        self.log: list[tuple[str, int, Any]] = []
        self.seqs = dict.fromkeys(FOLDS, 0)
        self.open: dict[ActuatorRef, str] = {}
        types = {25: "pump", 26: "pwm", 27: "relay", 14: "valve"}
        wanted = {pin: WantedActuator(gpio=pin, actuator_type=kind, name=kind) for pin, kind in types.items()}
        self.member(
            esp_id=ESP, kaiser_id="god", standing="approved", actuators=wanted, heard_at=self.now, zone_said="north"
        )
        if not quiet:
            for ref in (PUMP, LAMP, HEATER, FAN):
                self.status(ref, 0.0)
        self.now = NOW

    def after(self, seconds: float) -> "Site":
        self.now += round(seconds * SECOND)
        return self

    def event(self, stream: str, event: Any) -> int:
        self.seqs[stream] += 1
        self.log.append((stream, self.seqs[stream], event))
        FOLDS[stream](self.state, self.seqs[stream], event)
        return self.seqs[stream]

    def member(self, **changes: Any) -> None:
        esp_id = changes.pop("esp_id", ESP)
        member = msgspec.structs.replace(self.state.member(esp_id), esp_id=esp_id, **changes)
        self.log.append(("roster", 0, member))
        fold_member(self.state, member)

    def lose(self) -> None:
        self.member(lost_at=self.now, lost_because="last_will")

    def come_back(self) -> None:
        self.member(heard_at=self.now)

    def status(self, ref: ActuatorRef, level: float | None, **changes: Any) -> None:
        wanted = self.state.member(ref.esp_id).actuators.get(ref.gpio)
        kind = wanted.actuator_type if wanted is not None else "relay"
        pwm = round((level or 0) * (254 if kind == "valve" else 255))
        state = None if level is None else level > 0
        said = {"actuator_type": kind, "state": state, "pwm": pwm if level is not None else None} | changes
        status = ActuatorStatus(esp_id=ref.esp_id, gpio=ref.gpio, **{"ts": 0} | said)
        self.event(
            "ACTUATORS",
            DeviceSaid(kaiser_id="god", esp_id=ref.esp_id, generation="dec", received_at=self.now, message=status),
        )

    def request(
        self, ref: ActuatorRef, action: str = "ON", level: float | None = None, **more: Any
    ) -> CommandRequested:
        level = level if level is not None else float(action == "ON")
        request = CommandRequested(
            **self.about(ref, f"c{self.seqs['ACTUATORS'] + 1}"),
            **{"action": action, "asked": action, "level": level, "source": "user", "by": "anna"}
            | {"deadline_at": self.now + 60 * SECOND}
            | more,
        )
        self.event("ACTUATORS", request)
        self.open[ref] = request.command_id
        return request

    def about(self, ref: ActuatorRef, command_id: str = "") -> dict[str, Any]:
        command_id = command_id or self.open[ref]
        about = {"kaiser_id": "god", "esp_id": ref.esp_id, "gpio": ref.gpio, "at": self.now}
        return about | {"command_id": command_id, "correlation_id": f"x-{command_id}"}

    def decide(self, request: CommandRequested, **more: Any) -> Verdict:
        return decide(self.state, request, self.now, **{"lease_until": self.now + SECOND} | more)

    def ask(self, ref: ActuatorRef, action: str = "ON", level: float | None = None, **more: Any) -> Verdict:
        """A request, its decision, and its end if it was rejected."""
        request = self.request(ref, action, level, **more)
        verdict = self.decide(request)
        if verdict.outcome != "deferred":
            self.event("SAFETY", decision(verdict, request, self.seqs["ACTUATORS"], self.now))
        if verdict.outcome == "rejected":
            self.end(ref, "rejected", code=verdict.code, rule=verdict.rule)
        return verdict

    def dispatch(self, ref: ActuatorRef) -> None:
        self.event("ACTUATORS", CommandDispatched(**self.about(ref), attempt=1, answer_by=self.now + 5 * SECOND))

    def acknowledge(self, ref: ActuatorRef) -> None:
        self.event("ACTUATORS", CommandAcknowledged(**self.about(ref), by_message="response"))

    def end(self, ref: ActuatorRef, outcome: str = "succeeded", **more: Any) -> None:
        self.event("ACTUATORS", CommandEnded(**self.about(ref), outcome=outcome, **more))

    def switch(self, ref: ActuatorRef, action: str = "ON", level: float | None = None, **more: Any) -> Verdict:
        """A command from beginning to end; what is rejected has no other effect."""
        verdict = self.ask(ref, action, level, **more)
        if verdict.approved:
            self.dispatch(ref)
            self.status(ref, level if level is not None else float(action == "ON"))
            self.end(ref)
        return verdict

    def limits(self, ref: ActuatorRef, **limits: Any) -> None:
        event = LimitsSet(at=self.now, by="anna", esp_id=ref.esp_id, gpio=ref.gpio, limits=Limits(**limits), reason="-")
        self.event("SAFETY", event)

    def interlock(self, rule: Rule | None, interlock_id: str = "x") -> None:
        common = {"at": self.now, "by": "anna", "interlock_id": interlock_id, "reason": "-"}
        self.event("SAFETY", InterlockRemoved(**common) if rule is None else InterlockSet(**common, rule=rule))

    def emergency(self, **scope: Any) -> None:
        scope = scope or {"kind": "site"}
        event = EmergencyRequested(at=self.now, by="anna", emergency_id="e1", scope=Scope(**scope), reason="smoke")
        self.event("SAFETY", event)

    def release(self) -> None:
        scope = self.state.latches["e1"].request.scope
        self.event("SAFETY", EmergencyReleased(at=self.now, by="anna", emergency_id="e1", scope=scope, reason="-"))

    def reading(self, value: float | None, **changes: Any) -> None:
        usual = {
            "reading_id": 1, "sensor_id": 1, "esp_id": ESP, "gpio": 4, "sensor_type": "ds18b20", "address": "28ff01",
            "raw": 0.0, "value": value, "unit": "°C", "quality": "good", "measured_at": self.now,
            "time_source": "server", "device_ts": 0, "received_at": self.now, "zone_id": "", "subzone_id": "",
            "pending": False, "flags": "",
        }  # fmt: skip
        self.event("TELEMETRY", Readings(kaiser_id="god", **{k: [v] for k, v in (usual | changes).items()}))

    def view(self, ref: ActuatorRef) -> View:
        return self.state.view(ref)

    def look(self, ref: ActuatorRef) -> Look:
        return look(self.state, ref, self.now)

    def watch(self, ref: ActuatorRef) -> str:
        """What a look does: ``stopped by …``, ``confirmed`` or nothing."""
        seen = self.look(ref)
        if seen.stop is not None:
            stop_id = f"s{self.seqs['SAFETY'] + 1}"
            self.event("SAFETY", stopped(self.state, seen, self.now, stop_id=stop_id))
            return f"stopped by {seen.stop.rule}"
        if seen.confirms is not None:
            self.event("SAFETY", confirmed(seen, self.now, tries=1))
            return "confirmed"
        return ""
