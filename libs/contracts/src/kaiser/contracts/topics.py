"""The topic grammar of the wire contract (section 3): parse and build, strict, in both directions.

A topic that comes from the broker is one of three things: a device's (:class:`UplinkTopic`), one of Kaiser's own that
came back (:class:`DownlinkTopic`), or none of the contract's (:class:`TopicError`).
"""

from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.ids import is_esp_id, is_kaiser_id

MAX_TOPIC_LENGTH: Final = 192
"""Longer than any topic that the grammar builds; longer ones are refused before they are looked at or remembered."""

REMEMBERED_TOPICS: Final = 32_768
"""Parsed topics kept in memory, about 20 MB at worst, whatever a hostile device sends."""

GPIO_MAX: Final = 48
GPIO_WHOLE_DEVICE: Final = 255
"""Alerts that concern the whole device carry this pin (section 4.7)."""

BROADCAST_EMERGENCY: Final = "kaiser/broadcast/emergency"
"""Stops every actuator of the site; it has no scope."""

WIDE_FILTER: Final = "kaiser/+/esp/+/#"
"""Everything of every device, Kaiser's own downlink included."""


class UplinkKind(StrEnum):
    """What a device says, by topic."""

    SENSOR_DATA = "sensor_data"
    SENSOR_RESPONSE = "sensor_response"
    ACTUATOR_STATUS = "actuator_status"
    ACTUATOR_RESPONSE = "actuator_response"
    ACTUATOR_ALERT = "actuator_alert"
    EMERGENCY_ACK = "emergency_ack"
    EMERGENCY_RESPONSE = "emergency_response"
    EMERGENCY_ERROR = "emergency_error"
    RECOVERY_CONFIRM = "recovery_confirm"
    CONFIG_RESPONSE = "config_response"
    ZONE_ACK = "zone_ack"
    SUBZONE_ACK = "subzone_ack"
    SESSION_ANNOUNCE = "session_announce"
    ONEWIRE_SCAN_RESULT = "onewire_scan_result"
    HEARTBEAT = "heartbeat"
    HEARTBEAT_METRICS = "heartbeat_metrics"
    LAST_WILL = "last_will"
    DIAGNOSTICS = "diagnostics"
    SYSTEM_COMMAND_RESPONSE = "system_command_response"
    SYSTEM_ERROR = "system_error"
    INTENT_OUTCOME = "intent_outcome"
    INTENT_STAGE = "intent_stage"
    QUEUE_PRESSURE = "queue_pressure"


class DownlinkKind(StrEnum):
    """What is said to devices, by topic."""

    SENSOR_COMMAND = "sensor_command"
    SENSOR_PROCESSED = "sensor_processed"
    ACTUATOR_COMMAND = "actuator_command"
    DEVICE_EMERGENCY = "device_emergency"
    BROADCAST_EMERGENCY = "broadcast_emergency"
    CONFIG = "config"
    SYSTEM_COMMAND = "system_command"
    HEARTBEAT_ACK = "heartbeat_ack"
    ZONE_ASSIGN = "zone_assign"
    SUBZONE_ASSIGN = "subzone_assign"
    SUBZONE_REMOVE = "subzone_remove"
    SUBZONE_SAFE = "subzone_safe"
    SERVER_STATUS = "server_status"


UPLINK_SUFFIXES: Final[dict[UplinkKind, str]] = {
    UplinkKind.SENSOR_DATA: "sensor/{gpio}/data",
    UplinkKind.SENSOR_RESPONSE: "sensor/{gpio}/response",
    UplinkKind.ACTUATOR_STATUS: "actuator/{gpio}/status",
    UplinkKind.ACTUATOR_RESPONSE: "actuator/{gpio}/response",
    UplinkKind.ACTUATOR_ALERT: "actuator/{gpio}/alert",
    UplinkKind.EMERGENCY_ACK: "actuator/emergency/ack",
    UplinkKind.EMERGENCY_RESPONSE: "actuator/emergency/response",
    UplinkKind.EMERGENCY_ERROR: "actuator/emergency/error",
    UplinkKind.RECOVERY_CONFIRM: "actuator/recovery_confirm",
    UplinkKind.CONFIG_RESPONSE: "config_response",
    UplinkKind.ZONE_ACK: "zone/ack",
    UplinkKind.SUBZONE_ACK: "subzone/ack",
    UplinkKind.SESSION_ANNOUNCE: "session/announce",
    UplinkKind.ONEWIRE_SCAN_RESULT: "onewire/scan_result",
    UplinkKind.HEARTBEAT: "system/heartbeat",
    UplinkKind.HEARTBEAT_METRICS: "system/heartbeat_metrics",
    UplinkKind.LAST_WILL: "system/will",
    UplinkKind.DIAGNOSTICS: "system/diagnostics",
    UplinkKind.SYSTEM_COMMAND_RESPONSE: "system/command/response",
    UplinkKind.SYSTEM_ERROR: "system/error",
    UplinkKind.INTENT_OUTCOME: "system/intent_outcome",
    UplinkKind.INTENT_STAGE: "system/intent_outcome/lifecycle",
    UplinkKind.QUEUE_PRESSURE: "system/queue_pressure",
}
"""What follows ``kaiser/{k}/esp/{e}/`` in a device's topics."""

