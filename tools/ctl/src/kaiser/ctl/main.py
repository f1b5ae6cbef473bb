"""``kaiserctl VERB``; every verb has ``--help``."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Final

from kaiser.ctl.errors import CtlError
from kaiser.ctl.parsing import EXIT_CODES, Verbs, common
from kaiser.ctl.verbs import (
    archive,
    audit,
    backup,
    dead_letters,
    doctor,
    events,
    keys,
    ledger,
    load_test,
    login,
    rebuild,
    replay,
    rules,
    status,
    upgrade_check,
    users,
)

GROUPS: Final[Sequence[Callable[[Verbs], None]]] = (
    status.register,
    doctor.register,
    upgrade_check.register,
    events.register,
    replay.register,
    dead_letters.register,
    users.register,
    keys.register,
    login.register,
    rules.register,
    ledger.register,
    load_test.register,
    audit.register,
    archive.register,
    backup.register,
    rebuild.register,
)
"""Groups of verbs, in the order of ``--help``."""

INTERRUPTED: Final = 130


def parser() -> argparse.ArgumentParser:
    """All verbs."""
    made = argparse.ArgumentParser(
        prog="kaiserctl", description="Look after a running Kaiser.", epilog=EXIT_CODES, parents=[common()]
    )
    verbs = made.add_subparsers(required=True, metavar="VERB", title="verbs")
    for register in GROUPS:
        register(verbs)
    return made


def main(words: Sequence[str] | None = None) -> None:
    """Run one verb; a problem is one sentence on standard error, and an exit code."""
    arguments = parser().parse_args(words)
    arguments.json = getattr(arguments, "json", False)
    try:
        sys.exit(_run(arguments))
    except CtlError as error:
        print(f"kaiserctl: {error}", file=sys.stderr)
        sys.exit(error.code)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read has seen enough
        sys.exit(INTERRUPTED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _run(arguments: argparse.Namespace) -> int:
    # Not before the help was printed: half a second
    import logging  # noqa: PLC0415

    import structlog  # noqa: PLC0415

    from kaiser.ctl.finding import find_site  # noqa: PLC0415

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    code: int = arguments.run(find_site(arguments), arguments)
    return code
