"""``ETag`` on what can be read, ``If-None-Match`` on reading, and ``If-Match`` on changing what somebody has seen.

The tag of one thing is the sequence of its last event and a digest of what is shown, as ``"4711-1f0c…"``: the digest
tells a client that holds the answer already that it need not have it again (304), the sequence is what ``If-Match`` is
held against, by the owner when it decides (412 ``STATE_CHANGED``). Whatever else is shown of it, such as how many are
logged in, may change meanwhile. No write needs ``If-Match`` (428): what may contradict an earlier wish is refused by
its owner anyhow, and whoever sends none says that the last one counts.
"""

import hashlib
from contextvars import ContextVar
from typing import Any, Final

import msgspec
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Refusal

DIGEST_BYTES: Final = 8
MOST_DIGITS: Final = 19
"""Of a sequence, which has 63 bits."""
TAGGED: Final = b"application/json"

BY_SEQUENCE: Final = frozenset(
    {
        "PATCH /users/{user_id}",
        "DELETE /users/{user_id}",
        "PATCH /devices/{esp_id}",
        "POST /devices/{esp_id}/approve",
        "POST /devices/{esp_id}/reject",
        "POST /devices/{esp_id}/retire",
        "POST /devices/{esp_id}/key",
        "PUT /devices/{esp_id}/zone",
        "DELETE /devices/{esp_id}/zone",
        "PUT /devices/{esp_id}/subzones/{subzone_id}",
        "DELETE /devices/{esp_id}/subzones/{subzone_id}",
        "PUT /devices/{esp_id}/config",
        "PATCH /esp/devices/{esp_id}",
        "POST /zone/devices/{esp_id}/assign",
        "DELETE /zone/devices/{esp_id}/zone",
        "POST /subzone/devices/{esp_id}/subzones/assign",
        "DELETE /subzone/devices/{esp_id}/subzones/{subzone_id}",
        "PUT /actuators/{esp_id}/{gpio}/limits",
        "DELETE /actuators/{esp_id}/{gpio}/limits",
        "PUT /interlocks/{interlock_id}",
        "DELETE /interlocks/{interlock_id}",
    }
)
"""Routes that take ``If-Match``, with the tag of what they change."""
BY_VERSION: Final = frozenset({"PUT /rules/{rule_id}"})
"""Routes that read it themselves, as rules have versions."""

_KNOWN: Final[ContextVar[int | None]] = ContextVar("known", default=None)


def known() -> int | None:
    """The sequence that whoever asks has seen; None where they do not say."""
    return _KNOWN.get()


def hold(route: str, if_match: str | None) -> None:
    """Note what whoever asks has seen.

    Raises:
        Refusal: INVALID_PAYLOAD_FORMAT: the header is none of ours, or would not be held to here.
    """
    _KNOWN.set(None)
    if if_match is None or if_match.strip() == "*" or route in BY_VERSION:
        return
    if route not in BY_SEQUENCE:
        if not route.startswith("GET "):
            words = "this is decided whatever was there before; send it without If-Match"
            raise Refusal(Code.INVALID_PAYLOAD_FORMAT, words, "If-Match")
        return
    _KNOWN.set(sequence_of(if_match))


def sequence_of(tag: str) -> int:
    """The sequence, or version, in a tag.

    Raises:
        Refusal: INVALID_PAYLOAD_FORMAT.
    """
    number, _, _ = tag.strip().removeprefix("W/").strip('"').partition("-")
    if not number.isascii() or not number.isdigit() or len(number) > MOST_DIGITS:
        words = f'{tag[:64]} is no tag of ours; it is a number in quotation marks, as in "3", or an ETag as it came'
        raise Refusal(Code.INVALID_PAYLOAD_FORMAT, words, "If-Match")
    return int(number)


def tag(body: bytes) -> str:
    """The tag of a body: the ``seq`` of what it shows, if it has one, and its digest."""
    digest = hashlib.blake2b(body, digest_size=DIGEST_BYTES).hexdigest()
    try:
        seq = _decode(body).seq
    except msgspec.MsgspecError:
        seq = None
    return f'"{digest}"' if seq is None else f'"{seq}-{digest}"'


class _Shown(msgspec.Struct, frozen=True):
    seq: int | None = None


_decode: Final = msgspec.json.Decoder(_Shown).decode


class Tagging:
    """The routes, with ``ETag`` on what is read, and 304 for whoever has it.

    Args:
        app: The routes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        asked: Any = scope  # litestar's scope is of two types
        if asked["type"] != "http" or asked["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in asked["headers"] if name == b"if-none-match"), b"")
        await self._app(scope, receive, _tagging(send, given))


def _tagging(send: Send, given: bytes) -> Send:
    start: Any = None

    async def pass_on(message: Message) -> None:
        nonlocal start
        current: Any = message
        if current["type"] == "http.response.start" and _is_tagged(current):
            start = current
            return
        if start is not None:
            held, start = start, None
            if not current.get("more_body", False):
                current = _tag(held, current, given)
            await send(held)
        await send(current)

    return pass_on


def _is_tagged(start: Any) -> bool:  # as above
    kind = next((value for name, value in start["headers"] if name.lower() == b"content-type"), b"")
    return start["status"] == 200 and bytes(kind).startswith(TAGGED)


def _tag(start: Any, message: Any, given: bytes) -> Any:
    """The last message of an answer whose start gets its tag; without a body for whoever has that."""
    headers = [(name, value) for name, value in start["headers"] if name.lower() != b"etag"]
    version = next((value for name, value in start["headers"] if name.lower() == b"etag"), None)
    found = tag(message["body"]).encode()
    if version is not None:  # of a rule, which has versions
        found = version[:-1] + b"-" + found.strip(b'"').rpartition(b"-")[2] + b'"'
    start["headers"] = [*headers, (b"etag", found)]
    if found not in [each.strip().removeprefix(b"W/") for each in given.split(b",")]:
        return message
    start["status"] = 304
    start["headers"] = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
    return message | {"body": b""}
