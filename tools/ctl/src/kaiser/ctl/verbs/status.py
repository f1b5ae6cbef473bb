"""``kaiserctl status``: streams, how far behind their consumers are, services."""

from argparse import Namespace
from typing import TYPE_CHECKING

from kaiser.ctl.parsing import Verbs, leaf

if TYPE_CHECKING:
    from kaiser.ctl.site import Site


def register(verbs: Verbs) -> None:
    """Add the verb."""
    words = "streams, how far behind their consumers are, services; exit code 1 if a service is not ready"
    leaf(verbs, "status", words, _status, examples=("status", "status --json"))


def _status(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.status import status

    return status(site, arguments)
