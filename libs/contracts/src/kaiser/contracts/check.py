"""``python -m kaiser.contracts check FILE``: judge messages, one a line, as the bridge would.

A line is a JSON object of the form that ``contracts/samples/wire-samples.md`` describes. The verdict comes from what
the broker would show of the message (or from what would go to it), never from what the line expects.
"""

import argparse
import base64
import binascii
import json
import re
import sys
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.downlink import Target, check_downlink
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.telemetry import RawReadings
from kaiser.contracts.topics import DownlinkTopic, classify
from kaiser.contracts.uplink import Accepted, Ignored, decode_uplink

Word = Literal["accept", "accept_flagged", "ignore", "refuse", "send", "never_send"]

_SPACE_OUTSIDE_STRINGS: Final = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+')
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]+")
_TO_SERVER: Final = ("device_to_server", "broker_to_server")


class BrokenLineError(ValueError):
    """A line that is no message."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One message with what is known of its delivery; ``expect`` and ``code`` are the answers, and take no part."""

    direction: Literal["device_to_server", "broker_to_server", "server_to_device"]
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    generation: Target = "any"
    delivered_retained: bool = False
    expect: str | None = None
    code: str | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of a message.

    Attributes:
        word: As in ``wire-samples.md``.
        what: Type of the event, code of the refusal, or kind of the downlink; empty for what is ignored.
        why: Flags, or the reason.
    """

    word: Word
    what: str = ""
    why: str = ""


def read_line(text: bytes) -> Line:
    """One line of the file.

    Raises:
        BrokenLineError: It is not a JSON object, or lacks what a message has.
    """
    fields = _fields(text)
    try:
        payload = fields.pop("payload")
        to_device = fields.get("direction") == "server_to_device"
        if to_device and not {"qos", "retain"} <= fields.keys():
            raise BrokenLineError("qos and retain are needed to judge what is sent")
        encoding = fields.pop("payload_encoding", None)
        if fields.get("generation") not in get_args(Target):
            fields.pop("generation", None)  # one that is not known yet must suit everybody
        named = {name: fields[name] for name in Line.__struct_fields__ if fields.get(name) is not None}
        return msgspec.convert({**named, "payload": _payload(payload, encoding, to_device=to_device)}, Line)
    except KeyError as error:
        raise BrokenLineError("has no payload") from error
    except msgspec.ValidationError as error:
        raise BrokenLineError(str(error)) from error


def _fields(text: bytes) -> dict[str, Any]:  # of any JSON type; the payload stays text, so that nothing in it is lost
    try:
        raw = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        return {
            name: bytes(value).decode() if name == "payload" else msgspec.json.decode(value)
            for name, value in raw.items()
        }
    except (msgspec.DecodeError, UnicodeError, RecursionError) as first:
        try:  # Python writes a bare NaN into its JSON
            fields = json.loads(text)
        except (ValueError, RecursionError):
            raise BrokenLineError(f"is not JSON: {first}") from first
        if not isinstance(fields, dict):
            raise BrokenLineError("is not a JSON object") from first
        if "payload" in fields:
            fields["payload"] = json.dumps(fields["payload"], ensure_ascii=False)
        return fields


def _payload(lexeme: str, encoding: object, *, to_device: bool) -> bytes:
    """The bytes on the wire: compact, as devices and Kaiser write JSON; numbers and repeats as the line has them."""
    lexeme = lexeme.strip()
    if not lexeme.startswith('"'):
        if encoding is not None:
            raise BrokenLineError("has a payload_encoding for what is not text")
        compact = _SPACE_OUTSIDE_STRINGS.sub(lambda found: found[1] or "", lexeme)
        if to_device:
            compact = _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], compact)
        return compact.encode("utf-8", "surrogatepass")
    text = json.loads(lexeme)
    if encoding in (None, "text"):
        return str(text).encode("utf-8", "surrogatepass")
    try:
        if encoding == "base64":
            return base64.b64decode(text, validate=True)
        if encoding == "hex":
            return bytes.fromhex(text)
    except (binascii.Error, ValueError) as error:
        raise BrokenLineError(f"payload is not {encoding}: {error}") from error
    raise BrokenLineError(f"payload_encoding {encoding!r} is none of text, base64, hex")


def judge(line: Line) -> Verdict:
    """What becomes of the message, from the message alone."""
    if line.direction in _TO_SERVER:
        return _judge_uplink(line)
    reason = check_downlink(line.topic, line.payload, line.qos, line.retain, line.generation)
    if reason is not None:
        return Verdict("never_send", Code.DOWNLINK_FORBIDDEN, reason)
    found = classify(line.topic)
    return Verdict("send", found.kind if isinstance(found, DownlinkTopic) else "retained_cleared")


def _judge_uplink(line: Line) -> Verdict:
    outcome = decode_uplink(line.topic, line.payload, retained=line.delivered_retained)
    if isinstance(outcome, Accepted):
        event = SAID.get(type(outcome.message))
        word: Word = "accept_flagged" if outcome.flags else "accept"
        return Verdict(word, RawReadings.TYPE if event is None else event.name, ", ".join(outcome.flags))
    if isinstance(outcome, Ignored):
        return Verdict("ignore", why=outcome.reason)
    return Verdict("refuse", outcome.code, f"{outcome.where}: {outcome.detail}" if outcome.where else outcome.detail)


def differs(line: Line, verdict: Verdict) -> str:
    """How the verdict differs from what the line expects; empty if it does not."""
    if line.expect is not None and line.expect != verdict.word:
        return f"expected {line.expect}"
    if line.code is not None and line.code != verdict.what:
        return f"expected {line.code}"
    return ""


def check(path: Path) -> int:
    """Print a verdict a line and a summary. Returns the exit status: 0 if every verdict is as expected."""
    counted = {"as expected": 0, "otherwise": 0, "without expectation": 0, "broken": 0}
    with sys.stdin.buffer if str(path) == "-" else path.open("rb") as lines:
        for number, text in enumerate(lines, start=1):
            if not text.strip():
                continue
            try:
                line = read_line(text)
            except BrokenLineError as error:
                counted["broken"] += 1
                _say(number, "BROKEN", "broken", "", str(error))
                continue
            verdict = judge(line)
            difference = differs(line, verdict)
            mark = "WRONG" if difference else ("-" if line.expect is None else "ok")
            counted["otherwise" if difference else ("without expectation" if mark == "-" else "as expected")] += 1
            _say(number, mark, verdict.word, verdict.what, "; ".join(filter(None, (verdict.why, difference))))
    _write(f"{sum(counted.values())} lines: " + ", ".join(f"{count} {what}" for what, count in counted.items()))
    return 1 if counted["otherwise"] or counted["broken"] else 0


def _say(number: int, mark: str, word: str, what: str, why: str) -> None:
    shown = "".join(c if c.isprintable() else "\ufffd" for c in why)  # hostile text must not reach a terminal as it is
    _write(f"{number:>5}  {mark:<6} {word:<14} {what:<34} {shown}".rstrip())


def _write(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.flush()


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "check",
        help="judge device messages, one a line, against the wire contract",
        description="Judge each line as if it came from the broker or were about to go to it. Exit status 0 if every "
        "verdict is the line's 'expect' (and the code its 'code'), 1 if not, 2 if the file cannot be read.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="lines in the form of wire-samples.jsonl; - for stdin")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        return check(options.file)
    except OSError as error:
        sys.stderr.write(f"kaiser.contracts check: {options.file}: {error.strerror}\n")
        return 2
