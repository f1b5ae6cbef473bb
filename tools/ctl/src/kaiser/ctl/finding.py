"""Which site is meant: arguments first, then the environment, then the home of this checkout."""

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kaiser.ctl.errors import UsageError
from kaiser.ctl.site import Broker, Gateway, Nats, Postgres, Site
from kaiser.local.errors import LocalError
from kaiser.local.layout import Layout
from kaiser.local.nats import OPERATOR
from kaiser.local.ports import LOOPBACK, ports_from
from kaiser.local.postgres import OWNER, conninfo
from kaiser.local.programs import SERVICES
from kaiser.local.tree import home as checkout_home

PREFIX: Final = "KAISER_CTL_"
ELSEWHERE: Final = ("url", "nats", "database", "health")
"""Who names one of these means a site elsewhere, of which no home on this machine knows anything."""
LOADGEN: Final = "loadgen"
"""User of the broker who may publish readings of any device."""
OLDER_NAMES: Final = {"url": "KAISER_URL", "token": "KAISER_TOKEN"}
"""What ``make rules`` was told before there was kaiserctl."""


def find_site(arguments: Namespace, environment: Mapping[str, str] = os.environ) -> Site:
    """The site that is meant.

    Args:
        arguments: Of the command line; those of :func:`kaiser.ctl.parsing.common`.
        environment: ``KAISER_CTL_…`` with the names of the arguments, secrets also without ``_FILE``; ``KAISER_HOME``
            and port variables for a home.

    Raises:
        UsageError: Something that is named cannot be had.
    """
    given = _Given(arguments, environment)
    if any(given.word(name) for name in ELSEWHERE) and not hasattr(arguments, "home"):
        return _elsewhere(given)
    folder = Path(arguments.home).resolve() if hasattr(arguments, "home") else checkout_home()
    try:
        layout = Layout(folder, ports_from(environment))
    except LocalError as error:
        raise UsageError(str(error)) from error
    return _at_home(layout, given)


def _elsewhere(given: "_Given") -> Site:
    url, nats, database = (given.word(name) for name in ("url", "nats", "database"))
    ca_file = given.word("ca_file")
    return Site(
        name=(url or nats or database or "").rpartition("@")[2],
        gateway=_gateway(url.rstrip("/"), given) if url else None,
        nats=Nats(
            url=nats,
            user=given.word("nats_user") or (None if "@" in nats else OPERATOR),
            password=given.secret("nats_password") or None,
        )
        if nats
        else None,
        database=Postgres(dsn=database, password=given.secret("database_password") or None) if database else None,
        broker=_broker(given.word("mqtt"), given),
        health=_health(given.word("health")),
        archive=Path(folder) if (folder := given.word("archive")) else None,
        ca_file=Path(ca_file) if ca_file else None,
        environment=given.environment,
    )


def _at_home(layout: Layout, given: "_Given") -> Site:
    secrets = layout.root / "secrets"
    ports = layout.ports
    return Site(
        name=str(layout.root),
        home=layout,
        gateway=_gateway(f"http://{LOOPBACK}:{ports.gateway}", given, admin=_read(secrets / "admin")),
        nats=Nats(
            url=f"nats://{LOOPBACK}:{ports.nats}",
            user=given.word("nats_user") or OPERATOR,
            password=given.secret("nats_password") or _read(secrets / f"nats-{OPERATOR}"),
        ),
        database=Postgres(
            dsn=conninfo(port=ports.postgres, user=OWNER),
            password=given.secret("database_password") or _read(secrets / f"postgres-{OWNER}"),
        ),
        broker=Broker(host=LOOPBACK, port=ports.mqtt, user=LOADGEN, password=_read(secrets / f"mqtt-{LOADGEN}")),
        health={name: f"http://{LOOPBACK}:{getattr(ports, f'{name}_health')}" for name in SERVICES},
        archive=layout.archive,
        environment=given.environment,
    )


def _gateway(url: str, given: "_Given", *, admin: str = "") -> Gateway:
    token, user, password = given.secret("token"), given.word("user"), given.secret("password")
    if not (token or user):  # whoever may read the home is its admin
        user, password = ("admin", admin) if admin else ("", "")
    return Gateway(url=url, token=token, user=user, password=password)


def _broker(address: str, given: "_Given") -> Broker | None:
    if not address:
        return None
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        raise UsageError(f"--mqtt wants HOST:PORT, not {address!r}.")
    user, password = given.word("mqtt_user") or LOADGEN, given.secret("mqtt_password")
    return Broker(host=host, port=int(port), user=user, password=password)


def _health(words: str) -> dict[str, str]:
    found = {}
    for word in filter(None, words.split(",")):
        name, is_pair, url = word.partition("=")
        if not is_pair or "://" not in url:
            raise UsageError(f"--health wants NAME=URL with commas between, not {word!r}")
        found[name.strip()] = url.strip().rstrip("/")
    return found


def _read(path: Path) -> str:
    """A secret of a home; empty where there is none, for one must not be made here."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


class _Given:
    """What arguments and environment say."""

    def __init__(self, arguments: Namespace, environment: Mapping[str, str]) -> None:
        self._arguments = arguments
        self.environment = environment

    def word(self, name: str) -> str:
        """A value that is no secret; empty for none."""
        older = self.environment.get(OLDER_NAMES.get(name, ""), "")
        return getattr(self._arguments, name, None) or self.environment.get(f"{PREFIX}{name.upper()}", "") or older

    def secret(self, name: str) -> str:
        """A secret: the file that an argument names, the variable, or the file that a variable names."""
        if file := getattr(self._arguments, f"{name}_file", None):
            return secret_in(file)
        for variable in (f"{PREFIX}{name.upper()}", OLDER_NAMES.get(name, "")):
            if value := self.environment.get(variable):
                return value
            if variable and (file := self.environment.get(f"{variable}_FILE")):
                return secret_in(file)
        return ""


def secret_in(file: str) -> str:
    """The secret in a file; ``-`` is standard input.

    Raises:
        UsageError: It cannot be read.
    """
    if file == "-":
        return sys.stdin.readline().strip()
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
