"""The HTTP step of ``dec``: each value is asked from the server, and a breaker stands before it (section 4.2)."""

import contextlib
import json
import socket
from typing import Any, Final, Literal, NamedTuple

FAILURES: Final = 5
OPEN_S: Final = 60.0
TIMEOUT_S: Final = 5.0


class Processed(NamedTuple):
    """What the server makes of a count, as the device's parser reads it."""

    value: float
    unit: str
    quality: str


class Processing:
    """What the device gets for its request.

    Args:
        answers: Whether the server's endpoint answers as the device needs it, where there is no real one.
        address: Host and port of a real one. The call blocks the whole loop, as it does in the firmware.
    """

    def __init__(self, *, answers: bool, address: tuple[str, int] | None = None) -> None:
        self._answers = answers
        self._address = address
        self._failures = 0
        self._open_until_s = 0.0

    def ask(self, now_s: float, **reading: Any) -> Processed | Literal["value", "nothing", "raw"]:  # of JSON types
        """What came back.

        ``value`` where there is no real server, ``nothing`` (no message at all), or ``raw`` while the breaker is open.

        Args:
            now_s: Seconds since boot.
            reading: Fields of the request.
        """
        if self._answers and self._address is None:
            return "value"
        if now_s < self._open_until_s:
            return "raw"
        if self._address is not None and (found := call(self._address, reading | {"metadata": {}})) is not None:
            self._failures = 0
            return found
        self._failures += 1
        if self._failures >= FAILURES:
            self._failures = 0
            self._open_until_s = now_s + OPEN_S
        return "nothing"


def call(address: tuple[str, int], body: dict[str, Any]) -> Processed | None:
    """One request; None if it fails or its answer is not what the parser can read."""
    payload = json.dumps(body, separators=(",", ":")).encode()
    host, port = address
    head = (
        f"POST /api/v1/sensors/process HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(payload)}\r\nConnection: close\r\n\r\n"
    )
    with contextlib.suppress(OSError), socket.create_connection(address, TIMEOUT_S) as connection:
        connection.sendall(head.encode() + payload)
        with connection.makefile("rb") as lines:
            return _read(lines)
    return None


def _read(lines: Any) -> Processed | None:  # a binary file
    """As the firmware reads: its header names are case-sensitive, and an empty line ends the body."""
    version, _, status = lines.readline().decode("latin-1").partition(" ")
    if not version.startswith("HTTP/1.1") or not status.startswith("2"):
        return None
    length = None
    while (line := lines.readline()) not in (b"\r\n", b""):
        if line.startswith(b"Content-Length:"):
            length = int(line[len("Content-Length:") :])
    body = b""
    while (length is None or len(body) < length) and (line := lines.readline()) not in (b"\n", b""):
        body += line
    return parse(body.decode("latin-1"))


def parse(body: str) -> Processed | None:
    """As the firmware searches: for these very characters, with no space before a text."""
    number = _after(body, '"processed_value":').lstrip(" ")
    end = next((i for i, c in enumerate(number) if c not in "+-.0123456789eE"), len(number))
    try:
        value = float(number[:end])
    except ValueError:
        return None
    return Processed(value, _after(body, '"unit":"').partition('"')[0], _after(body, '"quality":"').partition('"')[0])


def _after(text: str, mark: str) -> str:
    return text.partition(mark)[2]
