"""Whether the clocks of the site agree: which moment counts for a reading, a token and a rule depends on them."""

from collections.abc import Mapping

from kaiser.ctl.doctor.limits import Limits
from kaiser.ctl.findings import Finding, ok, wrong


def skew(ahead_s: Mapping[str, float], limits: Limits) -> Finding:
    """Whether clocks agree.

    Args:
        ahead_s: Whose clock, and how many seconds it is ahead of this machine's.
        limits: How much is too much.
    """
    check = "clocks"
    faults = [
        f"the clock of {name} is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} this machine's"
        for name, seconds in ahead_s.items()
        if abs(seconds) > limits.skew_s
    ]
    if faults:
        return wrong(check, "; ".join(faults), "set the clocks by NTP (chrony, systemd-timesyncd), on every machine")
    return ok(check, f"{' and '.join(ahead_s)} and this machine agree to {limits.skew_s:g} s")


def ahead(before_s: float, theirs_s: float, after_s: float) -> float:
    """Seconds that another clock is ahead, from one question; 0 where the time that it took explains it.

    Args:
        before_s: Our clock when we asked.
        theirs_s: Theirs when they answered.
        after_s: Ours when we had the answer.
    """
    if theirs_s > after_s:
        return theirs_s - after_s
    return min(0.0, theirs_s - before_s)
