"""Which reading a message is, and which delivery: pure functions of the message and of what the broker said with it.

The identity of a reading is what the wire contract recommends (section 23): boot and sequence number where the firmware
sends them, else a digest of the message within a window. A message holds its own sequence number, addresses and device
time, so a digest of its bytes covers them:

* clock set: the digest. Two readings of one sensor in one second with one sequence number do not exist.
* clock not set, sequence number sent (``head``): digest and boot, since numbers start anew at each boot.
* clock not set, no sequence number (``dec``): digest and window of arrival. Such messages repeat to the letter every
  five seconds while the sensor is steady, so equal ones within two seconds are one reading.

A delivery is what the broker may repeat: it sends a message again, with the DUP flag, when the connection or the bridge
ends between JetStream's acknowledgement and the PUBACK, and MQTT keeps the packet id of such a message (4.4). Packet id
and digest together therefore tell whether the log holds it already.
"""

from typing import Final

import xxhash

WINDOW_US: Final = 2_000_000
"""Equal messages of a ``dec`` device without a clock within this time are one reading; it sends every five seconds."""

_POSITIVE: Final = (1 << 63) - 1
_PACKET_ID: Final = 0xFFFF

digest = xxhash.xxh3_64_intdigest
"""64-bit digest of a payload."""


def reading_id(payload_digest: int, *, clock_set: bool, seq: int | None, boot: str, received_at: int) -> int:
    """Identity of a reading within its sensor, 63 bits.

    Args:
        payload_digest: :func:`digest` of the message.
        clock_set: Whether the device's time in the message can be right.
        seq: Sequence number since boot; None where the firmware sends none.
        boot: Boot that ``seq`` belongs to; empty where unknown.
        received_at: Unix microseconds.
    """
    if clock_set:
        return payload_digest & _POSITIVE
    salt = boot if seq is not None else str(received_at // WINDOW_US)
    return digest(salt.encode(), payload_digest) & _POSITIVE


def delivery(payload_digest: int, packet_id: int | None) -> int:
    """Identity of one delivery by the broker, 63 bits; 0 where there is no packet id (QoS 0)."""
    return 0 if packet_id is None else (payload_digest & _POSITIVE & ~_PACKET_ID) | packet_id


class Deliveries:
    """The deliveries of one MQTT session that the log holds, by packet id: at most 65,535."""

    __slots__ = ("_by_packet_id",)

    def __init__(self) -> None:
        self._by_packet_id: dict[int, int] = {}

    def remember(self, delivered: int) -> None:
        """The log holds this delivery."""
        if delivered:
            self._by_packet_id[delivered & _PACKET_ID] = delivered

    def __contains__(self, delivered: int) -> bool:
        """Whether the log holds it."""
        return self._by_packet_id.get(delivered & _PACKET_ID) == delivered
