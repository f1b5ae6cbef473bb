"""What a simulated device is: the part that a test, a bench or the demo chooses."""

from typing import Literal

import msgspec

from kaiser.fleet.faults import Faults
from kaiser.fleet.sensors import SensorSpec

Generation = Literal["head", "dec"]


class ActuatorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An actuator that a device has from the start.

    Attributes:
        gpio: Pin.
        actuator_type: ``pump``, ``relay``, ``pwm`` or ``valve``.
        subzone_id: Subzone; empty if none.
        default_state: What it falls back to.
        inverted: Whether it is active low.
    """

    gpio: int
    actuator_type: str = "pump"
    subzone_id: str = ""
    default_state: bool = False
    inverted: bool = False


class DeviceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated device.

    Attributes:
        esp_id: Its id, which is its MQTT client id too.
        generation: Its firmware.
        sensors: What hangs on it.
        actuators: What it drives. ``dec`` would have lost them at a reboot.
        kaiser_id: Kaiser level of its topics; ``dec`` devices may have none.
        zone_id: Zone; empty if none.
        master_zone_id: Zone above it; empty if none.
        interval_s: Seconds between two readings of one sensor; a configuration changes it on ``head`` only.
        starts_after_s: Seconds after the fleet's start until it is switched on; readings and heartbeats are timed from
            there, so devices that start at different times never speak all at once.
        clock_off_s: How far its clock is off; None for a clock that was never set.
        boot_count: How often it was started before, ``head`` only.
        value_is_nan: Whether ``dec`` writes ``nan`` for every value.
        processing: How the server's HTTP endpoint does that ``dec`` asks for each value (wire contract, 4.2).
        processing_at: Host and port of a real one, which is then asked; each call blocks the process.
        production: Whether it is an ``esp32_prod`` build of ``head``, which refuses emergency orders without a token.
        emergency_token: Its own token, ``head`` only.
        broadcast_token: The site's token, ``head`` only.
        missing_probes: OneWire addresses that are not on its bus.
        faults: What goes wrong with its commands and its answers to them.
    """

    esp_id: str
    sensors: tuple[SensorSpec, ...] = ()
    generation: Generation = "head"
    actuators: tuple[ActuatorSpec, ...] = ()
    kaiser_id: str = "god"
    zone_id: str = ""
    master_zone_id: str = ""
    interval_s: float = 1.0
    starts_after_s: float = 0.0
    clock_off_s: int | None = 0
    boot_count: int = 1
    value_is_nan: bool = False
    processing: Literal["answers", "fails"] = "answers"
    processing_at: tuple[str, int] | None = None
    production: bool = False
    emergency_token: str = ""
    broadcast_token: str = ""
    missing_probes: tuple[str, ...] = ()
    faults: Faults = Faults()
