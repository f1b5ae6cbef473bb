from collections.abc import AsyncIterator, Callable

import pytest
from psycopg import AsyncConnection

from kaiser.timescale import Database, connect, migrate


@pytest.fixture
async def database(postgres) -> Database:
    database = Database(dsn=postgres.dsn("kaiser_ingest"), application_name="test")
    await migrate(database, package="kaiser.ingest", schema="ingest")
    return database


@pytest.fixture
async def ask(database) -> AsyncIterator[Callable]:
    """Rows of a query."""
    connection: AsyncConnection = await connect(database)

    async def ask(query, *parameters):
        return await (await connection.execute(query, parameters)).fetchall()

    try:
        yield ask
    finally:
        await connection.close()
