"""The reference in ``docs/kaiserctl.md``, out of the parser: ``python -m kaiser.ctl.documenting docs/kaiserctl.md``.

argparse's own help differs between releases of Python, so the page is made of what the parser was told.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kaiser.ctl.main import parser

BEGIN: Final = "<!-- reference: written by python -m kaiser.ctl.documenting -->\n"
END: Final = "<!-- end of the reference -->\n"


def reference() -> str:
    """Every verb, with what it takes."""
    top = parser()
    shared = [action.dest for action in _options(top)]
    lines = ["### Before or behind every verb", "", *_table(top, hide=())]
    for name, verb in _verbs(top, ""):
        lines += ["", f"### {name}", "", verb.description or "", "", *_table(verb, hide=shared)]
        if verb.epilog:
            lines += ["", *(f"    {line.strip()}" for line in verb.epilog.splitlines()[1:])]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def written(page: str) -> str:
    """A page with the reference of now between its two marks. Pure."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{reference()}\n{END}{after}"


def _verbs(under: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in under._actions:  # noqa: SLF001 - has no public name
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for name, verb in action.choices.items():
                whole = f"{path} {name}".strip()
                below = list(_verbs(verb, whole))
                yield from below or [(whole, verb)]


def _options(of: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in of._actions:  # noqa: SLF001
        if not isinstance(action, argparse._SubParsersAction | argparse._HelpAction):  # noqa: SLF001
            yield action


def _table(of: argparse.ArgumentParser, *, hide: tuple[str, ...] | list[str]) -> list[str]:
    rows = [(_name(action), action.help or "") for action in _options(of) if action.dest not in hide]
    return [] if not rows else ["| | |", "|---|---|", *(f"| `{name}` | {words} |" for name, words in rows)]


def _name(action: argparse.Action) -> str:
    if not action.option_strings:
        name = action.metavar or action.dest
        return f"[{name}]" if action.nargs in {"?", "*"} else str(name)
    value = "" if action.nargs == 0 else f" {action.metavar or _choices(action) or action.dest.upper()}"
    needed = " (needed)" if action.required else ""
    return f"{action.option_strings[0]}{value}{needed}"


def _choices(action: argparse.Action) -> str:
    return "{" + ",".join(map(str, action.choices)) + "}" if action.choices else ""


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(written(target.read_text(encoding="utf-8")), encoding="utf-8")
