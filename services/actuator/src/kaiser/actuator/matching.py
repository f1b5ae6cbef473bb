"""Which command an answer of a device belongs to (wire contract, section 4.6). Pure.

``head`` says it: the correlation id is the command's. ``dec`` says the word and no id. A device answers each try once
and in order, so a word is owed first to the oldest command of that word that ended without its answer.
"""

from typing import Final

import msgspec

from kaiser.actuator.commands import HearResponse
from kaiser.actuator.state import ActuatorState, Past, Sent

OWED_US: Final = 60_000_000
"""An answer that has not come by then was lost: ``dec`` answers with QoS 0."""

ECHO: Final = 0.0006
"""Levels come back with three decimals."""


class Nobody(msgspec.Struct, frozen=True):
    """An answer to nothing of ours: to safety's OFF, say, or one that is too old."""


NOBODY: Final = Nobody()


def whose(state: ActuatorState, heard: HearResponse) -> Sent | Past | Nobody:
    """The command that a response answers."""
    if heard.correlation_id:
        return by_id(state, heard.correlation_id)
    word = heard.word.upper()
    for past in state.past:
        owed = past.outcome != "succeeded" and past.answers < past.tries and heard.at - past.sent_at <= OWED_US
        if owed and past.action == word and _echoes(past.action, past.level, heard.value):
            return past
    sent = state.sent
    if (
        sent is not None
        and not heard.older
        and sent.request.action == word
        and _echoes(word, sent.request.level, heard.value)
    ):
        return sent
    return NOBODY


def by_id(state: ActuatorState, command_id: str) -> Sent | Past | Nobody:
    """The command of that id, if it was sent."""
    if state.sent is not None and state.sent.id == command_id:
        return state.sent
    for past in state.past:
        if past.command_id == command_id:
            return past
    return NOBODY


def _echoes(action: str, level: float, value: float | None) -> bool:
    return action != "PWM" or value is None or abs(value - level) <= ECHO
