"""Commands and emergencies as ``dec`` understands them (wire contract, sections 5.1, 5.5)."""

import re
from functools import partial

from kaiser.fleet.dec.state import DecState
from kaiser.fleet.faults import Fault
from kaiser.fleet.message import object_of
from kaiser.fleet.pool import pool
from kaiser.fleet.text import b, f3, fields, s

BROADCAST_POOL = 256
LONGEST_S = 2**31 - 1
"""Where the firmware's conversion of a number to 32 bits ends."""
_NUMBER = re.compile(r"\s*([-+]?\d*\.?\d*)")


def first(text: str, name: str) -> str:
    """What follows the first occurrence of ``"name":``; there is no JSON parser, so nesting does not matter."""
    return text.partition(f'"{name}":')[2]


def command(device: DecState, gpio: int, payload: bytes) -> None:
    """Do it, and answer: state, response, and the state once more (section 4.5)."""
    device.obey(partial(_obey, device, gpio, payload))


def _obey(device: DecState, gpio: int, payload: bytes, fault: Fault) -> None:
    text = payload.decode("ascii", "replace")
    word = first(text, "command").partition('"')[2].partition('"')[0]
    value, duration = _number(first(text, "value")), int(min(LONGEST_S, _number(first(text, "duration"))))
    actuator = device.actuators.get(gpio)
    done = fault.done and actuator is not None and actuator.command(word, value, device.clock.uptime_s)
    success = fault.claims(done)
    if success and actuator is not None:
        device.tell_status(actuator)
    device.say(
        f"actuator/{gpio}/response",
        fields(
            esp_id=s(device.esp_id),
            zone_id=s(device.zone_id),
            ts=str(device.clock.unix_s),
            gpio=str(gpio),
            command=s(fault.word(word)),
            value=f3(value),
            duration=str(duration),
            success=b(success),
            message=s("Command executed" if success else "Command failed"),
        ),
    )
    if success and actuator is not None:
        device.tell_status(actuator)


def broadcast_emergency(device: DecState, payload: bytes) -> None:
    """Anything that parses stops everything, even a "clear"; what does not fit the pool is ignored in silence."""
    body = object_of(payload)
    if body is None or pool(body) > BROADCAST_POOL:
        return
    for actuator in device.actuators.values():
        # What it takes for off it leaves alone, so that an inverted relay stays energised (section 6.5)
        actuator.stop(device.clock.uptime_s, emergency=True, writes_pin=False)
        device.tell_alert(actuator.gpio, "emergency_stop", "Actuator stopped")


def _number(text: str) -> float:
    """As Arduino's ``toFloat``: what is no number is 0."""
    found = _NUMBER.match(text)
    try:
        return float(found[1]) if found else 0.0
    except ValueError:
        return 0.0
