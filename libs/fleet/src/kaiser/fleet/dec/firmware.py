"""The ``dec`` firmware: who hears what, and what is done when (wire contract, section 6)."""

from typing import Any, Final

from kaiser.fleet.dec import actuation, configuration, zones
from kaiser.fleet.dec.state import DecState
from kaiser.fleet.firmware import BROADCAST
from kaiser.fleet.message import Outgoing, Subscribing, object_of
from kaiser.fleet.processing import Processing
from kaiser.fleet.text import fields, s

HEARTBEAT_S: Final = 60.0
"""There is no way to send one earlier: the first comes when the uptime reaches this."""

ATTEMPTS: Final = 10
"""Reconnects after which it gives up until somebody power-cycles it."""

RESET_AFTER_S: Final = 3.0
FALLBACK_KAISER_ID: Final = "god"


class DecFirmware(DecState):
    """A device with ``dec`` firmware."""

    def __init__(self, *args: Any, **options: Any) -> None:  # as Firmware's
        super().__init__(*args, **options)
        self._beat_at_s = HEARTBEAT_S

    def subscriptions(self) -> list[Subscribing]:
        """With QoS 0, and on the first connection only."""
        if self.deaf:
            return []
        suffixes = (
            "system/command",
            "config",
            "actuator/+/command",
            "actuator/emergency",
            "subzone/assign",
            "subzone/remove",
        )
        zone = f"kaiser/{self.kaiser_id or FALLBACK_KAISER_ID}/esp/{self.esp_id}/zone/assign"
        return [Subscribing(topic, 0) for topic in (*map(self.topic, suffixes), zone, BROADCAST)]

    def will(self) -> Outgoing:
        """Without the device's id; its time is when the connection is made."""
        payload = fields(status=s("offline"), reason=s("unexpected_disconnect"), timestamp=str(self.clock.unix_s))
        return Outgoing(self.topic("system/will"), payload.encode(), qos=1, retain=True)

    def connect(self) -> None:
        """From now on deaf for later connections; what was kept goes out."""
        self.online, self.deaf = True, True
        self.flush()

    def disconnect(self) -> None:
        """Outputs stay as they are, for ever."""
        self.online = False

    def may_reconnect(self, failures: int) -> bool:
        """Ten times. If the very first connection fails, nothing is ever subscribed."""
        if failures:
            self.deaf = True
        return failures <= ATTEMPTS and not self.gone

    def reboot(self) -> None:
        """Sensors come back from flash, actuators and subzones do not."""
        self.clock.reboot()
        self.online, self.deaf, self.leaves_at_s = False, False, None
        self.actuators, self.subzones = {}, {}
        self._ring.clear()
        self.faults.forget()
        self._measured.clear()
        self._processing = Processing(answers=self.spec.processing == "answers", address=self.spec.processing_at)
        self._beat_at_s, self._status_at_s, self._diagnostics_at_s = HEARTBEAT_S, 30.0, 60.0

    def beat(self) -> None:
        """Every minute."""
        if self.clock.uptime_s >= self._beat_at_s:
            self._beat_at_s = self.clock.uptime_s + HEARTBEAT_S
            self.tell_heartbeat()

    def receive(self, topic: str, payload: bytes) -> None:
        """Compared with the topics of its kaiser id as it is *now*, though it listens to those of when it connected."""
        suffix = topic.removeprefix(self.topic(""))
        levels = suffix.split("/")
        if topic == BROADCAST:
            actuation.broadcast_emergency(self, payload)
        elif topic == f"kaiser/{self.kaiser_id or FALLBACK_KAISER_ID}/esp/{self.esp_id}/zone/assign":
            zones.assign_zone(self, payload)
        elif suffix == topic:
            return
        elif levels[0] == "actuator":  # actuator/emergency dies here, for its second level is no pin
            if len(levels) == 3 and levels[2] == "command" and levels[1].isdigit():
                actuation.command(self, int(levels[1]), payload)
        elif suffix == "config":
            configuration.configure(self, payload)
        elif suffix == "subzone/assign":
            zones.assign_subzone(self, payload)
        elif suffix == "subzone/remove":
            zones.remove_subzone(self, payload)
        elif suffix == "system/command":
            self._reset(payload)

    def _reset(self, payload: bytes) -> None:
        """The only system command, in exactly these words; afterwards it waits for somebody to set it up."""
        body = object_of(payload) or {}
        if body.get("command") == "factory_reset" and body.get("confirm") is True:
            self.say("system/command/response", fields(status=s("factory_reset_initiated"), esp_id=s(self.esp_id)))
            self.leaves_at_s = self.clock.uptime_s + RESET_AFTER_S
            self.gone = True
