"""``python -m kaiser.local.backup VERB``: what containers run; ``kaiserctl backup VERB`` is the same."""

import argparse
import logging
import sys

import structlog

from kaiser.local.backup.verbs import add
from kaiser.local.errors import LocalError


def main() -> None:
    """Run one verb; a problem is one sentence on standard error and exit code 1."""
    parser = argparse.ArgumentParser(prog="kaiser.local.backup", description="Backups of a site.")
    add(parser)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        sys.exit(arguments.backup(arguments))
    except LocalError as error:
        print(f"backup: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
