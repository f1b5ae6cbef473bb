"""Which clock a reading is dated by. Pure.

The rule, the same for every reading, written into each row as ``time_source`` and ``flags``:

1. The device's time counts if it lies between 30 days before and five minutes after the bridge received the reading,
   and the device's clock is not known to be wrong. (No firmware stores readings, and a broker keeps them for an absent
   bridge for a week: what is older was never under way, and by such a date retention would drop the row at once.)
2. A clock is known to be wrong when the device's heartbeats say so: their time is more than five minutes off.
3. Otherwise the time of receipt counts, and a flag says why: ``clock_unset``, ``clock_implausible``, ``clock_skewed``.

A reading that is dated by its device and came more than a minute later is flagged ``late``: it was kept back somewhere.
Device time, time of receipt and time of storing are kept in the row besides.
"""

from typing import Final, Literal

import msgspec

TimeSource = Literal["device", "server"]

EARLIEST_S: Final = 1_700_000_000
"""2023-11-14; the firmware takes nothing earlier for a time (wire contract, section 2)."""
OLDEST_US: Final = 30 * 86_400_000_000
TOLERANCE_US: Final = 300_000_000
LATE_US: Final = 60_000_000
AGREE_US: Final = 2_000_000
"""Two heartbeats agree within this: device time has whole seconds, and a message travels for less than one more."""

_SECOND: Final = 1_000_000


class Clock(msgspec.Struct, frozen=True):
    """What the heartbeats of a device say of its clock.

    Attributes:
        lag_us: Time of receipt minus device time of the last heartbeat, microseconds; None before the first.
        wrong: Whether readings must not be dated by it.
        boot: Boot that this was learnt in.
    """

    lag_us: int | None = None
    wrong: bool = False
    boot: str = ""


UNKNOWN: Final = Clock()


def hear(clock: Clock, *, device_ts: int, received_at: int, boot: str) -> Clock:
    """What a heartbeat adds.

    Heartbeats are QoS 0 in both generations, which brokers do not keep for an absent bridge, so one that comes is fresh
    and its lag is the clock's. Where a broker does keep them, a backlog has lags that shrink from one heartbeat to the
    next, while a wrong clock is off by the same amount each time: so a clock that has been right counts as slow only
    when two heartbeats in a row agree on by how much. A clock that is ahead needs no second opinion.

    Args:
        clock: What was known.
        device_ts: Unix seconds as the device has them; 0 where its clock is not set, which says nothing of its rate.
        received_at: Unix microseconds.
        boot: Boot of the device, empty where unknown; a new one forgets what was learnt.
    """
    if device_ts < EARLIEST_S:
        return Clock(boot=boot)
    lag = received_at - device_ts * _SECOND
    off = abs(lag) > TOLERANCE_US
    first = clock.lag_us is None or boot != clock.boot
    agrees = clock.lag_us is not None and abs(lag - clock.lag_us) <= AGREE_US
    wrong = off and (first or clock.wrong or agrees or lag < 0)
    return Clock(lag_us=lag, wrong=wrong, boot=boot)


def date(device_ts: int, received_at: int, *, clock_wrong: bool) -> tuple[int, TimeSource, str]:
    """When a reading was measured, by the rule above.

    Args:
        device_ts: Unix seconds as the device has them, 0 where not set.
        received_at: Unix microseconds.
        clock_wrong: :attr:`Clock.wrong` of the device.

    Returns:
        Unix microseconds, whose clock that is, and a flag (mostly empty).
    """
    measured_at = device_ts * _SECOND
    if received_at - OLDEST_US <= measured_at <= received_at + TOLERANCE_US:
        if clock_wrong:
            return received_at, "server", "clock_skewed"
        return measured_at, "device", "late" if received_at - measured_at > LATE_US else ""
    return received_at, "server", "clock_implausible" if device_ts else "clock_unset"
