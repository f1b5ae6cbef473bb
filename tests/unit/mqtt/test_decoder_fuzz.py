"""Whatever bytes come from the socket, in whatever pieces: nothing raises, hangs, or grows without bound."""

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqtt5 import (
    ConnAckPacket,
    DisconnectPacket,
    PingRespPacket,
    PubAckPacket,
    PubCompPacket,
    PublishPacket,
    PubRecPacket,
    PubRelPacket,
    QoS,
    SubAckPacket,
    SubAckReasonCode,
)

from kaiser.mqtt import ProtocolError, Session
from kaiser.mqtt.codec import PUBACK, PUBCOMP, PUBREC, PUBREL, Decoder, short_packets
from kaiser.mqtt.connection import Connection

MAX_PACKET_SIZE = 4_096

# mqtt5 0.8 panics on a string that is not UTF-8, and leaves the UnicodeDecodeError behind it unraised
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

packet_ids = st.integers(1, 65_535)
publishes = st.builds(
    lambda topic, payload, level, packet_id, duplicate: PublishPacket(
        topic, payload, qos=QoS(level), packet_id=packet_id if level else None, duplicate=duplicate
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="#+"), min_size=1, max_size=30),
    st.binary(max_size=300),
    st.integers(0, 2),
    packet_ids,
    st.booleans(),
)
packets = st.one_of(
    publishes,
    st.builds(PubAckPacket, packet_ids),
    st.builds(PubRecPacket, packet_ids),
    st.builds(PubRelPacket, packet_ids),
    st.builds(PubCompPacket, packet_ids),
    st.just(PingRespPacket()),
    st.just(ConnAckPacket()),
    st.just(DisconnectPacket()),
    st.just(SubAckPacket(1, [SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE])),
)


@st.composite
def mutated(draw):
    """Valid packets with some bytes changed, removed or put in."""
    wire = bytearray(b"".join(packet.write() for packet in draw(st.lists(packets, min_size=1, max_size=8))))
    for _ in range(draw(st.integers(0, 4))):
        if not wire:
            break
        position = draw(st.integers(0, len(wire) - 1))
        match draw(st.integers(0, 2)):
            case 0:
                wire[position] = draw(st.integers(0, 255))
            case 1:
                del wire[position]
            case 2:
                wire[position:position] = draw(st.binary(max_size=5))
    return bytes(wire)


def pieces(wire, cuts):
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    return [wire[left:right] for left, right in itertools.pairwise(edges) if right > left]


class Wire:
    """The transport of a connection without a socket."""

    def __init__(self):
        self.closed = False
        self.written = b""

    def write(self, wire):
        self.written += wire

    def close(self):
        self.closed = True

    abort = close

    def is_closing(self):
        return self.closed

    def get_extra_info(self, name):
        return None

    def pause_reading(self):
        pass

    resume_reading = pause_reading


async def feed(wire, cuts, *, accepted):
    session = Session(host="nowhere", client_id="fuzz")
    connection = Connection(
        session._client._packets_received, session._client._writable, session.stats, max_packet_size=MAX_PACKET_SIZE
    )
    session._client._connection = connection
    transport = Wire()
    connection.connection_made(transport)
    if accepted:
        connection.data_received(ConnAckPacket().write())
        assert session.connected
    for piece in pieces(wire, cuts):
        connection.data_received(piece)
        assert connection._decoder.pending <= MAX_PACKET_SIZE + len(piece)
    await asyncio.sleep(0)
    connection.connection_lost(None)
    return session


@settings(max_examples=300, deadline=1_000)
@given(st.one_of(st.binary(max_size=600), mutated()), st.lists(st.integers(0, 700), max_size=6), st.booleans())
def test_no_bytes_raise_out_of_the_connection(wire, cuts, accepted):
    session = asyncio.run(feed(wire, cuts, accepted=accepted))
    assert session.stats.queued_messages == session.stats.messages_received


@settings(max_examples=200, deadline=1_000)
@given(st.lists(packets, max_size=12), st.lists(st.integers(0, 2_000), max_size=10))
def test_packets_are_the_same_however_the_stream_is_cut(sent, cuts):
    decoder, received = Decoder(), []
    for piece in pieces(b"".join(packet.write() for packet in sent), cuts):
        decoder.feed(piece, received)
    assert received == sent
    assert decoder.pending == 0


@settings(max_examples=300, deadline=1_000)
@given(mutated(), st.lists(st.integers(0, 700), max_size=6))
def test_malformed_bytes_are_found_wherever_the_stream_is_cut(wire, cuts):
    def decode(parts):
        decoder, received = Decoder(MAX_PACKET_SIZE), []
        try:
            for part in parts:
                decoder.feed(part, received)
        except ProtocolError as error:
            return received, int(error.reason_code)
        return received, decoder.pending

    assert decode([wire]) == decode(pieces(wire, cuts))


def test_a_large_packet_in_small_pieces_is_decoded_once_it_is_complete():
    packet = PublishPacket("a", bytes(3_000_000))
    wire = packet.write() + PingRespPacket().write()
    decoder, received = Decoder(), []
    for start in range(0, len(wire), 1_000):
        decoder.feed(wire[start : start + 1_000], received)
    assert received == [packet, PingRespPacket()]


@given(packet_ids)
def test_short_acknowledgements_are_what_the_codec_writes(packet_id):
    for word, kind in (
        (PUBACK, PubAckPacket),
        (PUBREC, PubRecPacket),
        (PUBREL, PubRelPacket),
        (PUBCOMP, PubCompPacket),
    ):
        assert short_packets([word | packet_id]) == kind(packet_id).write()
