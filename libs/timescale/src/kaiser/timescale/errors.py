"""What can go wrong between a service and its database, in the three ways that a caller must tell apart."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests


class TimescaleError(Exception):
    """Any failure of this library; the text is for the operator."""


class DatabaseAway(TimescaleError):  # noqa: N818  # a state of the world, not a mistake
    """The database cannot be used now: not reachable, starting, stopping, full, locked, or not migrated.

    Nothing is wrong with what was written, so the same statement is tried again later.
    """


class BadData(TimescaleError):  # noqa: N818  # as above
    """The database refused a value (SQLSTATE classes 22 and 23): the same statement would fail for ever."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise what psycopg raises as one of this library's exceptions.

    Only a refused value is :class:`BadData`. Everything else, a missing table or a full disk too, is
    :class:`DatabaseAway`: an operator can mend it, and until then no reading may be given up.

    Raises:
        BadData: SQLSTATE class 22 (data exception) or 23 (integrity constraint violation).
        DatabaseAway: Any other error of the database or of the connection, and a time-out.
    """
    try:
        yield
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise BadData(_sentence(error)) from error
    except (psycopg.Error, PoolTimeout, PoolClosed, TooManyRequests, TimeoutError, OSError) as error:
        raise DatabaseAway(_sentence(error)) from error


def _sentence(error: BaseException) -> str:
    """The first line of an error, which names no value of a row, or the error's kind where it has no text."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
