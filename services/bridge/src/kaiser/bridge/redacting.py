"""A message as the log keeps it beside what was made of it: to the byte, but for values that are secrets by name. Pure.

No message of the wire contract has a secret in it: keys are given to a device over its own HTTP server, and tokens go
down and never up. But a ``head`` device answers ``get_config`` with whatever its firmware holds there (section 4.12),
and what is in the log stays in it.
"""

import re
from typing import Final

from mqtt5 import PublishPacket

from kaiser.contracts.events.device import MqttMessage

_SECRET: Final = re.compile(
    rb'("[^"\\]{0,64}(?:passw|passphrase|secret|token|psk|api_?key|private_?key)[^"\\]{0,64}"\s*:\s*)"(?:[^"\\]|\\.)*"',
    re.IGNORECASE,
)
"""A text under such a name; numbers stay, for ``emergency_rejected_no_token_total`` is a count. Names have an end: one
of 16 KiB would keep the bridge busy."""


def as_received(message: PublishPacket) -> MqttMessage:
    """The message as it is kept."""
    payload, hidden = _SECRET.subn(rb'\1"***"', message.payload)
    return MqttMessage(
        topic=message.topic,
        payload=payload,
        qos=0 if message.packet_id is None else 1,
        dup=message.duplicate,
        redacted=hidden > 0,
    )
