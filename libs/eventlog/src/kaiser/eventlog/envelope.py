"""An event and its headers: CloudEvents 1.0, NATS binding, binary content mode.

Attributes travel as ``ce-…`` headers (printable ASCII, everything else percent-encoded), the body is the event's JSON.
``content-type`` is there beside ``ce-datacontenttype`` because FastStream reads that one.
"""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol
from urllib.parse import unquote

import msgspec
from nats.nuid import NUID

from kaiser.eventlog import tracecontext

MESSAGE_ID: Final = "Nats-Msg-Id"
CONTENT_TYPE: Final = "application/json"

_STATUS_LINE: Final = b"NATS/1.0"
_NOT_PLAIN: Final = re.compile(r"[^!#$&-~]")  # printable ASCII without space, double quote and percent
_ids = NUID()


def now_us() -> int:
    """Unix microseconds by the wall clock."""
    return time.time_ns() // 1000


def new_id() -> str:
    """A new event id, 22 characters, unique across processes."""
    return _ids.next().decode()


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event that is going to be written, or that was read.

    Attributes:
        subject: NATS subject that it goes to.
        type: Type with version, such as ``io.kaiser.telemetry.raw.v1``.
        data: The encoded JSON body.
        source: Who says so, such as ``kaiser/bridge``.
        id: Identity. Two events with one id are one event: it is the ``Nats-Msg-Id`` too.
        time: When it happened, unix microseconds.
        traceparent: W3C trace context; empty takes that of whatever is being worked on (:mod:`tracecontext`).
        about: The CloudEvents ``subject`` attribute (which thing of the source), empty for none.
        headers: Further headers, such as ``correlation-id`` or ``Nats-TTL``; names as they are sent.
    """

    subject: str
    type: str
    data: bytes
    source: str
    id: str = msgspec.field(default_factory=new_id)
    time: int = msgspec.field(default_factory=now_us)
    traceparent: str = ""
    about: str = ""
    headers: Mapping[str, str] | None = None


class ReceivedMessage(Protocol):
    """What :func:`from_msg` reads; both nats-py's ``Msg`` and ``Delivery`` are it."""

    @property
    def subject(self) -> str: ...  # noqa: D102
    @property
    def data(self) -> bytes: ...  # noqa: D102
    @property
    def headers(self) -> Mapping[str, str] | None: ...  # noqa: D102


def encode_headers(event: Event) -> bytes:
    """The header block of an event as it goes over the wire, status line and closing empty line included."""
    lines = f"ce-id: {_plain(event.id)}\r\nce-time: {rfc3339(event.time)}\r\n{MESSAGE_ID}: {_plain(event.id)}\r\n"
    if traceparent := event.traceparent or tracecontext.current():
        lines += f"traceparent: {_plain(traceparent)}\r\n"
    if event.about:
        lines += f"ce-subject: {_plain(event.about)}\r\n"
    if event.headers:
        lines += "".join(f"{name}: {_one_line(value)}\r\n" for name, value in event.headers.items())
    return _constant_part(event.type, event.source) + lines.encode() + b"\r\n"


def decode_headers(raw: bytes) -> dict[str, str]:
    """Header block to names and values; the inline status of server messages is under ``Status``."""
    if not raw:
        return {}
    first, _, rest = raw.partition(b"\r\n")
    headers: dict[str, str] = {}
    status = first[len(_STATUS_LINE) :].strip()
    if status:
        headers["Status"], _, headers["Description"] = status.decode("utf-8", "replace").partition(" ")
    for line in rest.decode("utf-8", "replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            headers[name] = value.strip()
    return headers


def from_msg(message: ReceivedMessage) -> Event:
    """The event that a received message carries.

    Attributes that are missing are empty (``time`` is 0), so that a foreign message can still be named in a dead
    letter.
    """
    rest = dict(message.headers or {})
    rest.pop("ce-specversion", None)
    rest.pop("ce-datacontenttype", None)
    rest.pop("content-type", None)
    message_id = unquote(rest.pop(MESSAGE_ID, ""))
    return Event(
        subject=message.subject,
        type=unquote(rest.pop("ce-type", "")),
        data=message.data,
        source=unquote(rest.pop("ce-source", "")),
        id=unquote(rest.pop("ce-id", "")) or message_id,
        time=unix_us(rest.pop("ce-time", "")),
        traceparent=unquote(rest.pop("traceparent", "")),
        about=unquote(rest.pop("ce-subject", "")),
        headers=rest or None,
    )


def rfc3339(us: int) -> str:
    """Unix microseconds as RFC 3339 in UTC."""
    seconds, fraction = divmod(us, 1_000_000)
    return f"{_second(seconds)}.{fraction:06d}Z"


def unix_us(text: str) -> int:
    """RFC 3339 to unix microseconds; 0 for what is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return 0 if moment.tzinfo is None else us_of(moment)


def us_of(moment: datetime) -> int:
    """A moment with an offset as unix microseconds, exactly."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


@lru_cache(maxsize=1024)
def _constant_part(event_type: str, source: str) -> bytes:
    return (
        f"NATS/1.0\r\nce-specversion: 1.0\r\nce-type: {_plain(event_type)}\r\nce-source: {_plain(source)}\r\n"
        f"ce-datacontenttype: {CONTENT_TYPE}\r\ncontent-type: {CONTENT_TYPE}\r\n"
    ).encode()


def _plain(text: str) -> str:
    """Percent-encoding of the CloudEvents NATS binding, 3.1.3.2; also what keeps line ends out of headers."""
    if _NOT_PLAIN.search(text) is None:
        return text
    return _NOT_PLAIN.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


def _one_line(value: str) -> str:
    return value if value.isprintable() else value.replace("\r", " ").replace("\n", " ")
