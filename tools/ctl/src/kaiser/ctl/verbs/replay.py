"""``kaiserctl replay``: what a stream holds, as JSON lines."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from kaiser.ctl.parsing import Verbs, leaf

if TYPE_CHECKING:
    from kaiser.ctl.site import Site


def register(verbs: Verbs) -> None:
    """Add the verb."""
    words = (
        "write a range of a stream to standard output as JSON lines, decoded by this release's contracts; exit code 1"
        " if something cannot be decoded"
    )
    examples = (
        "replay DEVICES > devices.jsonl",
        "replay TELEMETRY --from 2026-04-01T00:00:00Z --to 2026-04-02T00:00:00Z --subject 'telemetry.reading.*.7'",
        "replay TELEMETRY --archive .kaiser/data/archive --from-seq 1      # what the stream has let go, too",
    )
    verb = leaf(verbs, "replay", words, _replay, examples=examples)
    verb.add_argument("stream", metavar="STREAM", help="such as DEVICES")
    verb.add_argument("--subject", action="append", default=[], help="NATS filter; more than once for any of several")
    verb.add_argument("--type", dest="kind", default="", help="what the type begins with")
    verb.add_argument("--from-seq", type=int, default=0, help="first sequence")
    verb.add_argument("--to-seq", type=int, default=0, help="last sequence; by default what is the last one now")
    verb.add_argument("--from", dest="start", metavar="TIME", help="stored then or later: ISO 8601 with offset")
    verb.add_argument("--to", dest="end", metavar="TIME", help="stored before")
    verb.add_argument("--archive", type=Path, metavar="FOLDER", help="read what the stream has let go from there first")
    verb.add_argument(
        "--secrets", action="store_true", help="with digests and password hashes, which are left out else"
    )


def _replay(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.replay import replay

    return replay(site, arguments)
