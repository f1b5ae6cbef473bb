"""What a ``head`` device knows, and how it says things: through the registration gate (wire contract, 5.8)."""

from collections import deque
from typing import Any, Final

from kaiser.fleet.drivers import Actuator
from kaiser.fleet.firmware import Firmware
from kaiser.fleet.message import Outgoing
from kaiser.fleet.sensors import DS18B20_FAULT, SensorSpec
from kaiser.fleet.sent import Key
from kaiser.fleet.text import b, f2, fields, s

CONFIG_PENDING: Final = 8
OPERATIONAL: Final = 9
PENDING_APPROVAL: Final = 10
SAFE_MODE: Final = 12
ERROR: Final = 14
"""States by number (section 6.9); they mean something else on ``dec``."""
STATE_NAMES: Final = {
    CONFIG_PENDING: "CONFIG_PENDING_AFTER_RESET",
    OPERATIONAL: "OPERATIONAL",
    PENDING_APPROVAL: "PENDING_APPROVAL",
    SAFE_MODE: "SAFE_MODE",
    ERROR: "ERROR",
}

OUTBOX: Final = 48
"""Critical outcomes kept in flash until they can be sent."""
ERROR_SLOTS: Final = 32
ERROR_PAUSE_S: Final = 60.0


class Handover:
    """Where the device stands with its server.

    Attributes:
        session: Counts connections since boot; announced on each.
        active: What an acknowledgement has to echo; 0 for none.
        completed: The last one that was acknowledged.
        registered: Whether the gate is open.
        reconnecting: Whether only the active epoch will do.
        offline: Whether the device works by itself (OFFLINE_ACTIVE).
        heard_at_s: Uptime of the last valid acknowledgement, or of the connection.
        connected_at_s: Uptime of the connection.
        rejects: Acknowledgements refused since boot.
        last_reject: Why.
    """

    def __init__(self) -> None:
        self.session = 0
        self.active = 0
        self.completed = 0
        self.registered = False
        self.reconnecting = False
        self.offline = False
        self.heard_at_s = 0.0
        self.connected_at_s = 0.0
        self.rejects = 0
        self.last_reject = ""


