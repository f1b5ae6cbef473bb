"""The edge of the mqtt5 codec: bytes from the socket to packets, and acknowledgements to bytes."""

import sys
from array import array

from mqtt5 import DisconnectReasonCode, Packet, read

from kaiser.mqtt.errors import ProtocolError

__all__ = ("LARGEST_PACKET", "PUBACK", "PUBCOMP", "PUBREC", "PUBREL", "Decoder", "short_packets")

LARGEST_PACKET = 268_435_455 + 5
"""What the four bytes of "remaining length" can express, with the fixed header (MQTT 5, 1.5.5)."""

# Acknowledgements without reason code mean success and are four bytes: type, remaining length 2, packet id
# (MQTT 5, 3.4.2.1). As big-endian words they cost 0.05 us each instead of 0.3 us through packet objects.
PUBACK = 0x40_02_0000
PUBREC = 0x50_02_0000
PUBREL = 0x62_02_0000
PUBCOMP = 0x70_02_0000


def short_packets(words: list[int]) -> bytes:
    """Encode acknowledgements, each `PUBACK | packet_id` or alike, in the order given."""
    packets = array("I", words)
    if sys.byteorder == "little":
        packets.byteswap()
    return packets.tobytes()


class Decoder:
    """Cuts the byte stream of one connection into packets.

    Bytes are decoded where they lie; only a packet that is not complete yet is kept, and never more than
    `max_packet_size` of it.

    Args:
        max_packet_size: A larger packet in bytes is a protocol error (MQTT 5, 3.1.2.11.4).
    """

    __slots__ = ("_max_packet_size", "_pending", "_wanted")

    def __init__(self, max_packet_size: int | None = None) -> None:
        self._max_packet_size = max_packet_size or LARGEST_PACKET
        self._pending = bytearray()
        self._wanted = 0

    @property
    def pending(self) -> int:
        """How many bytes of an incomplete packet are kept."""
        return len(self._pending)

    def feed(self, data: bytes, packets: list[Packet]) -> None:
        """Append every packet that is complete with these bytes to `packets`.

        Raises:
            ProtocolError: A packet is malformed or too large. Packets before it have been appended;
                the decoder must not be fed any more.
        """
        if not self._pending:
            with memoryview(data) as view:
                consumed = self._decode(view, packets)
            if consumed < len(data):
                self._pending += data[consumed:]
            return
        self._pending += data
        # The length of a large packet is known from its first bytes: no attempt is made before it is there.
        if len(self._pending) < self._wanted:
            return
        with memoryview(self._pending) as view:
            consumed = self._decode(view, packets)
        del self._pending[:consumed]

    def _decode(self, view: memoryview, packets: list[Packet]) -> int:
        position, end = 0, len(view)
        append = packets.append
        try:
            while position < end:
                packet, size = read(view[position:])
                if size > self._max_packet_size:
                    self._refuse_size(size)
                append(packet)
                position += size
        except IndexError:
            self._wanted = self._packet_size(view[position : position + 5])
        except ValueError as error:
            raise ProtocolError(f"malformed packet: {error}", DisconnectReasonCode.MALFORMED_PACKET) from error
        except (ProtocolError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001
            # mqtt5 0.8 panics on a string that is not UTF-8, and PyO3's PanicException is no Exception
            raise ProtocolError(f"malformed packet: {error}", DisconnectReasonCode.MALFORMED_PACKET) from None
        return position

    def _packet_size(self, header: memoryview) -> int:
        """The size in bytes of the packet that starts with `header`; 0 while that cannot be known."""
        size = 0
        for index, byte in enumerate(header[1:]):
            size |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                size += 2 + index
                if size > self._max_packet_size:
                    self._refuse_size(size)
                return size
        return 0

    def _refuse_size(self, size: int) -> None:
        raise ProtocolError(
            f"a packet of {size} bytes, more than the {self._max_packet_size} that were asked for",
            DisconnectReasonCode.PACKET_TOO_LARGE,
        )
