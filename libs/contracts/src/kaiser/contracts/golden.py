"""The golden corpus: bytes of every event that was ever released, and whether today's types still read them.

``contracts/golden/{type}.jsonl`` has a line for each release that wrote the type in another way. Lines are only ever
appended, for a log that has such bytes is kept for ever. What an old type becomes by an upcaster stands beside it, in
``contracts/golden/upcast/{type}.jsonl``: one newest body for each line.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from kaiser.contracts.events.catalogue import CATALOGUE, EventType
from kaiser.contracts.events.codec import EventDecoder, UnknownEventError, Upcaster
from kaiser.contracts.subjects import token

FOLDER: Final = "golden"
UPCAST: Final = "upcast"

_PARAMETERS: Final = {
    "kaiser": "god", "esp": "ESP_9F03D4", "gpio": "25", "partition": "3", "rule": "water-north", "user": "u-7",
    "session": "s-42", "key": "k-3", "letter": "4711-0", "interlock": "heater-or-fan", "service": "bridge",
    "kind": "command", "outcome": "delivered",
}  # fmt: skip
"""Parameters of subjects, where the body does not say them."""

_FIELDS: Final = {
    "kaiser": "kaiser_id", "esp": "esp_id", "gpio": "gpio", "rule": "rule_id", "user": "user_id", "key": "key_id",
    "session": "session_id", "letter": "letter_id", "interlock": "interlock_id", "service": "service",
    "outcome": "outcome",
}  # fmt: skip
"""Field of the body that a parameter of the subject repeats."""


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """One event as a release wrote it.

    Attributes:
        release: The first release that wrote it so; ``0.1.0+9cb1d3d`` is a commit after that release.
        subject: Where it was written.
        body: Its bytes, which are UTF-8.
        sha256: Digest of subject and body, by which a change is noticed.
    """

    release: str
    subject: str
    body: str
    sha256: str


Corpus = Mapping[str, tuple[Golden, ...]]
"""Event type to what was ever written of it, oldest first."""


def golden(event: EventType, body: Any, release: str) -> Golden:
    """The line of an event; ``body`` is JSON values."""
    text = msgspec.json.encode(body).decode()
    message = body.get("message")
    said = (message if isinstance(message, dict) else {}) | body
    values = _PARAMETERS | {name: str(said[field]) for name, field in _FIELDS.items() if _fits(said.get(field))}
    subject = event.subject.format(**{name: token(value) for name, value in values.items()})
    return Golden(release=release, subject=subject, body=text, sha256=digest(subject, text))


def digest(subject: str, body: str) -> str:
    """SHA-256 over subject and body, in hexadecimal digits."""
    return hashlib.sha256(f"{subject}\n{body}".encode()).hexdigest()


def read(folder: Path) -> Corpus:
    """The corpus below a contracts folder.

    Raises:
        msgspec.ValidationError: A line is none of the corpus.
    """
    decode = msgspec.json.Decoder(Golden).decode
    files = sorted((folder / FOLDER).glob("*.jsonl"))
    return {path.stem: tuple(decode(line) for line in path.read_text().splitlines()) for path in files}


def read_upcast(folder: Path) -> Mapping[str, list[Any]]:
    """Old type to the newest body that each of its lines has to become."""
    files = sorted((folder / FOLDER / UPCAST).glob("*.jsonl"))
    return {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in files}


def append(folder: Path, release: str, bodies: Mapping[str, Any]) -> list[str]:
    """Keep bodies (type to JSON values) as those of a release; returns the types that got a new line."""
    corpus, grown = read(folder), []
    (folder / FOLDER).mkdir(exist_ok=True)
    for event in CATALOGUE:
        line = golden(event, bodies[event.name], release) if event.name in bodies else None
        if line is None or any(line.sha256 == known.sha256 for known in corpus.get(event.name, ())):
            continue
        with (folder / FOLDER / f"{event.name}.jsonl").open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
        grown.append(event.name)
    return grown


def faults(
    corpus: Corpus,
    structs: Mapping[str, Any],
    upcasters: Mapping[str, Upcaster],
    upcast: Mapping[str, list[Any]],
    released: frozenset[str],
) -> Iterator[str]:
    """What is wrong with the corpus, or with today's readers of it; each in a sentence that names type and field.

    Args:
        corpus: What was ever written.
        structs: Newest type to its struct.
        upcasters: Old type to upcaster.
        upcast: Old type to the newest body that each of its lines has to become.
        released: Types that there have to be lines of.
    """
    for name in sorted(released - corpus.keys()):
        yield f"{name}: was released and has no golden bytes; add contracts/{FOLDER}/{name}.jsonl"
    decoder = EventDecoder(structs, upcasters)
    for name, lines in corpus.items():
        wanted = upcast.get(name, [])
        if name in upcasters and len(wanted) != len(lines):
            yield f"{name}: of {len(lines)} golden lines {UPCAST}/{name}.jsonl says for {len(wanted)} what they become"
            continue
        for number, line in enumerate(lines):
            where = f"{name} of {line.release}"
            if line.sha256 != digest(line.subject, line.body):
                yield f"{where}: its golden bytes were changed; what was released stays as it is"
                continue
            try:
                read_as = json.loads(msgspec.json.encode(decoder.decode(name, line.body.encode())))
            except (UnknownEventError, msgspec.DecodeError) as error:
                yield f"{where}: cannot be read any more: {error}"
                continue
            if name in upcasters:
                yield from _differences(where, wanted[number], read_as, exact=True)
            else:
                yield from _differences(where, json.loads(line.body), read_as)


def _differences(path: str, wanted: Any, found: Any, *, exact: bool = False) -> Iterator[str]:
    """Fields that are read otherwise than they were written; new ones have defaults and are no difference."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for field in wanted:
            if field in found:
                yield from _differences(f"{path}.{field}", wanted[field], found[field], exact=exact)
            else:
                yield f"{path}.{field}: was written and is not read any more"
        if exact:
            yield from (f"{path}.{field}: is read and is not expected" for field in found if field not in wanted)
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _differences(f"{path}[{number}]", one, other, exact=exact)
    elif wanted != found:
        yield f"{path}: is {wanted!r}, and is read as {found!r}"


def _fits(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)
