"""Settings that this release misses, or does not know. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from kaiser.ctl.findings import Finding, note, ok, stop
from kaiser.ctl.upgrading.releases import Described

FILE: Final = "_FILE"


def settings(found: Mapping[str, Described], environments: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    """Whether each service would take what it is told.

    Args:
        found: What each service of this release says, asked with its environment.
        environments: What each is told; services that are not in there are not looked at.
    """
    for service, environment in environments.items():
        told = found[service]
        if told.problems:
            advice = "set them before the service is started anew; it does not start without"
            yield stop("settings", f"{service}: {'; '.join(told.problems)}", advice)
        unknown = sorted(
            name
            for name in environment
            if name.startswith("KAISER_") and name not in told.settings and name.removesuffix(FILE) not in told.settings
        )
        if unknown:
            yield note("settings", f"{service} does not know {', '.join(unknown)} (any more)", "take them out")
        if not (told.problems or unknown):
            yield ok("settings", f"{service} takes what it is told")
