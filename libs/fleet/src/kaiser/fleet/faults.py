"""Answers to commands that are late, lost, doubled or wrong, in an order that a seed decides.

What a device says by itself, such as its status every 30 s, stays true: the server can find out.
"""

import random
from typing import Final, Literal, NamedTuple

import msgspec

from kaiser.fleet.message import Outgoing, Subscribing

Wish = Outgoing | Subscribing

AnswerFault = Literal["none", "unheard", "lost", "late", "doubled", "pretended", "denied", "foreign"]
"""What goes wrong with one command:

``unheard``: it never reaches the firmware, as QoS 0 allows, and nothing is done. ``lost``: it is done, and nothing is
said of it. ``late``: it is done at once and said later. ``doubled``: everything is said twice. ``pretended``: success
is claimed and nothing done. ``denied``: it is done, and failure claimed. ``foreign``: the answer has the correlation id
of somebody else (``head``), or the word of another command (``dec``, which has no ids).
"""

FOREIGN_ID: Final = "somebody-else"


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong with the commands of one device.

    Attributes:
        script: What goes wrong with its first commands, one by one.
        shares: Afterwards, how often what goes wrong, each from 0 to 1 and 1 at most together; the rest goes well.
        late_s: Shortest and longest delay of late answers, seconds of the device's own time.
        seed: Which command meets which fault; the same seed and device id give the same faults.
    """

    script: tuple[AnswerFault, ...] = ()
    shares: dict[AnswerFault, float] = {}
    late_s: tuple[float, float] = (1.0, 10.0)
    seed: int = 0


class Fault(NamedTuple):
    """What goes wrong with one command.

    Attributes:
        kind: What.
        late_s: By how much its answers are late.
        number: The command's number, from 1.
    """

    kind: AnswerFault = "none"
    late_s: float = 0.0
    number: int = 0

    @property
    def done(self) -> bool:
        """Whether the command is carried out."""
        return self.kind not in ("unheard", "pretended")

    def claims(self, success: bool) -> bool:
        """Whether the answer says that it was."""
        return {"pretended": True, "denied": False}.get(self.kind, success)

    def correlation_id(self, own: str) -> str:
        """The id in the answer."""
        return f"{FOREIGN_ID}-{self.number}" if self.kind == "foreign" else own

    def word(self, own: str) -> str:
        """The word in an answer that has no id."""
        return ("OFF" if own.upper() == "ON" else "ON") if self.kind == "foreign" else own


NO_FAULT: Final = Fault()


class FaultSource:
    """Deals out the faults of one device, and keeps what it says late.

    Args:
        faults: Which.
        esp_id: The device.

    Attributes:
        dealt: What was dealt so far, for tests to look at.
    """

    def __init__(self, faults: Faults, esp_id: str) -> None:
        self.dealt: list[AnswerFault] = []
        self._faults = faults
        self._random = random.Random(f"{faults.seed}.{esp_id}")  # noqa: S311 - simulated noise
        self._later: list[tuple[float, Wish]] = []

    def next(self) -> Fault:
        """What goes wrong with the next command."""
        number = len(self.dealt) + 1
        kind = self._draw(number)
        self.dealt.append(kind)
        return Fault(kind, self._random.uniform(*self._faults.late_s) if kind == "late" else 0.0, number)

    def said(self, fault: Fault, wishes: list[Wish], now_s: float) -> list[Wish]:
        """What a device says now of what it would say to a command.

        Args:
            fault: What goes wrong with the command.
            wishes: What it would say.
            now_s: Seconds since boot.
        """
        if fault.kind == "lost":
            return []
        if fault.kind == "late":
            self._later += [(now_s + fault.late_s, wish) for wish in wishes]
            return []
        return wishes * 2 if fault.kind == "doubled" else wishes

    def late(self, now_s: float) -> list[Wish]:
        """What is said now of what was late."""
        if not self._later:
            return []
        due = [wish for at_s, wish in self._later if at_s <= now_s]
        self._later = [(at_s, wish) for at_s, wish in self._later if at_s > now_s]
        return due

    def next_late_s(self) -> float:
        """Uptime when there is something of that; infinite for never."""
        return min((at_s for at_s, _ in self._later), default=float("inf"))

    def forget(self) -> None:
        """Say nothing of it any more."""
        self._later.clear()

    def _draw(self, number: int) -> AnswerFault:
        if number <= len(self._faults.script):
            return self._faults.script[number - 1]
        point = self._random.random()
        for kind, share in self._faults.shares.items():
            if point < share:
                return kind
            point -= share
        return "none"
