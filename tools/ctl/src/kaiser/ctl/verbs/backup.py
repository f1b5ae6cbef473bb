"""``kaiserctl backup``: finds its site by the environment, as it does in a container."""

from argparse import Namespace
from typing import TYPE_CHECKING, Final

from kaiser.ctl.parsing import Verbs
from kaiser.local.backup.verbs import add

if TYPE_CHECKING:
    from kaiser.ctl.site import Site

WORDS: Final = "make, look at and restore backups of streams, tables, archive and secrets"


def register(verbs: Verbs) -> None:
    """Add the verbs."""
    parser = verbs.add_parser("backup", help=WORDS, description=f"{WORDS[0].upper()}{WORDS[1:]}.")
    add(parser)
    parser.set_defaults(run=_backup)


def _backup(_: "Site", arguments: Namespace) -> int:
    code: int = arguments.backup(arguments)
    return code
