"""What a device can do: the pins of its board, and what its firmware understands. Pure.

The firmware says neither its board nor its version (wire contract, sections 4.3 and 6.9), so the board is what people
say it is, and what the firmware understands follows from its generation.
"""

from typing import Final

import msgspec

from kaiser.contracts.downlink import HEAD_PACKET, WROOM_PACKET, XIAO_PACKET
from kaiser.contracts.events.device import Generation
from kaiser.contracts.events.registry import Board
from kaiser.contracts.wire.sendable.draft import INPUTS_DEC, INPUTS_HEAD, OUTPUTS

_XIAO_PINS: Final = frozenset({2, *range(4, 11), 21})
"""Of the board. Its firmware was built with the table of the WROOM, so only pins of both can be used (section 7)."""
_XIAO_ANALOG: Final = frozenset({2, 3, 4})
_WROOM_ANALOG: Final = frozenset({32, 33, 34, 35, 36, 39})
"""ADC1; the other converter reads nothing while Wi-Fi is on."""
_WROOM_BUS: Final = frozenset({21, 22})
"""Data and clock of I2C, which the firmware holds from its start on."""
_RESERVED: Final[dict[Board, frozenset[int]]] = {
    "esp32_wroom": frozenset({0, 1, 2, 3, 12, 13}),
    "xiao_esp32c3": frozenset({0, 1, 3}),
}

_DEC: Final = ("values_over_http",)
_HEAD: Final = (
    "correlation_ids",
    "device_emergency_stop",
    "heartbeat_acknowledgements",
    "intervals",
    "measure_on_demand",
    "offline_rules",
    "onewire_scan",
    "server_status",
    "subzone_safe_mode",
    "timed_on",
    "zone_removal",
)


class Pins(msgspec.Struct, frozen=True, kw_only=True):
    """What can be done with the pins of a device.

    Attributes:
        inputs: Pins that sensors can hang on.
        outputs: Pins that actuators can hang on.
        analog: Pins with a converter that works while Wi-Fi is on, whether the firmware hands them out or not.
        bus: Pins that I2C holds; sensors on that bus have numbers of their own.
        reserved: Pins that the device never hands out.
    """

    inputs: frozenset[int]
    outputs: frozenset[int]
    analog: frozenset[int]
    bus: frozenset[int]
    reserved: frozenset[int]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a device holds (section 6.7), and the packet that it drops without a word (section 1.2).

    Attributes:
        sensors: At most.
        actuators: At most.
        packet_bytes: Packets of so many bytes and more are lost.
    """

    sensors: int
    actuators: int
    packet_bytes: int


def pins(board: Board | None, generation: Generation) -> Pins:
    """The pins of a device; an unknown board counts as a WROOM."""
    known = INPUTS_DEC if generation == "dec" else INPUTS_HEAD
    reserved = _RESERVED[board or "esp32_wroom"]
    if board == "xiao_esp32c3":
        inputs, outputs = known & _XIAO_PINS, OUTPUTS & _XIAO_PINS
        return Pins(inputs=inputs, outputs=outputs, analog=_XIAO_ANALOG, bus=frozenset(), reserved=reserved)
    return Pins(inputs=known, outputs=OUTPUTS, analog=_WROOM_ANALOG, bus=_WROOM_BUS, reserved=reserved)


def limits(board: Board | None, generation: Generation) -> Limits:
    """What a device holds; an unknown board counts as a WROOM."""
    if board == "xiao_esp32c3":
        return Limits(sensors=10, actuators=6, packet_bytes=XIAO_PACKET)
    packet = WROOM_PACKET if generation == "dec" else HEAD_PACKET
    return Limits(sensors=20, actuators=12, packet_bytes=packet)


def capabilities(generation: Generation) -> tuple[str, ...]:
    """What the firmware of a generation understands beyond readings, commands and configuration, sorted."""
    return _DEC if generation == "dec" else _HEAD
