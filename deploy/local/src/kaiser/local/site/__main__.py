"""``python -m kaiser.local.site``: what ``deploy/compose`` and ``deploy/kubernetes`` run before the first start."""

import argparse
import datetime as dt
import sys
import time
from pathlib import Path
from typing import Final

import psycopg
import structlog

from kaiser.local import postgres
from kaiser.local.secrets import Secrets
from kaiser.local.site.kubernetes import secrets
from kaiser.local.site.parts import OWNERS, PASSWORDS, Options
from kaiser.local.site.writing import prepare_data, write_site

PATIENCE_S: Final = 300.0
RETRY_S: Final = 1.0

_log = structlog.get_logger(__name__)


def write(arguments: argparse.Namespace) -> None:
    """Write passwords, certificates and configurations of all parts, and hand them over to their users."""
    options = Options(
        shared_account=arguments.shared_account, plugin=arguments.mosquitto_plugin, sync=arguments.nats_sync or None
    )
    owners = dict(_owner(word) for word in arguments.owner)
    write_site(
        arguments.folder,
        arguments.secrets,
        options,
        names=[name for name in arguments.names.split(",") if name],
        owners=owners,
        now=dt.datetime.now(dt.UTC),
    )
    prepare_data(arguments.data, owners)


def database(arguments: argparse.Namespace) -> None:
    """Make roles, database, extension and schemas, or bring them up to date, once the server answers."""
    passwords = {role: (arguments.folder / role).read_text() for role in PASSWORDS["database"]}
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            postgres.prepare(
                host=arguments.host, port=arguments.port, passwords=passwords, ca_file=arguments.folder / "ca.crt"
            )
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"site: the database does not answer: {error}") from error
            _log.info("waiting for the database", reason=str(error).strip())
            time.sleep(RETRY_S)
        else:
            _log.info("database prepared", schemas=sorted(postgres.SCHEMAS))
            return


def kubernetes(arguments: argparse.Namespace) -> None:
    """Print a site that was written as Secrets, for kubectl apply -f -."""
    print(secrets(arguments.folder))


def show(arguments: argparse.Namespace) -> None:
    """Print one secret of the site, such as ``admin`` or ``mqtt-commissioning``."""
    if not (arguments.secrets / arguments.name).is_file():
        raise SystemExit(f"site: there is no secret {arguments.name!r} in {arguments.secrets}")
    print(Secrets(arguments.secrets).value(arguments.name))


def main() -> None:
    """Run one verb."""
    parser = argparse.ArgumentParser(prog="kaiser.local.site", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    for function in (write, database, kubernetes, show):
        verb = verbs.add_parser(function.__name__, help=function.__doc__)
        verb.set_defaults(function=function)
        if function in (write, show):
            verb.add_argument("--secrets", type=Path, default=Path("/secrets"), help="the site's own secrets")
        if function in (write, database, kubernetes):
            verb.add_argument("--folder", type=Path, default=Path("/site"), help="folders of the parts, or the part's")
        if function is write:
            verb.add_argument("--data", type=Path, default=Path("/volumes"), help="data folders of the parts")
            verb.add_argument("--names", default="", help="host names and addresses of this site, with commas between")
            verb.add_argument("--owner", action="append", default=[], help=f"PART=UID, if not {OWNERS}")
            verb.add_argument("--shared-account", action="store_true", help="for a fleet without keys")
            verb.add_argument("--mosquitto-plugin", default=Options().plugin, help="the dynamic security plugin")
            verb.add_argument("--nats-sync", default="", help="always, or a duration")
        if function is database:
            verb.add_argument("--host", default="postgres", help="where the database is")
            verb.add_argument("--port", type=int, default=5432, help="its port")
        if function is show:
            verb.add_argument("name", help="the secret's name")
    arguments = parser.parse_args()
    arguments.function(arguments)


def _owner(word: str) -> tuple[str, int]:
    part, _, uid = word.partition("=")
    if not uid.isdecimal():
        print(f"site: --owner wants PART=UID, not {word!r}", file=sys.stderr)
        sys.exit(2)
    return part, int(uid)


if __name__ == "__main__":
    main()
