"""A rebuild from its beginning to its end: beside, caught up, compared, swapped; and the way back."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
from psycopg import AsyncConnection

from kaiser.eventlog import EventLog
from kaiser.service.rebuilding import comparing, places, schemas
from kaiser.service.rebuilding.comparing import Difference, Side
from kaiser.service.rebuilding.folding import Folding
from kaiser.service.rebuilding.places import Places
from kaiser.service.rebuilding.projection import Opener, Projection, Source
from kaiser.service.rebuilding.schemas import NEXT, OLD, Note, Schema
from kaiser.service.rebuilding.telling import Progress
from kaiser.timescale import Database, DatabaseAway, Retention, connect, migrate, translated

ROOM: Final = 1.2
"""Free bytes that are wanted, for each of the tables in use."""
NEAR: Final = 2_000
"""Messages that may be left when the build ends and comparing begins."""
ROUNDS: Final = 3
"""A difference that is in so many comparisons is one."""
PAUSE_S: Final = 1.0
BEHIND_S: Final = 60.0
"""Patience with a service that is behind the new tables."""
SWAPS: Final = 20
LOCKED_S: Final = 5.0
"""Writers wait so long at most for what is left of the streams; then they go on, and it is tried again."""


class RebuildError(Exception):
    """It cannot be done or gone on with; the message is for the operator."""


class DiffersError(RebuildError):
    """The tables in use are not what the log says."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is.

    Attributes:
        log: The connection.
        archive: Folder of the archive; None for none.
        database: As a role that may make schemas and act as the service's.
        volume: A folder on the volume of the database; None where that is out of sight.
        environ: What the service is told of retention.
    """

    log: EventLog
    archive: Path | None
    database: Database
    volume: Path | None
    environ: Mapping[str, str]


class Rebuild:
    """Rebuilds one projection.

    Args:
        site: Where.
        name: Of the schema.
        opener: What fills it.
        built_by: Digest of the code that does.
        say: Takes a line for the operator.
        rest: Share of the time that it works for which it rests, so that others have the database too.
    """

    def __init__(
        self, site: Site, name: str, opener: Opener, built_by: str, say: Callable[[str], None], *, rest: float = 0.0
    ) -> None:
        self._site = site
        self._name = name
        self._opener = opener
        self._built_by = built_by
        self._say = say
        self._rest = rest

    async def rebuild(self, *, accept_differences: bool = False, anew: bool = False) -> None:
        """Build beside, compare, and swap.

        Args:
            accept_differences: Swap even if the tables in use differ from what the log says.
            anew: Throw away what an interrupted one has built.

        Raises:
            RebuildError: It cannot be done; nothing has changed for the service, and what is built is kept.
            ArchiveError: Something of the log is missing.
            DatabaseAway: The database is away.
        """
        async with self._control() as control:
            here = await self._found(control)
            if self._name + OLD in here:
                raise RebuildError(f"{self._name}{OLD} is kept from the last time: --drop-old, or --return to it")
            in_use = here[self._name]
            coming = self._beside(self._name + NEXT, in_use.owner)
            async with self._opener(coming, self._site.environ) as projection:
                note = self._note((await places.look(self._site.log, projection)).lives)
                await self._prepare(control, in_use, here.get(coming.schema), note, anew=anew)
                await migrate(coming, package=f"kaiser.{self._name}", schema=coming.schema)
                filling = await self._filling(control, projection, coming.schema)
                await filling.catch_up(self._rest)
                await Retention(coming, projection.lifetimes).sweep()
                await schemas.analyse(control, coming.schema)
                differences = await filling.differences()
                self._tell(differences)
                if differences and not accept_differences:
                    raise DiffersError(
                        f"{self._name} differs from the log; --accept-differences puts what the log says in its place"
                    )
                await filling.swap(note)
        self._say(f"{self._name} is what was built; the one before is kept as {self._name}{OLD}")

    async def go_back(self) -> None:
        """Put the one before in its place again, caught up; the one in use is kept then.

        Raises:
            RebuildError: There is none, or it cannot be caught up.
            DatabaseAway: The database is away.
        """
        async with self._control() as control:
            here = await self._found(control)
            kept = here.get(self._name + OLD)
            if kept is None:
                raise RebuildError(f"no {self._name}{OLD} is kept")
            coming = self._beside(kept.name, kept.owner)
            await migrate(coming, package=f"kaiser.{self._name}", schema=coming.schema)
            async with self._opener(coming, self._site.environ) as projection:
                note = self._note((await places.look(self._site.log, projection)).lives)
                if kept.note is None or kept.note.lives != note.lives:
                    raise RebuildError(f"{kept.name} cannot be caught up: streams were made anew since")
                filling = await self._filling(control, projection, coming.schema)
                await filling.catch_up(0.0)
                await filling.swap(note)
        self._say(f"{self._name} is the one before again; what was in use is kept as {self._name}{OLD}")

    async def drop(self, suffix: str) -> None:
        """Drop what is kept or half built.

        Raises:
            RebuildError: There is no such thing.
        """
        async with self._control() as control:
            if self._name + suffix not in await self._found(control):
                raise RebuildError(f"there is no {self._name}{suffix}")
            await schemas.drop(control, self._name + suffix)
        self._say(f"{self._name}{suffix} is dropped")

    @asynccontextmanager
    async def _control(self) -> AsyncIterator[AsyncConnection]:
        """A connection that holds the lock while it lasts, even if this process is killed and no longer."""
        connection = await connect(self._site.database)
        try:
            if not await schemas.alone(connection, self._name):
                raise RebuildError(f"{self._name} is being rebuilt by somebody else")
            yield connection
        finally:
            await connection.close()

    async def _found(self, control: AsyncConnection) -> dict[str, Schema]:
        found = await schemas.find(control, self._name)
        if self._name not in found:
            raise RebuildError(f"there is no schema {self._name}: has its service ever run?")
        return found

    def _beside(self, schema: str, owner: str) -> Database:
        return msgspec.structs.replace(self._site.database, schema=schema, role=owner, durable=False)

    def _note(self, lives: dict[str, int]) -> Note:
        return Note(built_by=self._built_by, lives=lives)

    async def _prepare(
        self, control: AsyncConnection, in_use: Schema, begun: Schema | None, note: Note, *, anew: bool
    ) -> None:
        if begun is not None and begun.note == note and not anew:
            self._say(f"{begun.name} is there already, and is gone on with")
            return
        if begun is not None:
            self._say(f"{begun.name} was begun by other code, from other streams, or is not wanted: it begins anew")
            await schemas.drop(control, begun.name)
        self._check_room(in_use.size_bytes)
        await schemas.create(control, self._name + NEXT, in_use.owner, note)

    def _check_room(self, size_bytes: int) -> None:
        if self._site.volume is None:
            self._say(f"the volume of the database is out of sight: {size_bytes * ROOM / 1e6:,.0f} MB should be free")
            return
        free, wanted = shutil.disk_usage(self._site.volume).free, int(size_bytes * ROOM)
        if free < wanted:
            raise RebuildError(
                f"{wanted / 1e6:,.0f} MB have to be free beside the database, and {free / 1e6:,.0f} MB are"
            )
        self._say(f"{size_bytes / 1e6:,.0f} MB are in use, {free / 1e6:,.0f} MB free")

    async def _filling(self, control: AsyncConnection, projection: Projection, schema: str) -> "_Filling":
        positions = await places.of_schema(control, schema, projection)
        return _Filling(self._site, control, self._name, schema, projection, positions, self._say)

    def _tell(self, differences: list[Difference]) -> None:
        if not differences:
            self._say(f"{self._name} and what the log says are equal")
        tables = sorted({each.table for each in differences})
        for table in tables:
            those = [each for each in differences if each.table == table]
            many = " or more" if len(those) >= comparing.MOST else ""
            self._say(f"{table}: {len(those):,}{many} rows differ")
            for each in those[:20]:
                self._say(f"  {each.what:<8} {each.key}")


class _Filling:
    """One schema, filled towards the end of the log, compared with the one in use, and put in its place."""

    def __init__(
        self,
        site: Site,
        control: AsyncConnection,
        name: str,
        schema: str,
        projection: Projection,
        positions: dict[Source, int],
        say: Callable[[str], None],
    ) -> None:
        self._site = site
        self._control = control
        self._name = name
        self._schema = schema
        self._projection = projection
        self._positions = positions
        self._say = say
        self._progress = Progress(say)
        self._folding = Folding(site.log, site.archive, projection.lanes, positions, self._progress.passed)

    async def catch_up(self, rest: float) -> None:
        """Fold up to where the service is, and again, until little is left."""
        self._folding.rest = rest
        while (left := self._left(targets := await self._targets(self._control))) > 0:
            self._progress.begin(left)
            await self._folding.fold(targets)
            self._progress.end()
            if left <= NEAR:
                break
        self._folding.rest = 0.0

    async def differences(self) -> list[Difference]:
        """Rows that differ at the same position, in each of some rounds."""
        found: list[Difference] = []
        for number in range(ROUNDS):
            if number:
                await asyncio.sleep(PAUSE_S)
            round_found = await self._compare()
            found = comparing.persisting(found, round_found) if number else round_found
            if not found:
                break
        return found

    async def _compare(self) -> list[Difference]:
        until = time.monotonic() + BEHIND_S
        while True:
            looked = await self._look()
            snapshot = await connect(self._site.database)
            try:
                with translated():
                    await snapshot.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                targets = looked.of_tables(await schemas.positions(snapshot, self._name), await self._look())
                if any(self._positions[source] > target for source, target in targets.items()):
                    if time.monotonic() > until:
                        raise RebuildError("the service does not record, so that its tables cannot be compared")
                    await asyncio.sleep(PAUSE_S / 4)
                    continue
                await self._folding.fold(targets)
                old, new = Side(snapshot, self._name), Side(self._control, self._schema)
                return await comparing.compare(old, new, self._projection.tables, time.time())
            finally:
                await snapshot.close()

    async def swap(self, note: Note) -> None:
        """Put it in the place of the one in use.

        Raises:
            RebuildError: Writers could not be kept out for long enough, or the streams were too far ahead.
        """
        reason = ""
        for _ in range(SWAPS):
            await self.catch_up(0.0)
            try:
                began = time.monotonic()
                with translated():
                    async with self._control.transaction():
                        await schemas.keep_writers_out(self._control, self._name)
                        async with asyncio.timeout(LOCKED_S):
                            looked = await self._look()
                            await self._folding.fold(looked.ends())
                        await schemas.set_back(self._control, self._name, looked.floors())
                        await schemas.exchange(self._control, self._name, self._schema, note)
            except (DatabaseAway, TimeoutError) as error:
                reason = str(error)
                self._say(f"not swapped yet, writers go on: {reason}")
                await asyncio.sleep(PAUSE_S)
            else:
                self._say(f"swapped; writers waited {1000 * (time.monotonic() - began):.0f} ms")
                return
        raise RebuildError(f"not swapped: {reason}; what is built is kept, try again when it is quieter")

    async def _targets(self, connection: AsyncConnection) -> dict[Source, int]:
        looked = await self._look()
        return looked.of_tables(await schemas.positions(connection, self._name), await self._look())

    async def _look(self) -> Places:
        return await places.look(self._site.log, self._projection)

    def _left(self, targets: Mapping[Source, int]) -> int:
        return sum(max(0, target - self._positions[source]) for source, target in targets.items())
