"""What is known at a moment, to go on from: the log of a year is not read again at each start. Pure.

It is a saving and no truth: without one, or with one of another version, everything is read from the log.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import xxhash

from kaiser.contracts.events.actuation import CommandRequested
from kaiser.contracts.events.codec import encode
from kaiser.contracts.events.safeguards import ActuatorRef
from kaiser.safety.emergencies import Released
from kaiser.safety.events import Fact, decoder
from kaiser.safety.state import Guard, Output

VERSION: Final = 4
"""Raise it when events are folded differently, so that no instance goes on from what another code made of them."""

Packed = tuple[int, str, msgspec.Raw]
"""Sequence (0 where it does not matter), type and body of an event."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What is known at a moment.

    Attributes:
        actuators_seq: Everything up to this event of ACTUATORS is in it.
        safety_seq: The same of SAFETY.
        outputs: What ACTUATORS tells of actuators.
        guards: What SAFETY tells of actuators.
        emergency: Where devices say that actuators stand in an emergency, and when they last said in none.
        facts: Events that are still in force: settings, emergency stops, open alerts and stops.
        released: Emergency stops that were released lately.
        covered: Devices that each stop in force has covered, by its id, with what those that left had said by then.
        undecided: Requests without a decision.
        decided: Commands that were decided last.
        decided_to: The last request that was decided.
    """

    actuators_seq: int
    safety_seq: int
    outputs: list[tuple[ActuatorRef, Output]]
    guards: list[tuple[ActuatorRef, Guard]]
    emergency: list[tuple[ActuatorRef, str, int]]
    facts: list[Packed]
    released: list[Released]
    covered: list[tuple[str, dict[str, int]]]
    undecided: list[tuple[int, CommandRequested]]
    decided: list[str]
    decided_to: int


_decode = msgspec.json.Decoder(Checkpoint).decode


def fingerprint() -> str:
    """What a checkpoint has to be made with to be of use here: the version, and the shape of all that is in it."""
    shape = msgspec.json.encode(msgspec.json.schema(Checkpoint), order="deterministic")
    return f"{VERSION}.{xxhash.xxh3_64_hexdigest(shape)}"


def packed(facts: Iterable[tuple[int, Fact]]) -> list[Packed]:
    """Events as they are kept, those with a sequence first and in order."""
    rows = [(seq, fact.TYPE, msgspec.Raw(encode(fact))) for seq, fact in facts]
    return sorted(rows, key=lambda row: (row[0] == 0, row[0]))


def unpacked(facts: Sequence[Packed]) -> Iterable[tuple[int, Fact]]:
    """The reverse."""
    for seq, name, body in facts:
        yield seq, decoder.decode(name, bytes(body))


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """A checkpoint, small."""
    return zlib.compress(msgspec.json.encode(checkpoint), 1)


def from_bytes(data: bytes) -> Checkpoint:
    """The reverse.

    Raises:
        ValueError: It is none.
    """
    try:
        return _decode(zlib.decompress(data))
    except (zlib.error, msgspec.DecodeError) as error:
        raise ValueError(f"not a checkpoint: {error}") from error
