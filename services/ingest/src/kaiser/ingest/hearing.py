"""Whether a device hears what it is told (wire contract, section 6.2). Pure.

A ``dec`` device that lost the broker once subscribes to nothing after it came back: it goes on speaking, answers
nothing, and has to be power-cycled. Telling it again and again only fills its neighbours' air.
"""

from typing import Final

from kaiser.contracts.events.device import Generation

ANSWERS_WITHIN_US: Final = 15_000_000
"""Its loop may stand in an HTTP call, or in the conversion of a probe, before it looks at its messages."""


def is_deaf(generation: Generation, told_at: int, heard_at: int) -> bool:
    """Whether a device that has not answered cannot have heard.

    Args:
        generation: Its firmware; ``head`` subscribes at every connect.
        told_at: When the message went out, unix microseconds; 0 if it has not.
        heard_at: When its last heartbeat came, unix microseconds.
    """
    return generation == "dec" and bool(told_at) and heard_at >= told_at + ANSWERS_WITHIN_US
