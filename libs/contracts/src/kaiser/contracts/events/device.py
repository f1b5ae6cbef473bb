"""What devices say, and what happens to them: one event a message, with the message in canonical form inside."""

from typing import ClassVar, Generic, Literal, TypeVar

import msgspec

M = TypeVar("M")

Generation = Literal["dec", "head"]
"""Firmware generation, told by the fields of a message; the wire contract has no version field (section 6.9)."""


class MqttMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message as the broker handed it over.

    Attributes:
        topic: To the letter.
        payload: Byte for byte, unless something secret was in it; base64 in JSON.
        qos: With which QoS it came, 0 or 1.
        dup: Whether the broker marked it as sent before.
        redacted: Whether ``***`` stands in it for a value that is a secret by its name.
    """

    topic: str
    payload: bytes
    qos: int
    dup: bool = False
    redacted: bool = False


class DeviceSaid(msgspec.Struct, Generic[M], frozen=True, kw_only=True):
    """A message of a device other than telemetry. Type and subject: :mod:`kaiser.contracts.events.catalogue`.

    Attributes:
        kaiser_id: Kaiser id of the topic; empty for ``dec`` devices that were never given one.
        esp_id: Device, as its topic names it.
        generation: What the bridge takes the device's firmware for.
        received_at: When the bridge took the message from the broker, unix microseconds.
        flags: What was mended or doubted while decoding, joined by commas; mostly empty.
        message: The message, with canonical names and units.
        mqtt: The message as it came; null in events of releases that did not keep it.
    """

    kaiser_id: str
    esp_id: str
    generation: Generation
    received_at: int
    flags: str = ""
    message: M
    mqtt: MqttMessage | None = None


class DeviceDiscovered(msgspec.Struct, frozen=True, kw_only=True):
    """The bridge heard a device for the first time. Subject ``device.{kaiser}.{esp}.discovered``.

    It may be written again when a bridge lost its state; only the first one is news.

    Attributes:
        mqtt: The message that it was heard by, which is an event of its own, too; null in events of releases that did
            not keep it.
    """

    TYPE: ClassVar[str] = "io.kaiser.device.discovered.v1"

    kaiser_id: str
    esp_id: str
    generation: Generation
    received_at: int
    mqtt: MqttMessage | None = None


class DeviceReturned(msgspec.Struct, frozen=True, kw_only=True):
    """A device whose last will had come said something. Subject ``device.{kaiser}.{esp}.returned``.

    Attributes:
        mqtt: What it said, which is an event of its own, too; null in events of releases that did not keep it.
    """

    TYPE: ClassVar[str] = "io.kaiser.device.returned.v1"

    kaiser_id: str
    esp_id: str
    generation: Generation
    received_at: int
    lost_at: int
    mqtt: MqttMessage | None = None


class DeviceSilent(msgspec.Struct, frozen=True, kw_only=True):
    """A device has missed five heartbeats, and no last will said why. Subject ``device.{kaiser}.{esp}.silent``.

    Attributes:
        heard_at: Its last heartbeat, unix microseconds.
        received_at: When its silence was noted, unix microseconds.
    """

    TYPE: ClassVar[str] = "io.kaiser.device.silent.v1"

    kaiser_id: str
    esp_id: str
    heard_at: int
    received_at: int


class DeviceRestarted(msgspec.Struct, frozen=True, kw_only=True):
    """A device was started anew: its uptime went back, or its boot number changed.

    Subject ``device.{kaiser}.{esp}.restarted``.

    Attributes:
        received_at: When the heartbeat that showed it came, unix microseconds.
        booted_at: When it started, by that heartbeat, unix microseconds.
        ran_s: How long it had been running at its heartbeat before, seconds.
        reason: Reset reason as ``head`` says it; empty where nothing is said.
    """

    TYPE: ClassVar[str] = "io.kaiser.device.restarted.v1"

    kaiser_id: str
    esp_id: str
    received_at: int
    booted_at: int
    ran_s: int
    reason: str = ""


class DeviceRegistered(msgspec.Struct, frozen=True, kw_only=True):
    """Ingest put a device into the registry, pending approval.

    Subject ``device.{kaiser}.{esp}.registry.registered``.
    """

    TYPE: ClassVar[str] = "io.kaiser.device.registered.v1"

    kaiser_id: str
    esp_id: str
    generation: Generation
    registered_at: int
