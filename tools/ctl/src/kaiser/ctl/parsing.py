"""What every verb's parser has: options that name a site, ``--json``, examples under the help."""

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from kaiser.ctl.site import Site

Run = Callable[["Site", argparse.Namespace], int]
"""A verb: does its work against a site, prints, and returns the exit code."""
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001
"""Where verbs are added; argparse has no public name for it."""

EXIT_CODES: Final = "Exit codes: 0 all is well; 1 something is wrong, or was refused; 2 wrong usage; 3 not reachable."


def common() -> argparse.ArgumentParser:
    """Options that may stand before or behind the verb."""
    made = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    site = made.add_argument_group("which site, if not the one of this checkout (KAISER_CTL_… do the same)")
    site.add_argument("--home", metavar="FOLDER", help="home of a Kaiser on this machine, as KAISER_HOME")
    site.add_argument("--url", help="gateway, such as https://kaiser.example")
    site.add_argument("--token-file", metavar="FILE", help="access token or API key; - for standard input")
    site.add_argument("--nats", metavar="URL", help="event log, such as tls://nats:4222")
    site.add_argument("--nats-user", metavar="USER", help="by default operator")
    site.add_argument("--nats-password-file", metavar="FILE", help="its password")
    site.add_argument("--database", metavar="DSN", help="connection string without a password")
    site.add_argument("--database-password-file", metavar="FILE", help="password of its role")
    site.add_argument("--mqtt", metavar="HOST:PORT", help="broker")
    site.add_argument("--mqtt-user", metavar="USER", help="by default loadgen")
    site.add_argument("--mqtt-password-file", metavar="FILE", help="its password")
    site.add_argument("--health", metavar="NAME=URL,…", help="health port of each service")
    site.add_argument("--ca-file", metavar="FILE", help="the site's own authority")
    made.add_argument("--json", action="store_true", help="for programs: JSON on standard output")
    return made


def group(verbs: Verbs, name: str, words: str) -> Verbs:
    """Add a verb that has verbs of its own.

    Args:
        verbs: Where.
        name: Its name.
        words: What they are for.
    """
    made = verbs.add_parser(name, help=words, description=_sentence(words))
    return made.add_subparsers(required=True, metavar="VERB", title="verbs")


def leaf(verbs: Verbs, name: str, words: str, run: Run, *, examples: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Add a verb.

    Args:
        verbs: Where.
        name: Its name.
        words: What it does.
        run: Does it.
        examples: Command lines without ``kaiserctl``.
    """
    lines = ["examples:", *(f"  kaiserctl {example}" for example in examples)] if examples else []
    made = verbs.add_parser(
        name,
        help=words,
        description=_sentence(words),
        epilog="\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common()],
    )
    made.set_defaults(run=run)
    return made


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
