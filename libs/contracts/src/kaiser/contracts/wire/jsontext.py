"""From the bytes of a payload to one JSON object, or to the reason why not.

Firmware writes its JSON by gluing strings together (wire contract, section 4), so three things that are not JSON are
mended where they can be read one way only: ``nan`` and ``inf`` for a number, and quotes, backslashes and control
characters within a string that nobody escaped. Everything else that is not a JSON object in UTF-8 is refused.
"""

import json
import re
from collections.abc import Collection
from typing import Any, Final

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.wire.refusal import RefusedError

MAX_PAYLOAD: Final = 16_384
"""Bytes. ``head`` cannot send more than 8192, ``dec`` not more than 2048 (section 1.2)."""

MAX_DEPTH: Final = 10
"""Levels of nesting; no message of the contract has more than three, and ArduinoJson itself stops at ten."""

MAX_MENDED: Final = 2048
"""Bytes of a text that is worth mending: what ``dec`` can send, and more than ``head`` queues (section 6.3).

A device that sends garbage at full speed must not cost the others their bridge: mending 16 KiB takes 2 ms.
"""

MENDED: Final = "strings_mended"
"""Flag: unescaped characters in strings were escaped."""

CONTROL: Final = "control_characters_replaced"
"""Flag: control characters in strings became U+FFFD; PostgreSQL cannot store NUL."""

Object = dict[str, Any]  # a JSON object, not yet of any kind

_decode = msgspec.json.Decoder().decode
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_KEY = re.compile(r'\s*"([A-Za-z_][A-Za-z0-9_]*)"\s*:\s*')
_VALUE_ENDS = re.compile(r'\s*(?:,\s*"[A-Za-z_][A-Za-z0-9_]*"\s*:|[}\]][\s}\]]*(?:$|,\s*["{]))')
_NOT_A_NUMBER = re.compile(r"(?i)[+-]?(?:nan|inf(?:inity)?|ovf)(?=\s*[,}\]])")
_PLAIN = re.compile(r'[^"]+')
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_BUT_LAYOUT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SENTENCES = frozenset({"message", "detail", "reason", "error"})


