"""``kaiserctl VERB``; every verb has ``--help``."""

import argparse
import logging
import sys

import structlog

from kaiser.local.backup.verbs import add as add_backup
from kaiser.local.ctl import archive, rebuild
from kaiser.local.ctl.status import status
from kaiser.local.errors import LocalError
from kaiser.local.layout import layout_from_environment


def parser() -> argparse.ArgumentParser:
    """All verbs."""
    made = argparse.ArgumentParser(prog="kaiserctl", description="Look after a running Kaiser.")
    verbs = made.add_subparsers(required=True, metavar="VERB")
    words = "streams, how far behind their consumers are, services; exit code 1 if a service is not ready"
    verbs.add_parser("status", help=words, description=words).set_defaults(function=status)
    archive.add(verbs.add_parser("archive", help="what streams have let go, in files"))
    rebuild.add(verbs.add_parser("rebuild", help=rebuild.WORDS, add_help=False, prefix_chars="\0"))
    words = "make, look at and restore backups of streams, tables, archive and secrets"
    backup = verbs.add_parser("backup", help=words, description=f"{words[0].upper()}{words[1:]}.")
    add_backup(backup)
    backup.set_defaults(function=lambda _, arguments: arguments.backup(arguments))
    return made


def main() -> None:
    """Run one verb; a problem is one sentence on standard error and exit code 1."""
    arguments = parser().parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        sys.exit(arguments.function(layout_from_environment(), arguments))
    except LocalError as error:
        print(f"kaiserctl: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
