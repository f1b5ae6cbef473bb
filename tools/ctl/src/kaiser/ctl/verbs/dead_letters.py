"""``kaiserctl dead-letters``: what services could not use."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from kaiser.ctl.parsing import Verbs, group, leaf

if TYPE_CHECKING:
    from kaiser.ctl.site import Site


def register(verbs: Verbs) -> None:
    """Add the verbs."""
    under = group(verbs, "dead-letters", "what services could not use: list, show, edit and replay, discard")
    examples: tuple[str, ...] = (
        "dead-letters list --state open",
        "dead-letters list --service bridge --about ESP_9F03D4 --json",
    )
    verb = leaf(under, "list", "letters, oldest first", _list, examples=examples)
    verb.add_argument("--state", choices=("open", "replaying", "replayed", "discarded"), help="by default all")
    verb.add_argument("--service", help="who refused it")
    verb.add_argument("--code", help="why")
    verb.add_argument("--about", help="part of the MQTT topic or NATS subject")
    verb.add_argument("--from", dest="start", metavar="TIME", help="ISO 8601 with offset, or unix seconds")
    verb.add_argument("--to", dest="end", metavar="TIME", help="the same")
    verb.add_argument("--most", type=int, default=100, help="letters at most, by default 100")
    _letter(leaf(under, "show", "one letter with its bytes, and what was decided about it", _show))
    words = "have the bridge take a device's message once more, as it is; exit code 1 if it is refused again"
    examples = ('dead-letters replay 17-0 --reason "the device is known now"',)
    verb = leaf(under, "replay", words, _replay, examples=examples)
    _letter(verb)
    _reason(verb)
    words = "mend a device's message and have the bridge take that; exit code 1 if it is refused"
    examples = (
        'dead-letters edit-and-replay 17-0 --reason "a brace was missing"      # opens $EDITOR',
        'dead-letters edit-and-replay 17-0 --reason "a brace was missing" --payload-file mended.json',
    )
    verb = leaf(under, "edit-and-replay", words, _edit, examples=examples)
    _letter(verb)
    _reason(verb)
    verb.add_argument(
        "--payload-file", metavar="FILE", help="the mended bytes, instead of $EDITOR; - for standard input"
    )
    examples = ('dead-letters discard 17-0 --reason "somebody\'s test"',)
    verb = leaf(under, "discard", "note that nothing is to come of a letter", _discard, examples=examples)
    _letter(verb)
    _reason(verb)


def _letter(verb: ArgumentParser) -> None:
    verb.add_argument("letter_id", metavar="LETTER", help="its id, such as 17-0")


def _reason(verb: ArgumentParser) -> None:
    verb.add_argument("--reason", required=True, help="why; it is in the log with your name")


def _list(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.deadletters import listed

    return listed(site, arguments)


def _show(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.deadletters import shown

    return shown(site, arguments)


def _replay(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.deadletters import replay

    return replay(site, arguments)


def _edit(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.deadletters import edit_and_replay

    return edit_and_replay(site, arguments)


def _discard(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.deadletters import discard

    return discard(site, arguments)
