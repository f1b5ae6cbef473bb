"""Reads the log within a time that somebody at the API can wait."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import nats.errors
from nats.js.errors import NotFoundError

from kaiser.contracts.codes import Code
from kaiser.contracts.queries import Problem
from kaiser.eventlog import EventLogError
from kaiser.gateway.asking import ProblemError

READ_WITHIN_S: Final = 10.0
"""What one request may read for."""


@contextlib.asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """Read the log within the time that a request has.

    Raises:
        ProblemError: The log is away, or has too much to say.
        nats.js.errors.NotFoundError: There is no such stream or message.
    """
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            yield
    except NotFoundError:
        raise
    except (nats.errors.Error, EventLogError, OSError, TimeoutError) as error:
        words = f"the event log did not answer within {READ_WITHIN_S:.0f} s; ask again, or for less"
        raise ProblemError(Problem(Code.SERVICE_ERROR, words)) from error
