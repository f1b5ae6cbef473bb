"""A device without a broker, with a clock that moves when it is told to; and a life in which everything is said once.

For tests of the firmware's rules, and for :mod:`kaiser.fleet.check`.
"""

import json
from typing import Any, Final

from kaiser.fleet.clock import Clock
from kaiser.fleet.dec import DecFirmware
from kaiser.fleet.firmware import BROADCAST
from kaiser.fleet.head import HeadFirmware
from kaiser.fleet.message import Outgoing
from kaiser.fleet.sensors import DS18B20_FAULT, SensorSpec, five_sensors
from kaiser.fleet.spec import ActuatorSpec, DeviceSpec, Generation

ESP: Final = "ESP_0A1B2C"
BEGAN_S: Final = 1_777_500_000
PUMP: Final = 25
VALVE: Final = 27
MISSING_PROBE: Final = "28FF000000000000"


class Bench:
    """One device on a table.

    Args:
        spec: What it is.
        connected: Whether it is connected already; a ``head`` device is acknowledged then, too.

    Attributes:
        device: Its firmware.
        said: Everything it published so far.
        will: Its last will, as of the last connection.
    """

    def __init__(self, spec: DeviceSpec, *, connected: bool = True) -> None:
        self.now_s = 0.0
        clock = Clock(off_s=spec.clock_off_s, unix=lambda: BEGAN_S + self.now_s, monotonic=lambda: self.now_s)
        self.device = DecFirmware(spec, clock) if spec.generation == "dec" else HeadFirmware(spec, clock)
        self.said: list[Outgoing] = []
        self.will = self.device.will()
        if connected:
            self.connect()
            if spec.generation == "head":
                self.acknowledge()

    def connect(self) -> list[Outgoing]:
        """Connect; returns what is said at once."""
        self.will = self.device.will()
        self.device.subscriptions()
        self.device.connect()
        return self._collect()

    def acknowledge(self, **changed: Any) -> list[Outgoing]:  # of any JSON types
        """A heartbeat's acknowledgement, valid but for what is changed; None leaves a field out."""
        assert isinstance(self.device, HeadFirmware)
        body = {"status": "online", "handover_epoch": self.device.handover.active, "server_time": BEGAN_S} | changed
        return self.hear("system/heartbeat/ack", **{name: value for name, value in body.items() if value is not None})

    def hear(self, suffix: str, **body: Any) -> list[Outgoing]:  # of any JSON types
        """A message below the device's own topics; returns what it says to that."""
        return self.hear_bytes(self.device.topic(suffix), json.dumps(body).encode())

    def hear_bytes(self, topic: str, payload: bytes) -> list[Outgoing]:
        """A message; returns what the device says to it."""
        self.device.receive(topic, payload)
        return self._collect()

    def wait(self, seconds: float) -> list[Outgoing]:
        """Let time pass, in turns of at most a second; returns what is said meanwhile."""
        said, ends = [], self.now_s + seconds
        while True:
            self.device.pass_time()
            said += self._collect()
            if self.now_s >= ends:
                return said
            self.now_s = min(ends, self.now_s + 1.0)

    def _collect(self) -> list[Outgoing]:
        new = [wish for wish in self.device.drain() if isinstance(wish, Outgoing)]
        self.said += new
        return new


def a_spec(generation: Generation, esp_id: str = ESP, **options: Any) -> DeviceSpec:  # of DeviceSpec's types
    """A device with five sensors, a pump and a valve."""
    given = {
        "sensors": five_sensors(1, dec=generation == "dec"),
        "actuators": (ActuatorSpec(gpio=PUMP), ActuatorSpec(gpio=VALVE, actuator_type="valve")),
        "zone_id": "north_tent",
        "master_zone_id": "house",
        "missing_probes": (MISSING_PROBE,),
    }
    return DeviceSpec(esp_id=esp_id, generation=generation, **{**given, **options})


