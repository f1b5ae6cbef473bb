"""Ways to tell people and machines what a rule has to say: one module a channel."""

from typing import Protocol

import msgspec

from kaiser.contracts.events.logic import NotificationAsked


class Undelivered(Exception):  # noqa: N818  # an answer
    """A notification did not reach its target.

    Attributes:
        for_good: Whether it never will, however often it is tried.
    """

    def __init__(self, detail: str, *, for_good: bool = False) -> None:
        super().__init__(detail)
        self.for_good = for_good


class Channel(Protocol):
    """A way."""

    async def deliver(self, asked: NotificationAsked, now: int) -> None:
        """Tell the target, and return when it has taken it.

        Args:
            asked: What is to be told.
            now: Unix microseconds.

        Raises:
            Undelivered: It did not take it.
        """


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """What targets are told, as JSON.

    Attributes:
        id: The same whenever this notification is told again: run and step.
        at: When the rule decided it, unix microseconds.
    """

    id: str
    type: str = NotificationAsked.TYPE
    rule_id: str
    version: int
    run_id: str
    step: int
    at: int
    message: str


def notification(asked: NotificationAsked) -> Notification:
    """What its target is told."""
    return Notification(
        id=identity(asked),
        rule_id=asked.rule_id,
        version=asked.version,
        run_id=asked.run_id,
        step=asked.step,
        at=asked.at,
        message=asked.message,
    )


def identity(asked: NotificationAsked) -> str:
    """What tells a notification from every other one, so that who gets it twice can see that."""
    return f"{asked.run_id}/{asked.step}"
