"""The ``dec`` personality: everything QoS 0, what it calls QoS 1 is retained, and deaf after its first reconnect."""

import asyncio
from typing import Any, Final

import aiomqtt

from kaiser.fleet.device import Device
from kaiser.fleet.sensors import SensorSpec

HEARTBEAT_S: Final = 60.0
ATTEMPTS: Final = 10
"""Reconnects after which it gives up until it is power-cycled (wire contract, 6.2)."""
UINT32: Final = 1 << 32


class DecDevice(Device):
    """A device with ``dec`` firmware.

    Attributes:
        deaf: Whether it subscribes to nothing any more: it does so on its first connection only.
        outputs: State of each configured actuator.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.deaf = False
        self.outputs: dict[int, bool] = {}

    def may_reconnect(self, failures: int) -> bool:
        """Ten times."""
        return failures <= ATTEMPTS

    def will(self) -> str:
        """Without the device's id; the time is when the connection was made, or 0."""
        return f'{{"status":"offline","reason":"unexpected_disconnect","timestamp":{self.ts()}}}'

    async def serve(self, client: aiomqtt.Client) -> None:
        """Subscribe if this is the first connection, then beat and publish readings."""
        async with asyncio.TaskGroup() as tasks:
            if not self.deaf:
                for suffix in ("actuator/+/command", "config", "system/command", "zone/assign", "subzone/assign"):
                    await client.subscribe(self.topic(suffix), qos=0)
                await client.subscribe("kaiser/broadcast/emergency", qos=0)
                tasks.create_task(self._listen(client))
            self.deaf = True
            tasks.create_task(self._beat(client))
            tasks.create_task(self.measure(client, qos=0, retain=True))

    def reading(self, sensor: SensorSpec, raw: int, ts: int) -> str:
        """As after the server's HTTP answer; a negative count wraps to 32 bits."""
        wrapped = raw % UINT32
        return (
            f'{{"esp_id":"{self.spec.esp_id}","zone_id":"{self.zone_id}","subzone_id":"","gpio":{sensor.gpio},'
            f'"sensor_type":"{sensor.sensor_type}","raw":{wrapped},"value":{sensor.preview(raw):.2f},'
            f'"unit":"{sensor.unit}","quality":"good","ts":{ts},"raw_mode":true}}'
        )

    def key(self, sensor: SensorSpec, raw: int, ts: int) -> tuple[str, int, str, str, int, int]:
        """It sends no bus addresses."""
        return (self.spec.esp_id, sensor.gpio, sensor.sensor_type, "", ts, raw)

    async def _beat(self, client: aiomqtt.Client) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S / self.spec.time_scale)
            await self.publish(client, self.topic("system/heartbeat"), self._heartbeat(), qos=0)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            topic, payload = str(message.topic), bytes(message.payload)
            suffix = topic.removeprefix(self.topic(""))
            if topic == "kaiser/broadcast/emergency":
                self.outputs = dict.fromkeys(self.outputs, False)
            elif suffix == "config":
                await self._configure(client)
            elif suffix.startswith("actuator/") and suffix.endswith("/command"):
                await self._actuate(client, int(suffix.split("/")[1]), payload.decode("ascii", "replace"))

    async def _configure(self, client: aiomqtt.Client) -> None:
        """Sensors always fail to be saved although they work (wire contract, 6.6)."""
        for kind in ("sensor", "actuator"):
            error = kind == "sensor"
            status = '"error"' if error else '"success"'
            code = ',"error_code":"NVS_WRITE_FAILED"' if error else ""
            payload = f'{{"status":{status},"type":"{kind}","count":{int(not error)},"message":"Configured"{code}}}'
            await self.publish(client, self.topic("config_response"), payload, qos=0, retain=True)
        self.outputs.setdefault(25, False)

    async def _actuate(self, client: aiomqtt.Client, gpio: int, text: str) -> None:
        """No JSON parser: the first ``"command":`` of the text counts."""
        command = text.partition('"command":')[2].partition('"')[2].partition('"')[0]
        success = gpio in self.outputs and command.upper() in ("ON", "OFF", "TOGGLE")
        if success:
            wanted = {"ON": True, "OFF": False}
            self.outputs[gpio] = wanted.get(command.upper(), not self.outputs[gpio])
        words = "Command executed" if success else "Command failed"
        response = (
            f'{{"esp_id":"{self.spec.esp_id}","zone_id":"{self.zone_id}","ts":{self.ts()},"gpio":{gpio},'
            f'"command":"{command}","value":{float(success):.3f},"duration":0,'
            f'"success":{str(success).lower()},"message":"{words}"}}'
        )
        status = self._status(gpio)
        # The control routine publishes the state, then comes the response, then the state again (section 4.5)
        for topic, payload in (("status", status), ("response", response), ("status", status)):
            if success or topic == "response":
                await self.publish(client, self.topic(f"actuator/{gpio}/{topic}"), payload, qos=0, retain=True)

    def _status(self, gpio: int) -> str:
        on = self.outputs.get(gpio, False)
        return (
            f'{{"esp_id":"{self.spec.esp_id}","zone_id":"{self.zone_id}","subzone_id":"","ts":{self.ts()},'
            f'"gpio":{gpio},"type":"pump","state":{str(on).lower()},"pwm":{255 * on},"runtime_ms":0,'
            '"emergency":"normal"}'
        )

    def _heartbeat(self) -> str:
        return (
            f'{{"esp_id":"{self.spec.esp_id}","zone_id":"{self.zone_id}","master_zone_id":"{self.master_zone_id}",'
            f'"zone_assigned":{str(bool(self.zone_id)).lower()},"ts":{self.ts()},"uptime":{int(self.uptime_s)},'
            f'"heap_free":198344,"wifi_rssi":-61,"sensor_count":{len(self.spec.sensors)},'
            f'"actuator_count":{len(self.outputs)}}}'
        )
