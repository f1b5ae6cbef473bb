"""The ``head`` personality (esp32dev build): real QoS, a registration gate, and answers with correlation ids."""

import asyncio
import json
import time
from typing import Any, Final

import aiomqtt

from kaiser.fleet.device import Device
from kaiser.fleet.sensors import SensorSpec

UNREGISTERED_HEARTBEAT_S: Final = 5.0
HEARTBEAT_S: Final = 60.0
ACK_TIMEOUT_S: Final = 120.0
LARGEST_ACK: Final = 235
"""Bytes of an acknowledgement that the 256-byte pool takes (wire contract, 5.8, as measured there)."""
OPERATIONAL: Final = 9

_SUBSCRIPTIONS: Final = (
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


def epoch_of_ack(payload: bytes, active: int) -> int | None:
    """The handover epoch of an acknowledgement that the firmware takes for valid; None for any other.

    Args:
        payload: The acknowledgement.
        active: The device's active epoch; 0 for none, which takes any.
    """
    if len(payload) > LARGEST_ACK:
        return None
    try:
        ack = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(ack, dict) or not isinstance(ack.get("status"), str):
        return None
    epoch = ack.get("handover_epoch")
    if type(epoch) is not int or epoch < 1 or (active and epoch != active):
        return None
    return epoch


class HeadDevice(Device):
    """A device with ``head`` firmware.

    Attributes:
        registered: Whether its gate is open: before, it publishes no reading and no status.
        rejected_acks: Acknowledgements that it did not take.
    """

    def __init__(self, *args: Any, boot: int = 17, **options: Any) -> None:
        super().__init__(*args, **options)
        self.registered = asyncio.Event()
        self.rejected_acks = 0
        self.outputs: dict[int, float] = {}
        self._boot = boot
        self._seq = 0
        self._epoch = 0
        self._last_ack = time.monotonic()
        self._generation = 0

    def may_reconnect(self, failures: int) -> bool:
        """Always."""
        del failures
        return True

    def will(self) -> str:
        """With the device's id, and when the connection was made."""
        return (
            f'{{"status":"offline","reason":"unexpected_disconnect","timestamp":{self.ts()},'
            f'"esp_id":"{self.spec.esp_id}"}}'
        )

    async def serve(self, client: aiomqtt.Client) -> None:
        """Subscribe, announce, beat, and publish readings once the gate is open."""
        self.registered.clear()
        for suffix, qos in _SUBSCRIPTIONS:
            await client.subscribe(self.topic(suffix), qos=qos)
        await client.subscribe("kaiser/broadcast/emergency", qos=2)
        await client.subscribe(f"kaiser/{self.spec.kaiser_id}/server/status", qos=1)
        await self._announce(client)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(client))
            tasks.create_task(self._beat(client))
            tasks.create_task(self._measure_when_registered(client))

    def reading(self, sensor: SensorSpec, raw: int, ts: int) -> str:
        """Built by concatenation, as the firmware does."""
        address = ""
        if len(sensor.address) == 16:
            address = f',"onewire_address":"{sensor.address}"'
        elif sensor.address:
            address = f',"i2c_address":{sensor.address}'
        valid = "true" if ts else "false"
        return (
            f'{{"esp_id":"{self.spec.esp_id}","seq":{self._next_seq()},"zone_id":"{self.zone_id}","subzone_id":"",'
            f'"gpio":{sensor.gpio},"sensor_type":"{sensor.sensor_type}","raw":{raw},"value":{sensor.preview(raw):.2f},'
            f'"unit":"{sensor.unit}","quality":"good","ts":{ts},"time_valid":{valid},"raw_mode":true{address}}}'
        )

    async def _announce(self, client: aiomqtt.Client) -> None:
        announced = self._epoch + 1
        reason = "boot" if announced <= 1 else "reconnect"
        payload = (
            f'{{"esp_id":"{self.spec.esp_id}","handover_epoch":{announced},"session_epoch":{announced},'
            f'"reason":"{reason}","ts_ms":{int(time.time() * 1000)},"boot_ts":"{int(time.time() - self.uptime_s)}"}}'
        )
        await self.publish(client, f"kaiser/god/esp/{self.spec.esp_id}/session/announce", payload, qos=1)
        self._epoch = announced

    async def _beat(self, client: aiomqtt.Client) -> None:
        while True:
            await self.publish(client, self.topic("system/heartbeat"), self._heartbeat(), qos=0)
            period = HEARTBEAT_S if self.registered.is_set() else UNREGISTERED_HEARTBEAT_S
            await asyncio.sleep(period / self.spec.time_scale)
            if time.monotonic() - self._last_ack > ACK_TIMEOUT_S / self.spec.time_scale:
                self._outputs_off()

    async def _measure_when_registered(self, client: aiomqtt.Client) -> None:
        await self.registered.wait()
        await self.measure(client, qos=1, retain=False)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            topic, payload = str(message.topic), bytes(message.payload)
            suffix = topic.removeprefix(self.topic(""))
            if suffix == "system/heartbeat/ack":
                self._acknowledged(payload)
            elif topic.endswith("/server/status"):
                self._server_said(payload)
            elif topic == "kaiser/broadcast/emergency" or suffix == "actuator/emergency":
                await self._emergency(client, payload, broadcast=topic == "kaiser/broadcast/emergency")
            elif suffix == "config":
                await self._configure(client, payload)
            elif suffix.startswith("actuator/"):
                await self._actuate(client, int(suffix.split("/")[1]), payload)
            elif suffix == "zone/assign":
                await self._assign_zone(client, payload)

    def _acknowledged(self, payload: bytes) -> None:
        epoch = epoch_of_ack(payload, self._epoch)
        if epoch is None:
            self.rejected_acks += 1
            return
        self._last_ack = time.monotonic()
        self.registered.set()

    def _server_said(self, payload: bytes) -> None:
        if b'"offline"' in payload:
            self._outputs_off()

    async def _emergency(self, client: aiomqtt.Client, payload: bytes, *, broadcast: bool) -> None:
        order = _object(payload)
        if order.get("command") not in ("stop_all", "emergency_stop"):
            return
        stopped = list(self.outputs)
        self._outputs_off()
        if not broadcast and self.registered.is_set():
            answer = {
                "ts": self.ts(),
                "esp_id": self.spec.esp_id,
                "correlation_id": order.get("correlation_id", ""),
                "command": "emergency_stop",
                "gpio_count": len(stopped),
                "outcome": "executed",
                "seq": self._next_seq(),
            }
            await self.publish(client, self.topic("actuator/emergency/ack"), json.dumps(answer), qos=1)

    async def _configure(self, client: aiomqtt.Client, payload: bytes) -> None:
        config = _object(payload)
        correlation, generation = config.get("correlation_id"), int(config.get("generation", 0))
        answer: dict[str, Any] = {"status": "success", "type": "sensor", "count": len(config.get("sensors", ()))}
        if not correlation:
            answer = {"status": "error", "type": "system", "count": 0, "error_code": "CONTRACT_MISSING_CORRELATION"}
            correlation = f"fw_{int(self.uptime_s * 1000)}_1"
        elif 0 < generation <= self._generation:
            answer = {"status": "error", "type": "sensor", "count": 0, "error_code": "STALE_SCOPE"}
        else:
            self._generation = max(self._generation, generation)
            self.outputs |= {item["gpio"]: 0.0 for item in config.get("actuators", ())}
        answer |= {"message": answer["status"], "seq": self._next_seq(), "correlation_id": correlation}
        await self.publish(client, self.topic("config_response"), json.dumps(answer), qos=1)

    async def _actuate(self, client: aiomqtt.Client, gpio: int, payload: bytes) -> None:
        order = _object(payload)
        command = str(order.get("command", ""))
        success = gpio in self.outputs and command.upper() in ("ON", "OFF", "PWM")
        if success:
            value = {"ON": 1.0, "OFF": 0.0}.get(command.upper(), float(order.get("value", 0.0)))
            self.outputs[gpio] = min(1.0, max(0.0, value))
        answer = {
            "esp_id": self.spec.esp_id,
            "seq": self._next_seq(),
            "zone_id": self.zone_id,
            "ts": self.ts(),
            "gpio": gpio,
            "command": command,
            "value": float(order.get("value", 0.0)),
            "duration": int(order.get("duration", 0)),
            "success": success,
            "message": "Command executed" if success else "Actuator not configured",
            "correlation_id": order.get("correlation_id", ""),
            "issued_by": order.get("issued_by", ""),
        }
        await self.publish(client, self.topic(f"actuator/{gpio}/response"), json.dumps(answer), qos=1)

    async def _assign_zone(self, client: aiomqtt.Client, payload: bytes) -> None:
        zone = _object(payload)
        self.zone_id, self.master_zone_id = str(zone.get("zone_id")), str(zone.get("master_zone_id"))
        answer = {
            "esp_id": self.spec.esp_id,
            "status": "zone_assigned" if self.zone_id else "zone_removed",
            "zone_id": self.zone_id,
            "master_zone_id": self.master_zone_id,
            "ts": self.ts(),
            "seq": self._next_seq(),
            "correlation_id": zone.get("correlation_id", ""),
        }
        await self.publish(client, self.topic("zone/ack"), json.dumps(answer), qos=1)

    def _outputs_off(self) -> None:
        self.outputs = dict.fromkeys(self.outputs, 0.0)

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def _heartbeat(self) -> str:
        flag = "true" if self.ts() else "false"
        assigned = "true" if self.zone_id else "false"
        return (
            f'{{"esp_id":"{self.spec.esp_id}","zone_id":"{self.zone_id}","master_zone_id":"{self.master_zone_id}",'
            f'"zone_assigned":{assigned},"ts":{self.ts()},"time_valid":{flag},'
            f'"boot_sequence_id":"{self.spec.esp_id}-b{self._boot}-r1","reset_reason":"POWERON",'
            f'"segment_start_ts":{int(time.time() - self.uptime_s)},"uptime":{int(self.uptime_s)},"heap_free":161200,'
            f'"wifi_rssi":-{55 + self._boot % 20},"sensor_count":{len(self.spec.sensors)},'
            f'"actuator_count":{len(self.outputs)},"wifi_ip":"192.168.4.51","active_handover_epoch":{self._epoch},'
            '"handover_completed_epoch":0,"persistence_degraded":false,"persistence_degraded_reason":"",'
            '"runtime_state_degraded":false,"mqtt_circuit_breaker_open":false,"wifi_circuit_breaker_open":false,'
            '"network_degraded":false,"config_status":{"wifi_configured":true,"zone_assigned":'
            f'{assigned},"system_configured":true,"subzone_count":0,"boot_count":{self._boot},"state":{OPERATIONAL}}}}}'
        )


def _object(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
