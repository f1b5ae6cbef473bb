"""Writes ``contracts/`` from the types: JSON Schemas, an AsyncAPI 3 document and sample messages.

What comes out depends on the types alone, so a file that differs from what is in the repository means that the code
and its contract have drifted apart.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from kaiser.contracts import asyncapi, golden
from kaiser.contracts.compatibility import Schema, breaks
from kaiser.contracts.events.catalogue import CATALOGUE, EventType
from kaiser.contracts.events.codec import UPCASTERS
from kaiser.contracts.samples import samples

VERSION = "0.1.0"
WIRE_SAMPLES = "samples/wire-samples.jsonl"


def schema(event: EventType) -> Schema:
    """JSON Schema (2020-12) of an event's body."""
    (inner,), definitions = msgspec.json.schema_components((event.body,), ref_template="#/$defs/{name}")
    root: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event.name,
        "description": event.summary,
        **inner,
    }
    if definitions:
        root["$defs"] = definitions
    return root


def schemas() -> dict[str, Schema]:
    """Every event type with its schema."""
    return {event.name: schema(event) for event in CATALOGUE}


def documents(folder: Path) -> dict[str, str]:
    """Every generated file: path below ``folder`` to text. Samples are made from ``wire-samples.jsonl`` in there."""
    files = {f"schemas/{name}.json": _text(body) for name, body in schemas().items()}
    files["asyncapi.json"] = _text(asyncapi.document(schemas(), version=VERSION))
    made = samples(_wire_samples(folder))
    files |= {f"samples/{event.name}.json": _text(made[event.name]) for event in CATALOGUE}
    return files


def write(folder: Path) -> list[Path]:
    """Write every generated file below ``folder`` and remove generated ones that are no more; returns what changed."""
    changed = []
    wanted = documents(folder)
    for stale in _generated(folder) - wanted.keys():
        (folder / stale).unlink()
        changed.append(folder / stale)
    for name, text in wanted.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            changed.append(path)
    return changed


def drift(folder: Path) -> list[str]:
    """Generated files that differ from the types, each in a sentence."""
    wanted = documents(folder)
    found = [f"{name}: is no longer generated" for name in sorted(_generated(folder) - wanted.keys())]
    for name, text in wanted.items():
        path = folder / name
        if not path.exists():
            found.append(f"{name}: is missing")
        elif path.read_text() != text:
            found.append(f"{name}: differs from the types")
    return found


def incompatible(folder: Path) -> list[str]:
    """What would break old readers or old events, against the newest release below ``folder/released``."""
    releases = sorted((folder / "released").glob("*/"), key=_version)
    if not releases:
        return []
    released = {path.stem: json.loads(path.read_text()) for path in sorted(releases[-1].glob("*.json"))}
    # An old type that is upcast is held to its golden bytes (kaiser.contracts.golden)
    upcast = {old: released[old] for old in UPCASTERS.keys() & released.keys()}
    return list(breaks(released, upcast | schemas()))


def release(folder: Path, version: str) -> Path:
    """Keep today's schemas as those of a release, and the bytes of every event in the golden corpus.

    Raises:
        FileExistsError: There is such a release; what was released stays as it is.
    """
    target = folder / "released" / version
    target.mkdir(parents=True)
    for name, body in schemas().items():
        (target / f"{name}.json").write_text(_text(body))
    golden.append(folder, version, samples(_wire_samples(folder)))
    return target


def _wire_samples(folder: Path) -> list[Any]:
    return [json.loads(line) for line in (folder / WIRE_SAMPLES).read_text().splitlines()]


def _version(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in path.name.split("."))


def _generated(folder: Path) -> set[str]:
    found = [*folder.glob("schemas/*.json"), *folder.glob("samples/io.*.json")]
    return {str(path.relative_to(folder)) for path in found}


def _text(body: Any) -> str:  # any JSON value
    return json.dumps(body, indent=2, ensure_ascii=False, sort_keys=False) + "\n"
