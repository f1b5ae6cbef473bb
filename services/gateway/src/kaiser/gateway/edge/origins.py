"""Which pages of other origins may use the API in a browser: those that are named, each exactly."""

import re
from typing import Final

from litestar.config.cors import CORSConfig

ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")
SENT: Final = ("Authorization", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key", "X-Request-ID")
READ: Final = (
    "Content-Disposition",
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Request-ID",
)


def allowed(origins: str) -> CORSConfig | None:
    """What browsers are told; None where no page but the gateway's own may.

    Tokens go in a header that a page sets itself, so no page gets anything with what a browser would send by itself.

    Args:
        origins: As the setting has them.
    """
    named = _each(origins)
    if not named:
        return None
    return CORSConfig(
        allow_origins=named,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=list(SENT),
        expose_headers=list(READ),
        allow_credentials=False,
        max_age=600,
    )


def fault(origins: str) -> str:
    """What is wrong with the setting; empty for nothing."""
    wrong = [each for each in _each(origins) if not ORIGIN.fullmatch(each)]
    if not wrong:
        return ""
    return f"KAISER_GATEWAY_ORIGINS: {', '.join(wrong)}: name each origin exactly, such as https://plants.example"


def _each(origins: str) -> list[str]:
    return [each.strip() for each in origins.split(",") if each.strip()]
