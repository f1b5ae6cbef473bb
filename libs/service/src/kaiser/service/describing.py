"""What a service of this release is: its settings, durable consumers and migrations, said by its own code.

For tools, which import no service: ``python -m kaiser.service describe ingest`` prints it as JSON, and needs no server.
"""

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, Final

import msgspec

from kaiser.eventlog import ConsumerSpec
from kaiser.service.migrating import NotAServiceError
from kaiser.service.settings import PREFIX, CommonSettings, SettingsError, load, variables

FILE: Final = "_FILE"
ABSENT: Final = "x" * 64
"""Stands for a secret whose file is where the service runs, and not here."""


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A service of this release.

    Attributes:
        settings: Variables that it reads, each with what is accepted.
        consumers: Durable consumers that it makes, or brings up to date.
        migrations: Name of each migration to its SQL, in order.
        problems: Variables of this process' environment that are missing or wrong, one a line.
    """

    service: str
    settings: dict[str, str]
    consumers: list[ConsumerSpec]
    migrations: dict[str, str]
    problems: list[str]


def describe(service: str, environ: Mapping[str, str] = os.environ) -> Described:
    """What a service is, and whether it would start in an environment.

    Args:
        service: Its name.
        environ: What it would be told. Files of secrets need not be here.

    Raises:
        NotAServiceError: No service has this name.
    """
    package = f"kaiser.{service}"
    if not service.isidentifier() or find_spec(f"{package}.settings") is None:
        raise NotAServiceError(f"there is no service {service!r}")
    settings = _settings(package)
    return Described(
        service=service,
        settings=dict(variables(settings)),
        consumers=list(_consumers(package)),
        migrations=dict(_migrations(package)),
        problems=_problems(settings, environ),
    )


def _settings(package: str) -> type[CommonSettings]:
    module = import_module(f"{package}.settings")
    return next(
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, CommonSettings) and each.__module__ == module.__name__
    )


def _consumers(package: str) -> Iterator[ConsumerSpec]:
    """Definitions at the top level of the service's modules; each once, whoever imports it."""
    found: dict[str, ConsumerSpec] = {}
    for module in walk_packages(import_module(package).__path__, f"{package}."):
        if not module.name.endswith("__main__"):
            for each in _specs(vars(import_module(module.name))):
                found[each.durable] = each
    yield from (found[name] for name in sorted(found))


def _specs(names: Mapping[str, Any]) -> Iterator[ConsumerSpec]:  # of a module, so of whatever types
    for value in names.values():
        several = value if isinstance(value, tuple) else (value,)
        # One without a name is no consumer on the server: a rebuild reads by it
        yield from (each for each in several if isinstance(each, ConsumerSpec) and each.durable)


def _migrations(package: str) -> Iterator[tuple[str, str]]:
    folder = files(package) / "migrations"
    if folder.is_dir():
        for path in sorted(folder.iterdir(), key=lambda path: path.name):
            if path.name.endswith(".sql"):
                yield path.name.removesuffix(".sql"), path.read_text(encoding="utf-8")


def _problems(settings: type[CommonSettings], environ: Mapping[str, str]) -> list[str]:
    told = {name: value for name, value in environ.items() if name.startswith(f"{PREFIX}_")}
    for name in [name for name in told if name.endswith(FILE) and not Path(told[name]).exists()]:
        told.pop(name)
        told.setdefault(name.removesuffix(FILE), ABSENT)
    try:
        load(settings, told)
    except SettingsError as error:
        return str(error).splitlines()
    return []
