"""Looks at everything, and says whether this release can be started on it."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from kaiser.ctl import reaching
from kaiser.ctl.errors import OK, WRONG, UsageError
from kaiser.ctl.findings import Finding, State, lines
from kaiser.ctl.printing import show
from kaiser.ctl.site import Site
from kaiser.ctl.upgrading.log import log_findings
from kaiser.ctl.upgrading.migrations import migrations
from kaiser.ctl.upgrading.releases import Described, described, environments
from kaiser.ctl.upgrading.settings import settings
from kaiser.local.programs import SERVICES

MARKS: Final[Mapping[State, str]] = {"ok": "ok", "note": "note", "stop": "STOP", "skipped": "-"}


def check(site: Site, arguments: Namespace) -> int:
    """Print what was found; 1 if this release must not be started."""
    told = environments(site, _files(arguments.settings))
    with ThreadPoolExecutor() as pool:  # each is a process that imports a whole service
        asked = pool.map(lambda service: described(service, told.get(service, {})), SERVICES)
        of_release = dict(zip(SERVICES, asked, strict=True))
    found = list(settings(of_release, told)) or [_skipped("settings", "--settings SERVICE=FILE")]
    found += _database(site, of_release)
    found += reaching.run(_log(site, of_release, everything=arguments.all))
    show(arguments, found, lambda found: "\n".join(_lines(found)))
    return WRONG if any(each.state == "stop" for each in found) else OK


def _database(site: Site, of_release: Mapping[str, Described]) -> list[Finding]:
    if site.database is None:
        return [_skipped("migrations", "--database DSN")]
    with reaching.database(site) as connection:
        return list(migrations(connection, of_release))


async def _log(site: Site, of_release: Mapping[str, Described], *, everything: bool) -> list[Finding]:
    if site.nats is None:
        return [_skipped("log", "--nats URL")]
    async with reaching.event_log(site) as log:
        return [each async for each in log_findings(log, of_release, everything=everything)]


def _files(words: list[str]) -> dict[str, Path]:
    found = {}
    for word in words:
        service, is_pair, file = word.partition("=")
        if not is_pair:
            raise UsageError(f"--settings wants SERVICE=FILE, not {word!r}.")
        found[service] = Path(file)
    return found


def _skipped(what: str, option: str) -> Finding:
    return Finding(check=what, state="skipped", words=f"not looked at: say where it is with {option}")


def _lines(found: list[Finding]) -> Iterator[str]:
    yield from lines(found, MARKS, indent=5)
    stops = sum(each.state == "stop" for each in found)
    yield f"\n{stops} reasons not to start this release" if stops else "\nthis release can be started on this"
