"""``kaiserctl audit``: who did what, and whether nobody changed the list of it."""

from argparse import Namespace
from typing import TYPE_CHECKING

from kaiser.ctl.parsing import Verbs, group, leaf

if TYPE_CHECKING:
    from kaiser.ctl.site import Site


def register(verbs: Verbs) -> None:
    """Add the verbs."""
    under = group(verbs, "audit", "who did what, and whether nobody changed the list of it")
    words = "verify that nobody changed the list of what was done; exit code 1 if somebody did"
    verb = leaf(under, "verify", words, _verify, examples=("audit verify", "audit verify --known 1207:5b0c…"))
    verb.add_argument("--known", metavar="NUMBER:HASH", help="a head that was printed before")
    verb.add_argument("--file", help="an export (JSON lines) instead of the log")


def _verify(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.audit import verify

    return verify(site, arguments)
