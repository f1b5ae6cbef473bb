"""W3C trace context, handed on from what is received to what is written because of it.

Every event that is encoded gets the ``traceparent`` of whatever is being worked on, unless it has one of its own. Where
nothing is, nothing is looked at but one context variable. Who records spans is no matter of this module.
"""

import contextlib
import re
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

HEADER: Final = "traceparent"
HEADER_BYTES: Final = b"\r\ntraceparent: "

_GOOD: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_LENGTH: Final = 55
_SAMPLED: Final = 1

_current: ContextVar[str] = ContextVar(HEADER, default="")


def current() -> str:
    """The ``traceparent`` of what is being worked on; empty for none."""
    return _current.get()


@contextlib.contextmanager
def under(traceparent: str) -> Iterator[None]:
    """Work on something that has this ``traceparent``; empty is none, whatever was around it."""
    token = _current.set(traceparent)
    try:
        yield
    finally:
        _current.reset(token)


def valid(text: str) -> str:
    """What came as ``traceparent`` from outside, in the form of version 00; empty for what is none.

    A later version may have more behind the flags, which is cut off (Trace Context, 3.2.4).
    """
    if len(text) < _LENGTH or _GOOD.fullmatch(text) is None or (text.startswith("00") and len(text) > _LENGTH):
        return ""
    return f"00{text[2:53]}{'01' if int(text[53:55], 16) & _SAMPLED else '00'}"


def sampled(traceparent: str) -> bool:
    """Whether whoever began the trace has it recorded."""
    return traceparent.endswith("1")


def ids(traceparent: str) -> tuple[str, str]:
    """Trace id and span id in hexadecimal; empty for no ``traceparent``."""
    return (traceparent[3:35], traceparent[36:52]) if traceparent else ("", "")


def headers() -> dict[str, str] | None:
    """Headers of a request because of what is being worked on; None for none."""
    traceparent = _current.get()
    return {HEADER: traceparent} if traceparent else None
