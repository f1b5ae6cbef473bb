"""``kaiserctl rebuild``: passes its options on to the process that does it, ``--help`` too."""

from argparse import Namespace
from typing import TYPE_CHECKING, Final

from kaiser.ctl.parsing import Verbs

if TYPE_CHECKING:
    from kaiser.ctl.site import Site

WORDS: Final = "make the tables of a service anew from the log, while it goes on; at a home of this machine"


def register(verbs: Verbs) -> None:
    """Add the verb, with a parser that knows no options of its own."""
    parser = verbs.add_parser("rebuild", help=WORDS, add_help=False, prefix_chars="\0")
    parser.add_argument("options", nargs="*")
    parser.set_defaults(run=_rebuild)


def _rebuild(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.errors import UsageError
    from kaiser.local.errors import LocalError
    from kaiser.local.rebuilding import rebuild

    try:
        return rebuild(site.need_home(), [str(option) for option in arguments.options])
    except LocalError as error:
        raise UsageError(str(error)) from error
