"""``kaiserctl rules``: list, define, explain and try rules."""

from argparse import Namespace
from typing import TYPE_CHECKING, Final

from kaiser.ctl.parsing import Verbs, group, leaf
from kaiser.ctl.rules.arguments import VERBS

if TYPE_CHECKING:
    from kaiser.ctl.site import Site

EXAMPLES: Final = {
    "list": ("rules list --enabled",),
    "import": ("rules import rules.yaml --dry", 'rules import rules.yaml --enable --reason "north bench"'),
    "test": ("rules test water --value ESP_9F03D4/34/moisture=12.5",),
    "backtest": ("rules backtest water --from 2026-04-01T00:00:00Z",),
    "whatif": ("rules whatif water --version 3 --against 2 --from 2026-04-22T00:00:00Z",),
    "why": ("rules why water --at 2026-04-29T12:00:00Z",),
}


def register(verbs: Verbs) -> None:
    """Add the verbs."""
    under = group(verbs, "rules", "list, define, explain and try rules")
    for name, (words, options) in VERBS.items():
        verb = leaf(under, name, words, _run, examples=EXAMPLES.get(name, ()))
        verb.set_defaults(verb=name)
        for option, told in options:
            verb.add_argument(option, **told)  # type: ignore[arg-type]  # what argparse takes is of many types


def _run(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.rules.verbs import run

    return run(site, arguments)
