"""``python -m kaiser.service rebuild``, for a job or a person; everything else comes from the environment."""

import argparse
import asyncio
import os
import sys
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import nats.errors
import xxhash
from msgspec import Struct
from nats.js.errors import NotFoundError

from kaiser.eventlog import EventLogError, connect
from kaiser.eventlog.archive import ArchiveError
from kaiser.service import logs
from kaiser.service.rebuilding import schemas
from kaiser.service.rebuilding.projection import Opener
from kaiser.service.rebuilding.running import Rebuild, RebuildError, Site
from kaiser.service.rebuilding.schemas import NEXT, OLD
from kaiser.service.settings import LogSettings, NatsSettings, PostgresSettings, load
from kaiser.timescale import Database, TimescaleError
from kaiser.timescale import connect as connect_database

PROJECTIONS: Final = ("ingest", "actuator", "safety", "logic")
"""Services with tables. What a gateway holds is made from the log at each of its starts."""
CONNECT_S: Final = 10.0


class ArchiveSettings(Struct, frozen=True, kw_only=True):
    """Where the archive is; none for no archive."""

    folder: Path | None = None


class RebuildSettings(Struct, frozen=True, kw_only=True):
    """What a rebuild is told, beside the service's own settings of retention.

    Attributes:
        nats: As the service, or as anybody who may read its streams.
        pg: As a role that may make schemas and act as the service's role: the owner of the database.
        archive: That of ingest.
    """

    nats: NatsSettings
    pg: PostgresSettings
    archive: ArchiveSettings
    log: LogSettings

    def database(self) -> Database:
        """As the owner."""
        return Database(dsn=self.pg.dsn, password=self.pg.password, application_name="kaiser-rebuild")


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(prog="rebuild", description="Make the tables of a service anew from the log.")
    made.add_argument("projection", nargs="?", choices=PROJECTIONS, help="whose tables; or --list")
    ways = made.add_mutually_exclusive_group()
    ways.add_argument("--list", action="store_true", help="what there is: sizes, what is kept or half built")
    ways.add_argument("--return", dest="go_back", action="store_true", help="put the one before in its place again")
    ways.add_argument("--drop-old", action="store_true", help="drop the one that is kept")
    ways.add_argument("--drop-next", action="store_true", help="drop what an interrupted rebuild has built")
    made.add_argument(
        "--accept-differences", action="store_true", help="swap even if the tables in use are not what the log says"
    )
    made.add_argument("--anew", action="store_true", help="do not go on with what an interrupted one has built")
    made.add_argument(
        "--rest", type=float, default=0.5, metavar="SHARE", help="rest so long for each second of work (default 0.5)"
    )
    made.add_argument("--volume", type=Path, help="a folder on the database's volume, to see whether there is room")
    return made


def run(words: list[str]) -> int:
    """Run the command and return the exit code: 1 if it cannot be done or gone on with."""
    asking = parser()
    arguments = asking.parse_args(words)
    if not arguments.list and arguments.projection is None:
        asking.error("which projection? --list says what there is")
    settings = load(RebuildSettings)
    logs.configure(settings.log, service="rebuild")
    try:
        asyncio.run(_run(arguments, settings))
    except (RebuildError, ArchiveError, TimescaleError, EventLogError, NotFoundError, nats.errors.Error) as error:
        sys.stderr.write(f"rebuild: {str(error) or type(error).__name__}\n")
        return 1
    except TimeoutError:
        sys.stderr.write(f"rebuild: NATS does not answer within {CONNECT_S:.0f} s\n")
        return 1
    return 0


async def _run(arguments: argparse.Namespace, settings: RebuildSettings) -> None:
    if arguments.list:
        await _list(settings.database())
        return
    told = settings.nats
    async with asyncio.timeout(CONNECT_S):
        log = await connect(told.url, name="rebuild", user=told.user, password=told.password)
    async with log:
        site = Site(
            log=log,
            archive=settings.archive.folder,
            database=settings.database(),
            volume=arguments.volume,
            environ=os.environ,
        )
        name = str(arguments.projection)
        task = Rebuild(site, name, opener_of(name), digest_of(name), _say, rest=arguments.rest)
        if arguments.go_back:
            await task.go_back()
        elif arguments.drop_old or arguments.drop_next:
            await task.drop(OLD if arguments.drop_old else NEXT)
        else:
            await task.rebuild(accept_differences=arguments.accept_differences, anew=arguments.anew)


async def _list(database: Database) -> None:
    connection = await connect_database(database)
    try:
        _say(f"{'projection':<16} {'bytes':>15}")
        for name in PROJECTIONS:
            for found in (await schemas.find(connection, name)).values():
                words = {name + NEXT: "half built: rebuild goes on", name + OLD: "kept: --return, --drop-old"}
                _say(f"{found.name:<16} {found.size_bytes:>15,}  {words.get(found.name, 'in use')}")
    finally:
        await connection.close()


def opener_of(name: str) -> Opener:
    """What fills the tables of a service.

    Raises:
        RebuildError: The service is not installed here.
    """
    module = f"kaiser.{name}.rebuilding"
    if find_spec(f"kaiser.{name}") is None:
        raise RebuildError(f"the service {name} is not installed here")
    opener: Opener = import_module(module).projection
    return opener


def digest_of(name: str) -> str:
    """Of the code and the statements of a service: what one release began, another does not go on with."""
    digest = xxhash.xxh3_64()
    for path, body in sorted(_sources(files(f"kaiser.{name}"), "")):
        digest.update(path.encode())
        digest.update(body)
    return digest.hexdigest()


def _sources(folder: Traversable, path: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for each in folder.iterdir():
        if each.is_dir():
            found += _sources(each, f"{path}/{each.name}")
        elif each.name.endswith((".py", ".sql")):
            found.append((f"{path}/{each.name}", each.read_bytes()))
    return found


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
