"""Which TimescaleDB this is: what the Apache build refuses, Kaiser does itself.

The Apache build (Debian's) has hypertables, ``time_bucket`` and ``drop_chunks``; policies, compression and continuous
aggregates raise ``0A000`` there. The setting says which one it is before anything is tried.
"""

from typing import LiteralString

import msgspec
from psycopg import AsyncConnection

from kaiser.timescale.errors import DatabaseAway, translated

_READ: LiteralString = """
SELECT (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
       current_setting('timescaledb.license', true)
"""


class Edition(msgspec.Struct, frozen=True):
    """TimescaleDB as this server has it.

    Attributes:
        version: Version of the extension, such as ``2.19.3``.
        licence: ``apache`` or ``timescale``.
    """

    version: str
    licence: str

    @property
    def has_policies(self) -> bool:
        """Whether compression and retention policies exist here."""
        return self.licence != "apache"


async def read_edition(connection: AsyncConnection) -> Edition:
    """Ask the server for version and licence.

    Raises:
        DatabaseAway: The database is not reachable, or the extension is not installed in it.
    """
    with translated():
        row = await (await connection.execute(_READ)).fetchone()
    if row is None or row[0] is None:
        raise DatabaseAway(
            f"TimescaleDB is not installed in database {connection.info.dbname!r}; "
            "as a superuser run CREATE EXTENSION timescaledb there"
        )
    return Edition(version=row[0], licence=row[1] or "apache")
