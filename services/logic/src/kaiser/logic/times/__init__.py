"""Wall time, cron and the sun. Pure; moments are unix microseconds, days are of the place's own calendar."""

from typing import Final

SECOND: Final = 1_000_000
"""Microseconds."""

NEVER: Final = 1 << 62
"""Later than anything."""