def everything(generation: Generation) -> list[Outgoing]:
    """Everything that a generation says, each kind of message at least once; its last will included."""
    return _all_of_dec() if generation == "dec" else _all_of_head()


def _all_of_dec() -> list[Outgoing]:
    bench = Bench(a_spec("dec"))
    bench.wait(130)
    _config(bench)
    for command, value in (("ON", 1.0), ("STOP", 0.0)):
        bench.hear(f"actuator/{PUMP}/command", command=command, value=value)
    bench.hear("config", sensors=[{"gpio": 26, "sensor_type": "ph", "sensor_name": "a"}], actuators=[])
    bench.hear("zone/assign", zone_id="x", master_zone_id="", zone_name="", kaiser_id="god")
    bench.hear_bytes(bench.device.topic("zone/assign"), b"no JSON")
    bench.hear("subzone/assign", subzone_id="bench_a", parent_zone_id="x", assigned_gpios=[PUMP])
    bench.hear_bytes(BROADCAST, b'{"command":"stop_all"}')
    bench.hear("system/command", command="factory_reset", confirm=True)
    return [*bench.said, bench.will]


def _config(bench: Bench, **more: Any) -> None:  # of any JSON types
    """One that works, and one in which nearly nothing does."""
    pump = {"gpio": PUMP, "actuator_type": "pump", "actuator_name": "Main pump"}
    probe = {"gpio": 5, "sensor_type": "ds18b20", "sensor_name": "Root zone"}
    bench.hear("config", sensors=[probe], actuators=[pump], **more)
    missing = {**probe, "gpio": 4, "onewire_address": MISSING_PROBE}
    bench.hear("config", sensors=[probe, missing], actuators=[{**pump, "actuator_type": "digital"}], **more)


def _all_of_head() -> list[Outgoing]:
    dead = SensorSpec(sensor_type="ds18b20", gpio=5, middle=DS18B20_FAULT)
    unset = Bench(a_spec("head", clock_off_s=None))
    unset.wait(40)
    bench = Bench(a_spec("head", sensors=(*five_sensors(1), dead)))
    bench.acknowledge(handover_epoch=None)
    bench.wait(130)
    _config(bench, correlation_id="cfg-1")
    bench.hear("config", sensors=[], actuators=[])
    bench.hear(f"actuator/{PUMP}/command", command="ON", value=1.0, correlation_id="c-1", issued_by="rule:7")
    bench.hear("sensor/4/command", command="measure", request_id="m-77")
    for word in ("status", "diagnostics", "REBOOT"):
        bench.hear("system/command", command=word)
    bench.hear("system/command", command="onewire/scan", pin=4)
    bench.hear("actuator/emergency", command="emergency_stop", correlation_id="em-3")
    bench.hear(f"actuator/{PUMP}/command", command="ON", correlation_id="c-2", issued_by="user:2")
    bench.hear("actuator/emergency", command="clear_emergency", correlation_id="em-4")
    bench.wait(6)
    bench.hear("actuator/emergency", command="clear_emergency", correlation_id="em-4")
    bench.hear("subzone/assign", subzone_id="a", parent_zone_id="north_tent", assigned_gpios=[PUMP], correlation_id="z")
    bench.hear("subzone/remove", subzone_id="a", correlation_id="z")
    bench.hear("subzone/remove", subzone_id="a", correlation_id="z")
    bench.hear("zone/assign", zone_id="b", master_zone_id="", zone_name="", kaiser_id="god", correlation_id="z")
    bench.hear("zone/assign", zone_id="", master_zone_id="", zone_name="", kaiser_id="god", correlation_id="z")
    bench.device.disconnect()
    bench.connect()
    for number in range(7):
        bench.hear(f"actuator/{PUMP}/command", command="ON", correlation_id=f"kept-{number}")
    bench.acknowledge()
    bench.hear("system/command", command="factory_reset", confirm=True)
    return [*unset.said, *bench.said, bench.will]