def read_object(payload: bytes, known: Collection[str]) -> tuple[Object, list[str]]:
    """Read a payload.

    Args:
        payload: As it came.
        known: Field names of the kind of message; a text that had to be mended must consist of them.

    Returns:
        The object without its null fields, and flags for what was mended.

    Raises:
        RefusedError: It is not an object that can be read one way only.
    """
    if len(payload) > MAX_PAYLOAD:
        raise RefusedError(Code.PAYLOAD_TOO_LARGE, f"{len(payload)} bytes, at most {MAX_PAYLOAD}")
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise RefusedError(Code.INVALID_PAYLOAD_FORMAT, f"not UTF-8 at byte {error.start}") from error
    _check_depth(payload, text)
    flags: list[str] = []
    try:
        value = _decode(payload)
    except msgspec.ValidationError as error:  # the only one without a type: a number beyond 1.8e308
        raise RefusedError(Code.VALUE_OUT_OF_RANGE, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        value, payload = _mended(text, known, flags, str(error))
    if type(value) is not dict:
        raise RefusedError(Code.INVALID_PAYLOAD_FORMAT, f"top level is {_json_name(value)}, not an object")
    _check_duplicates(payload, value)
    if b"\\" in payload:
        value = _without_control_characters(value, flags)
    return {name: field for name, field in value.items() if field is not None}, flags


def _check_depth(payload: bytes, text: str) -> None:
    if payload.count(b"{") + payload.count(b"[") <= MAX_DEPTH:
        return
    depth = 0
    for character in _STRINGS.sub("", text):
        if character in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise RefusedError(Code.INVALID_PAYLOAD_FORMAT, f"nested deeper than {MAX_DEPTH} levels")
        elif character in "}]":
            depth -= 1


def _check_duplicates(payload: bytes, value: Object) -> None:
    """A field that occurs twice can be read two ways, and is how a forged zone id would overwrite a reading.

    As many colons as fields means none too many; a colon within a string only costs a second look.
    """
    if payload.count(b":") == _count_fields(value):
        return

    def unique(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise RefusedError(Code.DUPLICATE_FIELD, "occurs twice", name[:64])
            seen.add(name)

    json.loads(payload, object_pairs_hook=unique, parse_int=str, parse_float=str)


def _count_fields(value: Any) -> int:  # any JSON value
    if type(value) is dict:
        return len(value) + sum(map(_count_fields, value.values()))
    if type(value) is list:
        return sum(map(_count_fields, value))
    return 0


def _without_control_characters(value: Any, flags: list[str], name: str = "") -> Any:  # any JSON value
    if type(value) is str:
        pattern = _CONTROL_BUT_LAYOUT if name in _SENTENCES else _CONTROL_CHARACTER
        if pattern.search(value):
            if CONTROL not in flags:
                flags.append(CONTROL)
            return pattern.sub("\ufffd", value)
    elif type(value) is dict:
        return {
            _without_control_characters(key, flags): _without_control_characters(field, flags, key)
            for key, field in value.items()
        }
    elif type(value) is list:
        return [_without_control_characters(item, flags) for item in value]
    return value


def _mended(text: str, known: Collection[str], flags: list[str], complaint: str) -> tuple[Any, bytes]:
    """Escape what was not escaped and turn ``nan`` into null, then read again; any doubt refuses."""
    stripped = text.strip(" \t\r\n")
    if not (stripped.startswith("{") and stripped.endswith("}")) or len(stripped) > MAX_MENDED:
        raise RefusedError(Code.INVALID_PAYLOAD_FORMAT, complaint)
    mended, escaped, nulled = _mend(stripped)
    if not (escaped or nulled):
        raise RefusedError(Code.INVALID_PAYLOAD_FORMAT, complaint)
    payload = mended.encode()
    try:
        value = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedError(Code.INVALID_PAYLOAD_FORMAT, complaint) from error
    if escaped:
        if not (isinstance(value, dict) and value.keys() <= set(known)):
            raise RefusedError(Code.INVALID_PAYLOAD_FORMAT, f"{complaint}; it can be mended in more than one way")
        flags.append(MENDED)
    flags.extend(f"{name}_not_a_number" if name else "not_a_number" for name in nulled)
    return value, payload


def _mend(text: str) -> tuple[str, bool, list[str]]:
    """The text with strings escaped and non-numbers as null, whether a string changed, and which fields were null."""
    parts: list[str] = []
    nulled: list[str] = []
    escaped = False
    name = ""
    at = 0
    while at < len(text):
        if text[at] != '"':
            plain = _PLAIN.match(text, at)
            assert plain is not None
            replaced = _NOT_A_NUMBER.sub("null", plain[0])
            if replaced != plain[0]:
                nulled.append(name)
            parts.append(replaced)
            at = plain.end()
        elif key := _KEY.match(text, at):
            name = key[1]
            parts.append(key[0])
            at = key.end()
        else:
            end = _string_end(text, at + 1)
            content = text[at + 1 : end]
            escaping = content if _is_json_string(content) else json.dumps(content, ensure_ascii=False)[1:-1]
            escaped |= escaping != content
            parts.append(f'"{escaping}"')
            at = end + 1
    return "".join(parts), escaped, nulled


def _string_end(text: str, start: int) -> int:
    """Where a string value ends: at the first quote after which the object goes on as an object does."""
    at = text.find('"', start)
    while at != -1:
        if _VALUE_ENDS.match(text, at + 1):
            return at
        at = text.find('"', at + 1)
    return len(text)


def _is_json_string(content: str) -> bool:
    try:
        msgspec.json.decode(f'"{content}"'.encode())
    except (msgspec.DecodeError, UnicodeError):
        return False
    return True


def _json_name(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
