"""``kaiserctl upgrade-check``: whether this release can be started on what is there."""

from argparse import Namespace
from typing import TYPE_CHECKING

from kaiser.ctl.parsing import Verbs, leaf

if TYPE_CHECKING:
    from kaiser.ctl.site import Site


def register(verbs: Verbs) -> None:
    """Add the verb."""
    words = (
        "say whether this release can be started on the data of a running one: migrations, events, streams, consumers,"
        " settings; it changes nothing; exit code 1 if it must not be started"
    )
    examples = ("upgrade-check", "upgrade-check --all --settings ingest=ingest.env --settings gateway=gateway.env")
    verb = leaf(verbs, "upgrade-check", words, _check, examples=examples)
    verb.add_argument("--all", action="store_true", help="read long streams from one end to the other")
    verb.add_argument(
        "--settings",
        action="append",
        default=[],
        metavar="SERVICE=FILE",
        help="what a service is told, as lines NAME=VALUE; a home of this machine is known",
    )


def _check(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.upgrading.checking import check

    return check(site, arguments)