DOWNLINK_SUFFIXES: Final[dict[DownlinkKind, str]] = {
    DownlinkKind.SENSOR_COMMAND: "sensor/{gpio}/command",
    DownlinkKind.SENSOR_PROCESSED: "sensor/{gpio}/processed",
    DownlinkKind.ACTUATOR_COMMAND: "actuator/{gpio}/command",
    DownlinkKind.DEVICE_EMERGENCY: "actuator/emergency",
    DownlinkKind.CONFIG: "config",
    DownlinkKind.SYSTEM_COMMAND: "system/command",
    DownlinkKind.HEARTBEAT_ACK: "system/heartbeat/ack",
    DownlinkKind.ZONE_ASSIGN: "zone/assign",
    DownlinkKind.SUBZONE_ASSIGN: "subzone/assign",
    DownlinkKind.SUBZONE_REMOVE: "subzone/remove",
    DownlinkKind.SUBZONE_SAFE: "subzone/safe",
}
"""What follows ``kaiser/{k}/esp/{e}/`` in Kaiser's topics. ``sensor/{gpio}/processed`` is known but never sent."""

UPLINK_FILTERS: Final = tuple(f"kaiser/+/esp/+/{s.replace('{gpio}', '+')}" for s in UPLINK_SUFFIXES.values())
"""The individual subscriptions that section 23 recommends: no downlink comes back through them."""

LITERAL_GOD: Final = frozenset({UplinkKind.SESSION_ANNOUNCE, UplinkKind.ONEWIRE_SCAN_RESULT})
"""The firmware writes ``god`` into these topics, whatever the device's kaiser id (section 3.2)."""

_UPLINKS = {suffix: kind for kind, suffix in UPLINK_SUFFIXES.items()}
_DOWNLINKS = {suffix: kind for kind, suffix in DOWNLINK_SUFFIXES.items()}


class TopicError(ValueError):
    """A topic that is none of the contract's.

    Attributes:
        code: Stable code.
        detail: What was wrong, in words.
        where: Which level of the topic.
    """

    def __init__(self, code: Code, detail: str, where: str) -> None:
        super().__init__(f"{where}: {detail}")
        self.code = code
        self.detail = detail
        self.where = where


class UplinkTopic(msgspec.Struct, frozen=True):
    """A device's topic.

    Attributes:
        kind: What is said.
        kaiser_id: Kaiser level; may be empty.
        esp_id: Device.
        gpio: Pin, where the topic has one.
    """

    kind: UplinkKind
    kaiser_id: str
    esp_id: str
    gpio: int | None = None

    @property
    def literal_kaiser_id(self) -> bool:
        """Whether the firmware writes ``god`` here whatever the device's kaiser id is."""
        return self.kind in LITERAL_GOD


class DownlinkTopic(msgspec.Struct, frozen=True):
    """One of Kaiser's own topics.

    Attributes:
        kind: What is said.
        kaiser_id: Kaiser level; empty for the broadcast.
        esp_id: Device; empty for the broadcast and the server status.
        gpio: Pin, where the topic has one.
    """

    kind: DownlinkKind
    kaiser_id: str = ""
    esp_id: str = ""
    gpio: int | None = None


def parse(topic: str) -> UplinkTopic:
    """Read a device's topic.

    Raises:
        TopicError: It is none of a device's topics; downlink topics included.
    """
    found = classify(topic)
    if type(found) is UplinkTopic:
        return found
    if isinstance(found, TopicError):
        raise TopicError(found.code, found.detail, found.where)
    raise TopicError(Code.INVALID_TOPIC, f"{topic!r} is a topic to devices, not of devices", "topic")


def classify(topic: str) -> UplinkTopic | DownlinkTopic | TopicError:
    """Say whose topic it is, without raising. Answers are remembered, and the memory is bounded."""
    if len(topic) > MAX_TOPIC_LENGTH:
        return TopicError(Code.INVALID_TOPIC, f"{len(topic)} characters, at most {MAX_TOPIC_LENGTH}", "topic")
    return _classify(topic)


@lru_cache(maxsize=REMEMBERED_TOPICS)
def _classify(topic: str) -> UplinkTopic | DownlinkTopic | TopicError:
    try:
        return _read(topic)
    except TopicError as error:
        return error.with_traceback(None)


