"""Messages on their way to devices. Subject ``downlink.{kaiser}.{esp}.{kind}``, a work queue emptied by the bridge."""

from typing import ClassVar, Literal

import msgspec

Outcome = Literal["delivered", "expired", "refused"]


class DownlinkRequested(msgspec.Struct, frozen=True, kw_only=True):
    """A message for a device, encoded and checked by :mod:`kaiser.contracts.downlink`; the bridge checks it again.

    Attributes:
        kaiser_id: Kaiser id of the topic.
        esp_id: Device; ``broadcast`` for the site-wide emergency stop.
        topic: MQTT topic.
        payload: JSON text of the message.
        qos: QoS of the contract for this kind of message.
        generation: ``dec`` or ``head``, as whose limits the message was checked.
        expires_at: Unix microseconds after which it must not be delivered any more; 0 is never.
        correlation_id: What it belongs to.
    """

    TYPE: ClassVar[str] = "io.kaiser.downlink.requested.v1"

    kaiser_id: str
    esp_id: str
    topic: str
    payload: str
    qos: Literal[0, 1, 2]
    generation: Literal["dec", "head"]
    expires_at: int = 0
    correlation_id: str = ""


class DownlinkReported(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a downlink. Subject ``device.{kaiser}.{esp}.downlink_{outcome}``.

    Attributes:
        outcome: ``delivered`` after the broker's PUBACK or PUBCOMP, ``expired`` when the deadline had passed,
            ``refused`` when the contract forbids the message or the broker did not take it.
        code: Stable code, empty when delivered.
        detail: In words, empty when delivered.
        reported_at: Unix microseconds.
    """

    TYPE: ClassVar[str] = "io.kaiser.downlink.reported.v1"

    kaiser_id: str
    esp_id: str
    topic: str
    correlation_id: str
    outcome: Outcome
    code: str = ""
    detail: str = ""
    reported_at: int
