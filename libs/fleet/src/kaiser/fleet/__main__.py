"""``python -m kaiser.fleet``: simulated devices."""

import argparse
import sys
from typing import Final

from kaiser.fleet import check, loading, running

COMMANDS: Final = (running.register, loading.register, check.register)
"""One line a subcommand: a function that adds its parser and sets ``run``, which returns the exit status."""


def main() -> int:
    """Run one subcommand; without one, say what there is."""
    parser = argparse.ArgumentParser(prog="python -m kaiser.fleet", description="Simulated ESP32 devices.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for register in COMMANDS:
        register(commands)
    options = parser.parse_args()
    if not hasattr(options, "run"):
        parser.print_help()
        return 2
    status: int = options.run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())
