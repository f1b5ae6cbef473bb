"""What devices report of their actuators: taken in status by status, in the order of the log. Pure."""

from typing import Final

import msgspec

from kaiser.actuator.levels import reported
from kaiser.actuator.sending import misstarts
from kaiser.actuator.timers import Seen
from kaiser.contracts.actuation import Reported
from kaiser.contracts.lateness import is_late, latest
from kaiser.contracts.wire import ActuatorStatus
from kaiser.roster import Member


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """What an actuator reported.

    Attributes:
        seq: Sequence in ACTUATORS of its last status; 0 for none.
        level: 0.0 to 1.0; None where the device does not know.
        at: When the last status came, unix microseconds.
        ts: The latest time of the device's own clock in a status, unix seconds; 0 for none.
        changed_at: When it came to be what it is.
        version: Sequence of the status that changed it, as far as this process has seen: grows with each change.
        actuator_type: As the device says.
        emergency: As the device says.
        runtime_ms: Accumulated, as the device says.
    """

    seq: int = 0
    level: float | None = None
    at: int = 0
    ts: int = 0
    changed_at: int = 0
    version: int = 0
    actuator_type: str = ""
    emergency: str = "normal"
    runtime_ms: int = 0

    def view(self) -> Reported | None:
        """As others see it."""
        if not self.seq:
            return None
        return Reported(
            level=self.level,
            version=self.version,
            at=self.at,
            changed_at=self.changed_at,
            emergency=self.emergency,
            runtime_ms=self.runtime_ms,
        )


UNSEEN: Final = Shadow()


def take(shadow: Shadow, status: ActuatorStatus, *, seq: int, at: int) -> Shadow:
    """The shadow after a status; one of the past changes nothing, nor does one that its device said before another.

    Args:
        shadow: What was known.
        status: As the device sent it.
        seq: Its sequence in ACTUATORS.
        at: When the bridge took it, unix microseconds.
    """
    if seq <= shadow.seq or is_late(status.ts, shadow.ts):
        return shadow
    level = reported(status)
    changed = not shadow.seq or (level, status.emergency) != (shadow.level, shadow.emergency)
    return Shadow(
        seq=seq,
        level=level,
        at=at,
        ts=latest(status.ts, shadow.ts),
        changed_at=at if changed else shadow.changed_at,
        version=seq if changed else shadow.version,
        actuator_type=status.actuator_type,
        emergency=status.emergency,
        runtime_ms=status.runtime_ms,
    )


def is_known(shadow: Shadow, member: Member) -> bool:
    """Whether what was reported still counts: the device is there, and said it since it came back or was started."""
    return bool(shadow.seq) and member.online and shadow.at > max(member.lost_at, member.booted_at)


def type_of(shadow: Shadow, member: Member, gpio: int) -> str:
    """What an actuator is: as it was configured, else as its device says; empty where nobody did."""
    wanted = member.actuators.get(gpio)
    return wanted.actuator_type if wanted is not None else shadow.actuator_type


def seen(shadow: Shadow, member: Member, gpio: int, reset_at: int = 0) -> Seen:
    """What drift goes by, and whether it does what it says."""
    return Seen(
        level=shadow.level,
        changed_at=shadow.changed_at,
        actuator_type=type_of(shadow, member, gpio),
        known=is_known(shadow, member),
        reset_at=reset_at if misstarts(member.actuators.get(gpio)) else 0,
    )
