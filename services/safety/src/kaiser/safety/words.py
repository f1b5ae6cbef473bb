"""Where devices say that their actuators stand in an emergency, and when they last said that they are in none. Pure."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from kaiser.contracts.events.safeguards import ActuatorRef

NORMAL: Final = "normal"


class Word(NamedTuple):
    """What a device said last of one actuator, and when it last said ``normal``; 0 for never."""

    emergency: str = NORMAL
    calm_at: int = 0


UNSAID: Final = Word()


class Words:
    """The last word on each actuator."""

    def __init__(self) -> None:
        self._words: dict[ActuatorRef, Word] = {}

    def take(self, ref: ActuatorRef, emergency: str, at: int) -> None:
        """Take in what a status says that came at ``at``, unix microseconds."""
        calm_at = at if emergency == NORMAL else self.of(ref).calm_at
        self._words[ref] = Word(emergency, calm_at)

    def of(self, ref: ActuatorRef) -> Word:
        """The last word on an actuator."""
        return self._words.get(ref, UNSAID)

    def kept(self) -> list[tuple[ActuatorRef, str, int]]:
        """All of them, to go on from."""
        return [(ref, *word) for ref, word in self._words.items()]

    def remember(self, kept: Iterable[tuple[ActuatorRef, str, int]]) -> None:
        """Go on from these."""
        self._words = {ref: Word(emergency, calm_at) for ref, emergency, calm_at in kept}
