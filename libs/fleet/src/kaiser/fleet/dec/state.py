"""What a ``dec`` device knows, and how it says things: QoS 0 always, and what it calls QoS 1 goes out retained."""

import math
from abc import abstractmethod
from collections import deque
from typing import Any, Final

from kaiser.fleet.drivers import Actuator
from kaiser.fleet.firmware import Firmware
from kaiser.fleet.message import Outgoing
from kaiser.fleet.processing import Processed, Processing
from kaiser.fleet.sensors import SensorSpec
from kaiser.fleet.text import b, f2, fields, s, u32

RING: Final = 100
"""Messages kept in memory while the connection is down; the oldest go first."""


class DecState(Firmware):
    """State and messages of a ``dec`` device; the rules are in the modules beside.

    Attributes:
        deaf: Whether it hears nothing any more: it subscribes on its first connection only.
        subzones: Pins by subzone, in memory only.
    """

    largest_packet = 2048

    def __init__(self, *args: Any, **options: Any) -> None:  # as Firmware's
        super().__init__(*args, **options)
        self.deaf = False
        self.subzones: dict[str, list[int]] = {}
        self._ring: deque[Outgoing] = deque(maxlen=RING)
        self._processing = Processing(answers=self.spec.processing == "answers", address=self.spec.processing_at)

    @property
    def measuring(self) -> bool:
        """Whenever it is connected."""
        return self.online

    def say(self, suffix: str, payload: str, *, important: bool = True) -> None:
        """Publish; what the firmware wants to have QoS 1 is retained instead, and kept while the connection is down."""
        message = Outgoing(self.topic(suffix), payload.encode(), qos=0, retain=important)
        if self.online:
            self.put(message)
        elif important:
            self._ring.append(message)

    def flush(self) -> None:
        """Say what was kept, with the times it had."""
        self.put(*self._ring)
        self._ring.clear()

    def tell_reading(self, sensor: SensorSpec, raw: int, ts: int) -> None:
        """After the server's HTTP answer; without one there is no message, or the count goes out as it is."""
        said = self._processing.ask(
            self.clock.uptime_s,
            esp_id=self.esp_id,
            gpio=sensor.gpio,
            sensor_type=sensor.sensor_type,
            raw_value=raw % (1 << 32),
            timestamp=self.clock.uptime_ms,
        )
        if said == "nothing":
            return
        if said == "value":
            said = Processed(sensor.preview(raw), sensor.unit, "good")
        elif said == "raw":
            said = Processed(float(raw % (1 << 32)), "raw", "fair")
        payload = fields(
            esp_id=s(self.esp_id),
            zone_id=s(self.zone_id),
            subzone_id=s(sensor.subzone_id),
            gpio=str(sensor.gpio),
            sensor_type=s(sensor.sensor_type),
            raw=u32(raw),
            value=f2(math.nan if self.spec.value_is_nan else said.value),
            unit=s(said.unit),
            quality=s(said.quality),
            ts=str(ts),
            raw_mode="true",
        )
        key = (self.esp_id, sensor.gpio, sensor.sensor_type, "", ts, raw)
        self.put(Outgoing(self.topic(f"sensor/{sensor.gpio}/data"), payload.encode(), retain=True, key=key))

    def tell_status(self, actuator: Actuator) -> None:
        """An actuator's state."""
        self.say(
            f"actuator/{actuator.gpio}/status",
            fields(
                esp_id=s(self.esp_id),
                zone_id=s(self.zone_id),
                subzone_id=s(actuator.subzone_id),
                ts=str(self.clock.unix_s),
                gpio=str(actuator.gpio),
                type=s(actuator.kind),
                state=b(actuator.state),
                pwm=str(actuator.pwm),
                runtime_ms=str(actuator.runtime_ms(self.clock.uptime_s)),
                emergency=s(actuator.emergency),
            ),
        )

    def tell_alert(self, gpio: int, alert_type: str, message: str) -> None:
        """Something happened by itself."""
        self.say(
            f"actuator/{gpio}/alert",
            fields(
                esp_id=s(self.esp_id),
                zone_id=s(self.zone_id),
                ts=str(self.clock.unix_s),
                gpio=str(gpio),
                alert_type=s(alert_type),
                message=s(message),
            ),
        )

    def tell_heartbeat(self) -> None:
        """A sign of life."""
        self.say(
            "system/heartbeat",
            fields(
                esp_id=s(self.esp_id),
                zone_id=s(self.zone_id),
                master_zone_id=s(self.master_zone_id),
                zone_assigned=b(self.zone_id),
                ts=str(self.clock.unix_s),
                uptime=str(int(self.clock.uptime_s)),
                heap_free="198344",
                wifi_rssi="-61",
                sensor_count=str(len(self.sensors)),
                actuator_count=str(len(self.actuators)),
            ),
            important=False,
        )

    def tell_diagnostics(self) -> None:
        """The device's own state; its time is the uptime."""
        uptime = str(int(self.clock.uptime_s))
        self.say(
            "system/diagnostics",
            fields(
                ts=uptime,
                esp_id=s(self.esp_id),
                heap_free="186112",
                heap_min_free="171004",
                heap_fragmentation="11",
                uptime_seconds=uptime,
                error_count="0",
                wifi_connected="true",
                wifi_rssi="-61",
                mqtt_connected=b(self.online),
                sensor_count=str(len(self.sensors)),
                actuator_count=str(len(self.actuators)),
                system_state=s("OPERATIONAL"),
            ),
            important=False,
        )

    @abstractmethod
    def beat(self) -> None:
        """A heartbeat, if one is due."""