def _read(topic: str) -> UplinkTopic | DownlinkTopic:
    if topic == BROADCAST_EMERGENCY:
        return DownlinkTopic(DownlinkKind.BROADCAST_EMERGENCY)
    levels = topic.split("/")
    if levels[0] != "kaiser":
        raise TopicError(Code.INVALID_TOPIC, f"begins with {levels[0][:40]!r} instead of 'kaiser'", "level 1")
    if len(levels) == 4 and levels[2:] == ["server", "status"]:
        return DownlinkTopic(DownlinkKind.SERVER_STATUS, _kaiser_id(levels[1]))
    if len(levels) < 5 or levels[2] != "esp":
        raise TopicError(Code.INVALID_TOPIC, "is not of the form kaiser/{kaiser}/esp/{device}/…", "level 3")
    kaiser_id = _kaiser_id(levels[1])
    esp_id = levels[3]
    if not is_esp_id(esp_id):
        raise TopicError(
            Code.INVALID_ESP_ID, f"{esp_id[:40]!r} is not ESP_ and 6 to 8 upper-case hex digits", "level 4"
        )
    rest = levels[4:]
    if len(rest) == 3 and rest[0] in ("sensor", "actuator") and rest[1] != "emergency":
        return _of_pin(topic, rest, kaiser_id, esp_id)
    suffix = "/".join(rest)
    if (uplink := _UPLINKS.get(suffix)) is not None and "{" not in suffix:
        return UplinkTopic(uplink, kaiser_id, esp_id)
    if (downlink := _DOWNLINKS.get(suffix)) is not None and "{" not in suffix:
        return DownlinkTopic(downlink, kaiser_id, esp_id)
    raise TopicError(Code.INVALID_TOPIC, f"no message of the contract ends in {suffix[:80]!r}", "level 5")


def _of_pin(topic: str, rest: list[str], kaiser_id: str, esp_id: str) -> UplinkTopic | DownlinkTopic:
    suffix = f"{rest[0]}/{{gpio}}/{rest[2]}"
    uplink, downlink = _UPLINKS.get(suffix), _DOWNLINKS.get(suffix)
    if uplink is None and downlink is None:
        raise TopicError(Code.INVALID_TOPIC, f"no message of the contract ends in {'/'.join(rest)[:80]!r}", "level 7")
    gpio = _gpio(rest[1], whole_device=uplink is UplinkKind.ACTUATOR_ALERT)
    if uplink is not None:
        return UplinkTopic(uplink, kaiser_id, esp_id, gpio)
    assert downlink is not None, topic
    return DownlinkTopic(downlink, kaiser_id, esp_id, gpio)


def _kaiser_id(level: str) -> str:
    if not is_kaiser_id(level):
        raise TopicError(
            Code.INVALID_KAISER_ID, f"{level[:40]!r} is not empty or 1 to 63 of A-Z a-z 0-9 _ -", "level 2"
        )
    return level


def _gpio(level: str, *, whole_device: bool) -> int:
    if not (level.isascii() and level.isdigit()) or len(level) > 1 and level[0] == "0" or len(level) > 3:  # noqa: RUF021
        raise TopicError(
            Code.INVALID_GPIO_PIN, f"{level[:40]!r} is not a pin in decimal without leading zeros", "level 6"
        )
    gpio = int(level)
    if gpio > GPIO_MAX and not (whole_device and gpio == GPIO_WHOLE_DEVICE):
        raise TopicError(Code.INVALID_GPIO_PIN, f"pin {gpio} is outside of 0 to {GPIO_MAX}", "level 6")
    return gpio


def build(topic: UplinkTopic | DownlinkTopic) -> str:
    """The topic as text; the reverse of :func:`classify`.

    Raises:
        TopicError: A part is not of the grammar.
    """
    if isinstance(topic, UplinkTopic):
        return _build(UPLINK_SUFFIXES[topic.kind], topic.kaiser_id, topic.esp_id, topic.gpio)
    if topic.kind is DownlinkKind.BROADCAST_EMERGENCY:
        return BROADCAST_EMERGENCY
    if topic.kind is DownlinkKind.SERVER_STATUS:
        return server_status(topic.kaiser_id)
    return _build(DOWNLINK_SUFFIXES[topic.kind], topic.kaiser_id, topic.esp_id, topic.gpio)


def uplink(kind: UplinkKind, kaiser_id: str, esp_id: str, gpio: int | None = None) -> str:
    """A device's topic. Raises TopicError for parts that are not of the grammar."""
    return _build(UPLINK_SUFFIXES[kind], kaiser_id, esp_id, gpio)


def downlink(kind: DownlinkKind, kaiser_id: str, esp_id: str, gpio: int | None = None) -> str:
    """A topic to one device. Raises TopicError for parts that are not of the grammar."""
    return _build(DOWNLINK_SUFFIXES[kind], kaiser_id, esp_id, gpio)


def heartbeat_ack(kaiser_id: str, esp_id: str) -> str:
    """Where a ``head`` device listens for the answer to its heartbeat."""
    return downlink(DownlinkKind.HEARTBEAT_ACK, kaiser_id, esp_id)


def server_status(kaiser_id: str) -> str:
    """The one retained topic; each device listens with its own kaiser id."""
    return f"kaiser/{_kaiser_id(kaiser_id)}/server/status"


def _build(suffix: str, kaiser_id: str, esp_id: str, gpio: int | None) -> str:
    if ("{gpio}" in suffix) != (gpio is not None):
        raise TopicError(Code.INVALID_GPIO_PIN, f"pin {gpio} given for a topic that ends in {suffix!r}", "level 6")
    built = f"kaiser/{kaiser_id}/esp/{esp_id}/{suffix.format(gpio=gpio)}"
    found = classify(built)
    if isinstance(found, TopicError):
        raise TopicError(found.code, found.detail, found.where)
    return built
