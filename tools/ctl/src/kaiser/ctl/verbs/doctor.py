"""``kaiserctl doctor``: what is wrong with a site, or will be."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from kaiser.ctl.parsing import Verbs, leaf

if TYPE_CHECKING:
    from kaiser.ctl.site import Site


def register(verbs: Verbs) -> None:
    """Add the verb."""
    words = (
        "look at everything that can be looked at, and say what is wrong and what to do; exit code 1 if something is,"
        " 3 if some part does not answer"
    )
    examples = ("doctor", "doctor --json", "doctor --min-free 20 --days 60 --certificates /site")
    verb = leaf(verbs, "doctor", words, _doctor, examples=examples)
    limits = verb.add_argument_group("from where on something is wrong")
    for name, words, default in (
        ("skew-s", "seconds between two clocks", 1),
        ("min-free", "percent of a disk that has to be free", 10),
        ("full", "percent of a stream's limit that is worth knowing", 80),
        ("stuck-s", "seconds in which a consumer acknowledged nothing of what there is", 60),
        ("archive-behind-s", "age in seconds of what ought to be archived", 900),
        ("days", "days that a certificate is still good for", 30),
    ):
        limits.add_argument(f"--{name}", type=float, metavar="N", help=f"{words}, by default {default}")
    limits.add_argument("--letters", type=int, metavar="N", help="dead letters in an hour, by default 100")
    files = verb.add_argument_group("files that are not found by themselves")
    files.add_argument("--mosquitto-conf", type=Path, metavar="FILE", help="settings of the broker")
    files.add_argument("--certificates", type=Path, metavar="FOLDER", help="folder with certificates")


def _doctor(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.doctor.examining import doctor

    return doctor(site, arguments)
