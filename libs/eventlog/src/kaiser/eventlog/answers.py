"""What the caller of a publish expects, and what JetStream answers."""

from typing import Final

import msgspec

__all__ = ("Expectation", "PubAck", "Refusal")

FULL: Final = frozenset({10077, 10002, 10023, 10028, 10047})
"""Error codes for a stream at its limit (10077, also a full disk), and for an account or server without room."""
CONFLICT: Final = frozenset({10071, 10164})
UNAVAILABLE: Final = frozenset({429, 503})
"""Codes that pass by themselves: no leader, no JetStream yet, too many requests at once."""


class Expectation(msgspec.Struct, frozen=True):
    """Optimistic concurrency: store only if nothing was written since.

    Attributes:
        last_seq: Stream sequence of the last message that the caller has seen; 0 for none.
        subjects: Subject filter it counts for, such as ``device.k1.ESP_1.*``; empty for the event's own subject.
    """

    last_seq: int
    subjects: str = ""


class PubAck(msgspec.Struct, frozen=True, gc=False):
    """JetStream's word that an event is stored.

    Attributes:
        stream: Where.
        seq: Its sequence there.
        duplicate: Whether it was there already, under the same id.
    """

    stream: str
    seq: int
    duplicate: bool = False


class Refusal(msgspec.Struct, frozen=True):
    """JetStream's word that an event is not stored."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class _Refused(msgspec.Struct, frozen=True):
    error: Refusal


AWAY: Final = Refusal(503, 0, "no stream takes this subject now")
decode_ack = msgspec.json.Decoder(PubAck).decode
_decode_refused = msgspec.json.Decoder(_Refused).decode


def decode_refusal(data: bytes) -> Refusal:
    """The refusal that an answer carries."""
    return _decode_refused(data).error


def is_refusal(data: bytes) -> bool:
    """Whether an answer is one; cheaper than decoding it both ways."""
    return b'"error"' in data


def lasts(refusal: Refusal | None) -> bool:
    """Whether sending again at once is of no use."""
    return refusal is not None and (refusal.code not in UNAVAILABLE or refusal.err_code in FULL)


def expectation_headers(expect: Expectation) -> bytes:
    """The header lines of an expectation, and the empty line that ends a block."""
    lines = f"Nats-Expected-Last-Subject-Sequence: {expect.last_seq}\r\n"
    if expect.subjects:
        lines += f"Nats-Expected-Last-Subject-Sequence-Subject: {expect.subjects}\r\n"
    return lines.encode() + b"\r\n"
