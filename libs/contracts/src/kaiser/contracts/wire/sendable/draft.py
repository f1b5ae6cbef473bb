"""A message on its way to a device, and the words in which rules speak about it."""

import re
from typing import Any, Final, NamedTuple

from kaiser.contracts.topics import DownlinkTopic

Body = dict[str, Any]  # the JSON object as the device gets it

POOL_SLOT: Final = 16
"""Bytes that ArduinoJson 6 needs for each member of an object or array on a 32-bit processor."""

INPUTS_DEC: Final = frozenset({4, 5, *range(14, 20), 21, 22, 23, 25, 26, 27, 32, 33})
INPUTS_HEAD: Final = INPUTS_DEC | {34, 35, 36, 39}
OUTPUTS: Final = INPUTS_DEC
"""Pins that the firmware hands out (section 7). XIAO builds use the table of the WROOM, so one table serves all."""

MAX_ID: Final = 63
U32_MAX: Final = 0xFFFF_FFFF

_UNSAFE = re.compile(r'["\\\x00-\x1f\x7f]')


class ForbiddenError(ValueError):
    """A message that no device may get. The text says what a device would do, or why it is of no use to it."""


class Draft(NamedTuple):
    """A message that is about to be sent.

    Attributes:
        topic: Where to.
        body: What the device would read.
        payload: The bytes.
        dec: Whether a ``dec`` device may get it.
        head: Whether a ``head`` device may get it.
    """

    topic: DownlinkTopic
    body: Body
    payload: bytes
    dec: bool
    head: bool


def text(body: Body, name: str, *, longest: int = MAX_ID, empty: bool = False) -> str:
    """A string that must be there.

    It may hold nothing that JSON escapes: devices glue their strings into JSON as they are (section 4), so that a
    quote in a name breaks every reading that follows.
    """
    if name not in body:
        raise ForbiddenError(f"{name} is missing")
    value = body[name]
    if not isinstance(value, str):
        raise ForbiddenError(f"{name} is not a string: {value!r}")
    if not value and not empty:
        raise ForbiddenError(f"{name} is empty")
    if len(value) > longest:
        raise ForbiddenError(f"{name} has {len(value)} characters, the device holds {longest}")
    if _UNSAFE.search(value):
        raise ForbiddenError(f"{name} holds a quote, backslash or control character, which devices send back unescaped")
    return value


def optional_text(body: Body, *names: str, longest: int = MAX_ID) -> None:
    """Strings that may be absent, but not null, empty or long."""
    for name in names:
        if name in body:
            text(body, name, longest=longest)


def integer(body: Body, name: str, low: int, high: int) -> int:
    """An integer that must be there; booleans and 1.0 are none."""
    if name not in body:
        raise ForbiddenError(f"{name} is missing")
    value = body[name]
    if type(value) is not int:
        raise ForbiddenError(f"{name} is not an integer: {value!r}")
    if not low <= value <= high:
        raise ForbiddenError(f"{name} is {value}, outside of {low} to {high}")
    return value


def optional_integer(body: Body, name: str, low: int = 0, high: int = U32_MAX) -> None:
    """An integer that may be absent."""
    if name in body:
        integer(body, name, low, high)


def number(body: Body, name: str) -> float:
    """A finite number that must be there; booleans are none."""
    value = body.get(name)
    if type(value) not in (int, float):
        raise ForbiddenError(f"{name} is not a number: {value!r}")
    assert isinstance(value, int | float)
    return value


def boolean(body: Body, name: str) -> bool:
    """A boolean that must be there."""
    value = body.get(name)
    if type(value) is not bool:
        raise ForbiddenError(f"{name} is not a boolean: {value!r}")
    return value


def one_of(body: Body, name: str, words: tuple[str, ...]) -> str:
    """A word of a list, exact in case."""
    value = body.get(name)
    if value not in words or not isinstance(value, str):
        raise ForbiddenError(f"{name} is {value!r}; devices know {', '.join(words)}, in exactly this case")
    return value


def only(body: Body, *names: str) -> None:
    """No other fields: they would not fit, or a device would take them for something."""
    extra = [name for name in body if name not in names]
    if extra:
        raise ForbiddenError(f"{', '.join(extra)}: only {', '.join(names)} may be sent here")


def pool(value: Any, seen: set[str] | None = None) -> int:  # any JSON value
    """Bytes that the message needs in ArduinoJson 6's pool: a slot a member, and each text once with its NUL.

    Agrees with what was measured (section 5.8) to within a slot.
    """
    seen = set() if seen is None else seen
    if isinstance(value, dict):
        return sum(POOL_SLOT + _text_pool(key, seen) + pool(item, seen) for key, item in value.items())
    if isinstance(value, list):
        return sum(POOL_SLOT + pool(item, seen) for item in value)
    return _text_pool(value, seen) if isinstance(value, str) else 0


def _text_pool(value: str, seen: set[str]) -> int:
    if value in seen:
        return 0
    seen.add(value)
    return len(value.encode()) + 1


def fits_pool(body: Body, size: int) -> None:
    """The message fits the device's pool with a slot to spare, for the measure is good to one slot."""
    needed = pool(body)
    if needed > size - POOL_SLOT:
        raise ForbiddenError(f"needs about {needed} bytes of the device's pool of {size}, which then drops it silently")
