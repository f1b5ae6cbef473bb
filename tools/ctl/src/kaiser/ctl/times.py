"""Moments that people type."""

from datetime import UTC, datetime

from kaiser.ctl.errors import UsageError


def moment_us(text: str | None) -> int:
    """Unix microseconds of ISO 8601 with an offset, or of unix seconds; 0 for None.

    Raises:
        UsageError: It is neither.
    """
    if text is None:
        return 0
    try:
        at = datetime.fromtimestamp(float(text), UTC) if _is_number(text) else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{text!r} is no time: write it like 2026-04-01T12:00:00Z.") from error
    if at.tzinfo is None:
        raise UsageError(f"{text!r} has no offset: write it like 2026-04-01T12:00:00Z or …+02:00.")
    return round(at.timestamp() * 1_000_000)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()
