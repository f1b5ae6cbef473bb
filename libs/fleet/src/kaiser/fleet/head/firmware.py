"""The ``head`` firmware: who hears what, and what is done when (wire contract, sections 3.2, 6)."""

from typing import Any, Final

from kaiser.fleet.firmware import BROADCAST
from kaiser.fleet.head import actuation, configuration, emergencies, registration, system, zones
from kaiser.fleet.head.state import Handover, HeadState
from kaiser.fleet.message import Outgoing, Subscribing
from kaiser.fleet.text import fields, s

UNREGISTERED_HEARTBEAT_S: Final = 5.0
HEARTBEAT_S: Final = 60.0
METRICS_EVERY: Final = 5

SUBSCRIPTIONS: Final = (
    ("system/heartbeat/ack", 1),
    ("config", 2),
    ("system/command", 2),
    ("actuator/+/command", 2),
    ("actuator/emergency", 1),
    ("zone/assign", 1),
    ("subzone/assign", 1),
    ("subzone/remove", 1),
    ("subzone/safe", 1),
    ("sensor/+/command", 2),
)


class HeadFirmware(HeadState):
    """A device with ``head`` firmware."""

    def __init__(self, *args: Any, **options: Any) -> None:  # as Firmware's
        super().__init__(*args, **options)
        self._beat_at_s = 0.0
        self._beats = 0
        self._measured_metrics: dict[str, str] = {}

    def subscriptions(self) -> list[Subscribing]:
        """On each connection."""
        own = [Subscribing(self.topic(suffix), qos) for suffix, qos in SUBSCRIPTIONS]
        return [*own, Subscribing(BROADCAST, 2), Subscribing(self._server_status(), 1)]

    def will(self) -> Outgoing:
        """Its time is when the connection is made, not when it breaks."""
        payload = fields(
            status=s("offline"),
            reason=s("unexpected_disconnect"),
            timestamp=str(self.clock.unix_s),
            esp_id=s(self.esp_id),
        )
        return Outgoing(self.topic("system/will"), payload.encode(), qos=1, retain=True)

    def connect(self) -> None:
        """Announce, and ask for an acknowledgement at once."""
        self.online = True
        self._beat_at_s = self.clock.uptime_s
        registration.announce(self)
        self.beat()

    def disconnect(self) -> None:
        """The gate closes, and outputs fall back."""
        self.online, self.handover.registered = False, False
        self.handover.reconnecting = self.handover.session > 0
        self.outputs_to_default()

    def may_reconnect(self, failures: int) -> bool:
        """Always, unless it was reset."""
        del failures
        return not self.gone

    def reboot(self) -> None:
        """Configuration, approval and kept outcomes are in flash; emergency, outputs and numbers are not."""
        self.clock.reboot()
        self.online, self.leaves_at_s, self.stopped_at_s = False, None, None
        self.boots, self.seq, self._beats = self.boots + 1, 0, 0
        self.handover = Handover()
        for actuator in self.actuators.values():
            actuator.emergency = "normal"
            actuator.start(0.0)
        self._measured.clear()
        self._errors_at_s.clear()
        self.faults.forget()
        self._status_at_s, self._diagnostics_at_s, self._told = 30.0, 60.0, None

    def beat(self) -> None:
        """Every five seconds until it is registered, then every minute."""
        now = self.clock.uptime_s
        registration.watch(self)
        if now < self._beat_at_s:
            return
        self._beat_at_s = now + (HEARTBEAT_S if self.handover.registered else UNREGISTERED_HEARTBEAT_S)
        self._beats += 1
        self.say("system/heartbeat", registration.heartbeat(self), qos=0, gated=False)
        counted = registration.metrics(self)
        if self.handover.registered and (counted != self._measured_metrics or self._beats % METRICS_EVERY == 0):
            self._measured_metrics = counted
            payload = fields(esp_id=s(self.esp_id), ts=str(self.clock.unix_s), **counted)
            self.say("system/heartbeat_metrics", payload, qos=0)

    def tell_diagnostics(self) -> None:
        """The device's own state."""
        self.say("system/diagnostics", system.diagnostics(self), qos=0)

    def receive(self, topic: str, payload: bytes) -> None:
        """By suffix; what is below a kaiser id that it has left goes by unheard."""
        if topic == BROADCAST:
            emergencies.broadcast(self, payload)
            return
        if topic == self._server_status():
            registration.server_said(self, payload)
            return
        suffix = topic.removeprefix(self.topic(""))
        levels = suffix.split("/")
        if suffix == topic:
            return
        if len(levels) == 3 and levels[2] == "command" and levels[1].isdigit():
            receive = actuation.command if levels[0] == "actuator" else system.measure
            receive(self, int(levels[1]), payload)
        elif (handle := _HANDLERS.get(suffix)) is not None:
            registered = self.handover.registered
            handle(self, payload)
            if self.handover.registered and not registered:
                self._beat_at_s = self.clock.uptime_s + HEARTBEAT_S

    def _server_status(self) -> str:
        return f"kaiser/{self.kaiser_id}/server/status"


_HANDLERS: Final = {
    "system/heartbeat/ack": registration.acknowledged,
    "config": configuration.configure,
    "system/command": system.command,
    "actuator/emergency": emergencies.order,
    "zone/assign": zones.assign_zone,
    "subzone/assign": zones.assign_subzone,
    "subzone/remove": zones.remove_subzone,
    "subzone/safe": zones.safe_subzone,
}
