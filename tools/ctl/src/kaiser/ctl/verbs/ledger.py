"""``kaiserctl ledger``: every reading at every hop."""

from argparse import Namespace
from typing import TYPE_CHECKING

from kaiser.ctl.parsing import Verbs, leaf

if TYPE_CHECKING:
    from kaiser.ctl.site import Site


def register(verbs: Verbs) -> None:
    """Add the verb."""
    words = "balance what was handed over, stored and dead-lettered; exit code 1 if it does not balance"
    verb = leaf(verbs, "ledger", words, _ledger, examples=("ledger --minutes 5",))
    verb.add_argument("--minutes", type=int, default=60, help="how far back, by default 60")


def _ledger(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.ledger import ledger

    return ledger(site, arguments)
