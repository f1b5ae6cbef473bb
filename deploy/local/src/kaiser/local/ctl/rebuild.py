"""``kaiserctl rebuild``: passes its options on, ``--help`` too."""

import argparse
from typing import Final

from kaiser.local.layout import Layout
from kaiser.local.rebuilding import rebuild

WORDS: Final = "make the tables of a service anew from the log, while it goes on"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the verb, to a parser that knows no options: what follows is for the process that does it."""
    parser.add_argument("options", nargs="*")
    parser.set_defaults(function=run)


def run(layout: Layout, arguments: argparse.Namespace) -> int:
    """Run it, and return its exit code."""
    return rebuild(layout, [str(option) for option in arguments.options])
