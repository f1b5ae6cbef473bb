"""The site that is backed up, or restored: how its servers are reached, and where backups are."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kaiser.local import postgres
from kaiser.local.backup.errors import BackupError
from kaiser.local.nats import OPERATOR
from kaiser.service import NatsSettings, PostgresSettings, SettingsError, load
from kaiser.storage import S3Options, Store, open_store
from kaiser.timescale import Database

if TYPE_CHECKING:
    from kaiser.local.layout import Layout


class BackupSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``KAISER_BACKUP_…``.

    Attributes:
        target: Where backups are, if no argument says it: a folder, or ``s3://BUCKET/PREFIX``.
        endpoint: Address of the S3-compatible service; empty for Amazon's own.
        region: Its region.
        access_key: Id of a key that may list, read, write and delete there.
        secret_key: Its secret.
        passphrase: Locks the site's secrets; without one they are left out.
        secrets: Folder of the site's secrets.
        spool: Folder for snapshots on their way; the system's own by default.
    """

    target: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = ""
    passphrase: str = ""
    secrets: Path | None = None
    spool: Path | None = None


class ArchiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``KAISER_ARCHIVE_…`` of ingest, of which the folder alone is asked: a bucket is elsewhere already."""

    folder: Path | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a backup can be told."""

    nats: NatsSettings
    pg: PostgresSettings
    backup: BackupSettings
    archive: ArchiveSettings


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A site.

    Attributes:
        nats: The event log, as somebody who may do everything.
        database: The database, as somebody who may become each service's role.
        backup: Where backups are.
        archive: Folder of the archive; None where it is elsewhere, or there is none.
        secrets: Folder of the secrets; None where they are not to be had.
    """

    nats: NatsSettings
    database: Database
    backup: BackupSettings
    archive: Path | None
    secrets: Path | None

    def store(self, target: str | None) -> Store:
        """Where backups are.

        Raises:
            BackupError: Nobody said it, or it is no address.
        """
        options = self.backup
        keys = S3Options(
            endpoint=options.endpoint,
            region=options.region,
            access_key=options.access_key,
            secret_key=options.secret_key,
        )
        try:
            return open_store(target or options.target, keys)
        except ValueError as error:
            raise BackupError(f"where are the backups? {error}") from error


def find_site(environment: Mapping[str, str] = os.environ) -> Site:
    """The site of the environment (``KAISER_NATS_URL``, ``KAISER_PG_DSN`` and so on), or the home on this machine.

    Raises:
        BackupError: A variable is wrong or missing.
    """
    layout: Layout | None = None
    if "KAISER_NATS_URL" in environment:
        given = dict(environment)
    else:
        # The image holds nothing of what runs a home
        from kaiser.local.layout import layout_from_environment  # noqa: PLC0415

        layout = layout_from_environment()
        given = _of_home(layout) | dict(environment)
    try:
        settings = load(Settings, given)
    except SettingsError as error:
        raise BackupError(str(error)) from error
    return Site(
        nats=settings.nats,
        database=Database(
            dsn=settings.pg.dsn, password=settings.pg.password, application_name="kaiser-backup", unheard_s=60
        ),
        backup=settings.backup,
        archive=settings.archive.folder or (layout.archive if layout else None),
        secrets=settings.backup.secrets or (layout.root / "secrets" if layout else None),
    )


def _of_home(layout: "Layout") -> dict[str, str]:
    folder = layout.root / "secrets"
    return {
        "KAISER_NATS_URL": f"nats://127.0.0.1:{layout.ports.nats}",
        "KAISER_NATS_USER": OPERATOR,
        "KAISER_NATS_PASSWORD": _read(folder / f"nats-{OPERATOR}"),
        "KAISER_PG_DSN": postgres.conninfo(port=layout.ports.postgres, user=postgres.OWNER),
        "KAISER_PG_PASSWORD": _read(folder / f"postgres-{postgres.OWNER}"),
    }


def _read(path: Path) -> str:
    """A secret that is there; none is made here, for secrets may be what is to be restored."""
    return path.read_text() if path.is_file() else ""
