"""The table of safety as it is rebuilt from the log: by its own handler."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from kaiser.safety.consumers import VIOLATIONS, WriteViolations
from kaiser.safety.projections import CONSUMER, Violations
from kaiser.service.rebuilding import Projection, Source, Table
from kaiser.timescale import Database, Pool

STATEMENT_S: Final = 120.0


@asynccontextmanager
async def projection(
    database: Database,
    environ: Mapping[str, str],  # noqa: ARG001  # violations are kept for ever
) -> AsyncIterator[Projection]:
    """Violations on a database."""
    pool = Pool(database, size=1, patience_s=STATEMENT_S, statement_s=STATEMENT_S)
    await pool.open()
    write = WriteViolations(Violations(pool), lambda: False)
    try:
        yield Projection(
            lanes=((Source(spec=VIOLATIONS, consumer=CONSUMER, handle=write.handle),),),
            tables=(Table(name="violations", key=("seq",)),),
        )
    finally:
        await pool.close()
