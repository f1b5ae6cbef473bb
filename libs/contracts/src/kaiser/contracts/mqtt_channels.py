"""The topics of the devices as channels, for the AsyncAPI document."""

from typing import Any, Final

import msgspec

from kaiser.contracts import topics
from kaiser.contracts.downlink import downlink_qos
from kaiser.contracts.topics import DownlinkKind
from kaiser.contracts.wire import DOWNLINK_MESSAGES, UPLINK_MESSAGES


class MqttChannel(msgspec.Struct, frozen=True, kw_only=True):
    """One topic.

    Attributes:
        kind: Which message of the contract.
        address: Topic with parameters in braces.
        uplink: Whether devices write it.
        message: Struct of the message, with canonical names.
        qos: QoS that Kaiser publishes with, or subscribes with.
        retain: Whether Kaiser publishes it retained.
    """

    kind: str
    address: str
    uplink: bool
    message: type[msgspec.Struct]
    qos: int
    retain: bool = False

    @property
    def description(self) -> str:
        """First line of the message's docstring."""
        return (self.message.__doc__ or "").partition("\n")[0]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the topic's parameters."""
        return tuple(part[1:-1] for part in self.address.split("/") if part.startswith("{"))

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the message, everything inline."""
        return msgspec.json.schema(self.message)


def _address(suffix: str) -> str:
    return f"kaiser/{{kaiser}}/esp/{{esp}}/{suffix}"


def _downlink_address(kind: DownlinkKind) -> str:
    match kind:
        case DownlinkKind.BROADCAST_EMERGENCY:
            return topics.BROADCAST_EMERGENCY
        case DownlinkKind.SERVER_STATUS:
            return "kaiser/{kaiser}/server/status"
        case _:
            return _address(topics.DOWNLINK_SUFFIXES[kind])


MQTT_CHANNELS: Final = (
    *(
        MqttChannel(
            kind=kind.value, address=_address(topics.UPLINK_SUFFIXES[kind]), uplink=True, message=message, qos=1
        )
        for kind, message in UPLINK_MESSAGES.items()
    ),
    *(
        MqttChannel(
            kind=kind.value,
            address=_downlink_address(kind),
            uplink=False,
            message=message,
            qos=downlink_qos(kind),
            retain=kind is DownlinkKind.SERVER_STATUS,
        )
        for kind, message in DOWNLINK_MESSAGES.items()
    ),
)
