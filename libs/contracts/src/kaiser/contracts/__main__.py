"""``python -m kaiser.contracts``: the contract's tools."""

import argparse
import sys
from typing import Final

from kaiser.contracts import check, publishing

COMMANDS: Final = (check.register, publishing.register)
"""One line a subcommand: a function that adds its parser and sets ``run``, which returns the exit status."""


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; without one, say what there is."""
    parser = argparse.ArgumentParser(prog="python -m kaiser.contracts", description="Tools of the wire contract.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for register in COMMANDS:
        register(commands)
    options = parser.parse_args(arguments)
    if not hasattr(options, "run"):
        parser.print_help()
        return 2
    status: int = options.run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())
