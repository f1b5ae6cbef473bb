"""``kaiserctl archive``: what streams have let go, in files."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from kaiser.ctl.parsing import Verbs, group, leaf

if TYPE_CHECKING:
    from kaiser.ctl.site import Site


def register(verbs: Verbs) -> None:
    """Add the verbs."""
    under = group(verbs, "archive", "what streams have let go, in files")
    words = "what is archived: streams, sequences, times, bytes"
    _options(leaf(under, "status", words, _status, examples=("archive status --folder /archive",)))
    words = "read everything and compare it with the manifests; exit code 1 if something is wrong"
    _options(leaf(under, "verify", words, _verify, examples=("archive verify --stream TELEMETRY",)))


def _options(verb: ArgumentParser) -> None:
    verb.add_argument("--folder", type=Path, help="the archive, by default that of the home")
    verb.add_argument("--stream", help="only this stream")


def _status(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.archive import status

    return status(site, arguments)


def _verify(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.archive import verify

    return verify(site, arguments)
