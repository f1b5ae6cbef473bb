"""Connections to the event log and the database of a site, for as long as a verb needs them."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import nats.errors
import psycopg
from nats.aio.client import Client

from kaiser.ctl.api import tls_of
from kaiser.ctl.errors import UnreachableError
from kaiser.ctl.site import Site
from kaiser.eventlog import EventLog, EventLogError, connect
from kaiser.timescale import Database

T = TypeVar("T")

PATIENCE_S: Final = 5


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a verb's coroutine.

    Raises:
        UnreachableError: A connection broke.
    """
    try:
        return asyncio.run(work)
    except (nats.errors.Error, EventLogError) as error:
        raise UnreachableError(f"the event log does not answer: {str(error) or type(error).__name__}") from error
    except psycopg.OperationalError as error:
        raise UnreachableError(f"the database does not answer: {str(error).strip()}") from error


@asynccontextmanager
async def event_log(site: Site, *, name: str = "kaiserctl") -> AsyncIterator[EventLog]:
    """The event log of a site.

    Raises:
        UsageError: Nobody said where it is.
        UnreachableError: It does not answer, or does not take the credentials.
    """
    where = site.need_nats()
    tls = tls_of(site) if where.url.startswith("tls") else None
    await _try(site, name)  # a service waits for ever; a person wants to know why
    async with await connect(where.url, name=name, user=where.user, password=where.password, tls=tls) as log:
        yield log


async def _try(site: Site, name: str) -> None:
    where = site.need_nats()
    said: list[str] = []

    async def note(error: Exception) -> None:
        said.append(str(error) or type(error).__name__)

    options: dict[str, Any] = {"user": where.user, "password": where.password} if where.user else {}
    if where.url.startswith("tls"):
        options["tls"] = tls_of(site)
    client = Client()
    try:
        await client.connect(
            where.url.split(","),
            name=name,
            connect_timeout=PATIENCE_S,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            error_cb=note,
            **options,
        )
    except (OSError, nats.errors.Error, TimeoutError) as error:
        reason = str(error) or (said[-1] if said else type(error).__name__)
        raise UnreachableError(f"NATS does not answer at {where.url.rpartition('@')[2]}: {reason}") from error
    finally:
        await client.close()


def database_of(site: Site) -> Database:
    """Where the database is.

    Raises:
        UsageError: Nobody said so.
    """
    where = site.need_database()
    return Database(dsn=where.dsn, password=where.password, application_name="kaiserctl", connect_timeout_s=PATIENCE_S)


def database(site: Site) -> psycopg.Connection[Any]:
    """A connection to the database that changes nothing, the caller's to close.

    Raises:
        UsageError: Nobody said where it is.
        UnreachableError: It does not answer, or does not take the credentials.
    """
    try:
        connection = psycopg.connect(database_of(site).conninfo(), autocommit=True)
    except psycopg.OperationalError as error:
        raise UnreachableError(f"the database does not answer: {str(error).strip()}") from error
    connection.execute("SET default_transaction_read_only = on")
    return connection