class HeadState(Firmware):
    """State and messages of a ``head`` device; the rules are in the modules beside.

    Attributes:
        handover: Where it stands with its server.
        boots: How often it was started.
        seq: Of its last message; shared by all kinds, from 1 at each boot.
        pending: Whether the server has not approved it; kept in flash.
        rejected: Whether the server rejected it; kept in flash.
        safe_mode: Whether somebody put it there.
        generation: Of the last configuration that it took; kept in flash.
        subzones: Pins by subzone.
        stopped_at_s: Uptime of the emergency stop; None without one.
        kept: Critical outcomes that were not sent; in flash.
    """

    largest_packet = 8192

    def __init__(self, *args: Any, **options: Any) -> None:  # as Firmware's
        super().__init__(*args, **options)
        self.handover = Handover()
        self.boots = self.spec.boot_count
        self.seq = 0
        self.pending = self.rejected = self.safe_mode = False
        self.generation = 0
        self.subzones: dict[str, list[int]] = {}
        self.stopped_at_s: float | None = None
        self.emergency_token = self.spec.emergency_token
        self.broadcast_token = self.spec.broadcast_token
        self.kept: deque[dict[str, str]] = deque(maxlen=OUTBOX)
        self.confirmed_outcomes = 0
        self.offline_enters = 0
        self.tokenless_emergencies = 0
        self._errors_at_s: dict[int, float] = {}

    @property
    def measuring(self) -> bool:
        """Only through the open gate."""
        return self.online and self.handover.registered

    @property
    def state(self) -> int:
        """As in the heartbeat's ``config_status``."""
        if self.rejected:
            return ERROR
        if self.safe_mode:
            return SAFE_MODE
        if self.pending:
            return PENDING_APPROVAL
        return CONFIG_PENDING if bool(self.sensors) != bool(self.actuators) else OPERATIONAL

    def next_seq(self) -> str:
        """The number of the next message."""
        self.seq += 1
        return str(self.seq)

    def say(self, suffix: str, payload: str, *, qos: int = 1, gated: bool = True, key: Key | None = None) -> None:
        """Publish, unless the connection is down or the gate is closed for this kind of message: then it is lost."""
        if self.online and (self.handover.registered or not gated):
            self.put(Outgoing(self.topic(suffix), payload.encode(), qos=qos, key=key))

    def tell_reading(self, sensor: SensorSpec, raw: int, ts: int) -> None:
        """A reading; a probe that does not answer is an error instead (section 4.1)."""
        if raw == DS18B20_FAULT and sensor.sensor_type == "ds18b20":
            self.tell_error(1060, "HARDWARE", "DS18B20 fault value")
            return
        address = {}
        if len(sensor.address) == 16:
            address = {"onewire_address": s(sensor.address)}
        elif sensor.address:
            address = {"i2c_address": sensor.address}
        payload = fields(
            esp_id=s(self.esp_id),
            seq=self.next_seq(),
            zone_id=s(self.zone_id),
            subzone_id=s(sensor.subzone_id),
            gpio=str(sensor.gpio),
            sensor_type=s(sensor.sensor_type),
            raw=str(raw),
            value=f2(sensor.preview(raw)),
            unit=s(sensor.unit),
            quality=s(quality(sensor, raw)),
            ts=str(ts),
            time_valid=b(self.clock.valid),
            raw_mode=b(sensor.raw_mode),
            **address,
        )
        self.say(f"sensor/{sensor.gpio}/data", payload, key=self.key(sensor, raw, ts))

    def tell_status(self, actuator: Actuator) -> None:
        """An actuator's state."""
        source = {"command_source": s(actuator.source)} if actuator.source else {}
        self.say(
            f"actuator/{actuator.gpio}/status",
            fields(
                esp_id=s(self.esp_id),
                seq=self.next_seq(),
                zone_id=s(self.zone_id),
                subzone_id=s(actuator.subzone_id),
                ts=str(self.clock.unix_s),
                gpio=str(actuator.gpio),
                type=s(actuator.kind),
                state=b(actuator.state),
                pwm=str(actuator.pwm),
                runtime_ms=str(actuator.runtime_ms(self.clock.uptime_s)),
                emergency=s(actuator.emergency),
                **source,
            ),
        )

    def tell_alert(self, gpio: int, alert_type: str, message: str) -> None:
        """Something happened by itself."""
        self.say(
            f"actuator/{gpio}/alert",
            fields(
                esp_id=s(self.esp_id),
                seq=self.next_seq(),
                zone_id=s(self.zone_id),
                ts=str(self.clock.unix_s),
                gpio=str(gpio),
                alert_type=s(alert_type),
                message=s(message),
            ),
        )

    def tell_error(self, code: int, category: str, message: str, *, severity: int = 2) -> None:
        """A fault, at most once a minute for each of 32 slots, so that two codes may shadow one another."""
        slot, now = code % ERROR_SLOTS, self.clock.uptime_s
        if slot in self._errors_at_s and now - self._errors_at_s[slot] < ERROR_PAUSE_S:
            return
        self._errors_at_s[slot] = now
        self.say(
            "system/error",
            fields(
                error_code=str(code),
                severity=str(severity),
                category=s(category),
                message=s(message),
                context=fields(esp_id=s(self.esp_id), uptime_ms=str(self.clock.uptime_ms)),
                ts=str(self.clock.unix_s),
            ),
            qos=0,
        )

    def outputs_to_default(self) -> None:
        """Every output falls back, as without a server."""
        for actuator in self.actuators.values():
            if actuator.fall_back(self.clock.uptime_s):
                actuator.source = "safety"
                self.tell_status(actuator)


def quality(sensor: SensorSpec, raw: int) -> str:
    """``suspect`` at an ADC's rails and for a DS18B20 that cannot be right (section 4.1)."""
    if sensor.analog and not 50 <= raw <= 4045:
        return "suspect"
    if sensor.sensor_type == "ds18b20" and not -880 <= raw <= 2000:
        return "suspect"
    return "good"
