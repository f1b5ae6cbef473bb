"""A device's two clocks: seconds since boot, and the time of day, which may be wrong or not set."""

import time
from collections.abc import Callable


class Clock:
    """What a device knows of the time.

    Args:
        off_s: How far its time of day is off; None while it was never set.
        time_scale: How much faster than real the uptime runs, so that tests need not wait a minute for a heartbeat.
        unix: Unix seconds of the world.
        monotonic: Seconds of a clock that never jumps.
    """

    def __init__(
        self,
        *,
        off_s: int | None = 0,
        time_scale: float = 1.0,
        unix: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._off_s = off_s
        self._scale = time_scale
        self._unix, self._monotonic = unix, monotonic
        self._booted, self._booted_unix = monotonic(), unix()

    @property
    def uptime_s(self) -> float:
        """Seconds since boot, at the device's own speed."""
        return (self._monotonic() - self._booted) * self._scale

    @property
    def uptime_ms(self) -> int:
        """Milliseconds since boot."""
        return int(self.uptime_s * 1000)

    @property
    def valid(self) -> bool:
        """Whether the time of day is set; it may be wrong all the same."""
        return self._off_s is not None

    @property
    def unix_s(self) -> int:
        """Unix seconds as the device has them; 0 while its clock is not set."""
        return self.unix_at(self.uptime_s)

    @property
    def unix_ms(self) -> int:
        """Unix milliseconds; milliseconds since boot while the clock is not set (wire contract, section 2)."""
        if self._off_s is None:
            return self.uptime_ms
        return int((self._booted_unix + self.uptime_s / self._scale + self._off_s) * 1000)

    @property
    def booted_at_s(self) -> int:
        """Unix seconds of the boot; 0 while the clock is not set."""
        return self.unix_at(0.0)

    def unix_at(self, uptime_s: float) -> int:
        """Unix seconds that belong to an uptime; 0 while the clock is not set."""
        if self._off_s is None:
            return 0
        return int(self._booted_unix + uptime_s / self._scale) + self._off_s

    def learn(self, unix_s: int) -> None:
        """Take over a time, unless there is one already."""
        if self._off_s is None:
            self._off_s = unix_s - int(self._unix())

    def reboot(self) -> None:
        """Count from 0 again."""
        self._booted, self._booted_unix = self._monotonic(), self._unix()

    def seconds_until(self, uptime_s: float) -> float:
        """Real seconds until an uptime is reached; 0 if it was."""
        return max(0.0, (uptime_s - self.uptime_s) / self._scale)
