"""What devices were told lately, with the trace that it belongs to, so that what they answer is a part of it.

Answers come through the session that the message went out by, but for sites with several slots: there another bridge
may get them, and the trace ends with the message.
"""

import time
from typing import Final

from kaiser.contracts import topics
from kaiser.contracts.topics import DownlinkTopic
from kaiser.contracts.wire import ActuatorResponse, ActuatorStatus, IntentOutcome

ANSWERS_WITHIN_S: Final = 10.0
MOST: Final = 1024


class Told:
    """Messages to outputs whose traces are recorded, by device and pin, and by the id of the command."""

    __slots__ = ("_messages",)

    def __init__(self) -> None:
        self._messages: dict[tuple[str, int | str], tuple[str, float]] = {}

    def note(self, topic: str, command_id: str, traceparent: str) -> None:
        """A message went out.

        Args:
            topic: Where to; a no-op for what is for no output.
            command_id: What it is the message of.
            traceparent: Of its sending.
        """
        found = topics.classify(topic)
        if not isinstance(found, DownlinkTopic) or found.gpio is None:
            return
        until = time.monotonic() + ANSWERS_WITHIN_S
        for name in (found.gpio, command_id):
            self._messages.pop((found.esp_id, name), None)
            self._messages[found.esp_id, name] = traceparent, until
        while len(self._messages) > MOST:
            del self._messages[next(iter(self._messages))]

    def cause(self, esp_id: str, said: object) -> str:
        """``traceparent`` of what a device answers by this; empty for none that is known."""
        if not self._messages:
            return ""
        name: int | str
        match said:
            case ActuatorResponse(gpio=gpio) | ActuatorStatus(gpio=gpio):
                name = gpio
            case IntentOutcome():
                name = said.correlation_id or said.intent_id
            case _:
                return ""
        traceparent, until = self._messages.get((esp_id, name), ("", 0.0))
        return traceparent if time.monotonic() < until else ""
