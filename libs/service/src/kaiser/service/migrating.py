"""A service's schema brought up to date by itself, before the service comes: for the job of a roll-out.

The service does the same at its start. Whoever comes second finds nothing to do, and two at once wait for each other.
"""

from importlib.resources import files
from importlib.util import find_spec

import structlog
from msgspec import Struct

from kaiser.service import logs
from kaiser.service.database import prepare
from kaiser.service.settings import LogSettings, PostgresSettings, load
from kaiser.timescale import Database

_log = structlog.get_logger(__name__)


class MigrationSettings(Struct, frozen=True, kw_only=True):
    """The database settings of the service, and how to log."""

    pg: PostgresSettings
    log: LogSettings


class NotAServiceError(Exception):
    """There is no such service; the message is for the operator."""


async def migrate_service(service: str, settings: MigrationSettings) -> None:
    """Wait for the database, and apply what is missing of the service's migrations.

    Args:
        service: Name of the service, which is the name of its schema.
        settings: Where the database is.

    Raises:
        NotAServiceError: No service has this name.
    """
    package = f"kaiser.{service}"
    if not service.isidentifier() or find_spec(package) is None:
        raise NotAServiceError(f"there is no service {service!r}")
    if not (files(package) / "migrations").is_dir():
        _log.info("nothing to migrate", service=service)
        return
    database = Database(
        dsn=settings.pg.dsn, password=settings.pg.password, application_name=f"kaiser-{service}-migrate"
    )
    await prepare(database, package=package, schema=service)


def settings_from_environment() -> MigrationSettings:
    """The settings, and logging configured by them.

    Raises:
        SettingsError: A variable is missing or wrong.
    """
    settings = load(MigrationSettings)
    logs.configure(settings.log, service="migrate")
    return settings
