"""Subcommands that keep ``contracts/`` and the types in step: ``generate``, ``drift`` and ``release``."""

import argparse
import sys
from pathlib import Path
from typing import Any

from kaiser.contracts import generate as generating

FOLDER = Path("contracts")


def register(commands: Any) -> None:  # argparse keeps the type of its subparsers to itself
    """Add the three parsers."""
    for run, words in (
        (_generate, "write contracts/ anew from the types"),
        (_drift, "fail if contracts/ and the types differ, or break the last release"),
        (_release, "keep today's schemas as those of a release, and bytes of every event in golden/"),
    ):
        parser: argparse.ArgumentParser = commands.add_parser(run.__name__[1:], help=words)
        parser.add_argument("--folder", type=Path, default=FOLDER, help="the contracts folder (default: %(default)s)")
        if run is _release:
            parser.add_argument("version", help="such as 1.2.0")
        parser.set_defaults(run=run)


def _generate(options: argparse.Namespace) -> int:
    changed = generating.write(options.folder)
    for path in changed:
        print(f"wrote {path}")
    print(f"{len(changed)} files changed")
    return 0


def _drift(options: argparse.Namespace) -> int:
    problems = [
        *(f"{sentence} (run: make contracts)" for sentence in generating.drift(options.folder)),
        *generating.incompatible(options.folder),
    ]
    for sentence in problems:
        print(sentence, file=sys.stderr)
    print(f"contracts: {'in step with the types' if not problems else f'{len(problems)} problems'}")
    return 1 if problems else 0


def _release(options: argparse.Namespace) -> int:
    try:
        print(f"kept {generating.release(options.folder, options.version)}")
    except FileExistsError:
        print(f"release {options.version} is there already, and stays as it is", file=sys.stderr)
        return 1
    return 0
