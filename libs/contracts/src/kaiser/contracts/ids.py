"""The ids of the wire contract (section 1.1): of devices, of kaiser nodes and of what operators name."""

import re
from typing import Final

ESP_ID_PATTERN: Final = r"ESP_[0-9A-F]{6,8}"
"""``ESP_`` and the last three (real firmware) or four MAC bytes. Upper case only, as the firmware writes them."""

KAISER_ID_PATTERN: Final = r"[A-Za-z0-9_-]{0,63}"
"""The firmware's buffer holds 63 characters; empty on ``dec`` devices that were never given one."""

NAME_PATTERN: Final = r"[A-Za-z0-9_-]{1,32}"
"""Zone and subzone ids that Kaiser gives: what both generations can hold and write into JSON without escaping."""

_ESP_ID = re.compile(ESP_ID_PATTERN)
_KAISER_ID = re.compile(KAISER_ID_PATTERN)
_NAME = re.compile(NAME_PATTERN)


def is_esp_id(text: str) -> bool:
    """Whether ``text`` is the id of a real device."""
    return _ESP_ID.fullmatch(text) is not None


def is_kaiser_id(text: str) -> bool:
    """Whether ``text`` can stand at the kaiser level of a topic, empty included."""
    return _KAISER_ID.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether ``text`` may be given to a device as a zone or subzone id."""
    return _NAME.fullmatch(text) is not None
