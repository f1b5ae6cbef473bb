"""``kaiserctl load-test``: whether a site carries a load without losing anything."""

from argparse import Namespace
from typing import TYPE_CHECKING

from kaiser.ctl.parsing import Verbs, leaf

if TYPE_CHECKING:
    from kaiser.ctl.site import Site


def register(verbs: Verbs) -> None:
    """Add the verb."""
    words = (
        "let simulated devices send readings, and follow each to its row and to a WebSocket client; exit code 1 if one"
        " is lost. The devices are in the registry afterwards, as pending"
    )
    examples = ("load-test --duration 60 --devices 200 --rate 1000", "load-test --rate 5000 --sensors 5 --json")
    verb = leaf(verbs, "load-test", words, _load_test, examples=examples)
    verb.add_argument("--duration", type=float, default=30.0, help="seconds, by default 30")
    verb.add_argument("--devices", type=int, default=50, help="by default 50")
    verb.add_argument("--sensors", type=int, default=5, help="of each device, at most 5")
    verb.add_argument("--rate", type=int, default=100, help="readings a second of all together, by default 100")
    verb.add_argument("--patience", type=float, default=30.0, help="seconds that the last ones may take, by default 30")
    verb.add_argument("--yes", action="store_true", help="although it looks like a site that real devices use")


def _load_test(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.load.testing import load_test

    return load_test(site, arguments)
