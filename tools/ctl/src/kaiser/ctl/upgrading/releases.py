"""What the services of this release are, as they say themselves, each in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from kaiser.ctl.errors import CtlError, UsageError
from kaiser.ctl.site import Site
from kaiser.eventlog import ConsumerSpec
from kaiser.local.programs import SERVICES, programs
from kaiser.local.tree import Tree

PREFIX: Final = "KAISER_"


class Described(msgspec.Struct, frozen=True):
    """A service of this release; see :class:`kaiser.service.describing.Described`."""

    service: str
    settings: dict[str, str]
    consumers: list[ConsumerSpec]
    migrations: dict[str, str]
    problems: list[str]


def described(service: str, environment: Mapping[str, str]) -> Described:
    """What a service says of itself, and of what it is told.

    Raises:
        CtlError: This release has no such service here.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "kaiser.service", "describe", service],
        env=kept | dict(environment),
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise CtlError(f"this release says nothing of {service}: {done.stderr.decode().strip()}")
    return msgspec.json.decode(done.stdout, type=Described)


def environments(site: Site, given: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """What each service is told: by files that were given, or else as a home of this machine does.

    Args:
        site: Which.
        given: Service to its file with lines ``NAME=VALUE``.

    Raises:
        UsageError: A file cannot be read, or is of no service.
    """
    if unknown := set(given) - set(SERVICES):
        raise UsageError(f"{', '.join(sorted(unknown))} is no service: {', '.join(SERVICES)} are.")
    found: dict[str, dict[str, str]] = {}
    if site.home is not None:
        programs_at_home = programs(site.home, Tree(site.home.root))  # of the servers' tree only names are taken
        found = {each.name: dict(each.environment) for each in programs_at_home if each.service}
    return found | {service: _lines(path) for service, path in given.items()}


def _lines(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines if not line.strip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs if name.strip()}
