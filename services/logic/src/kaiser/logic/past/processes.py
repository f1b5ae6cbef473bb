"""Processes in which the past is looked at: few at a time, each for one job, and gone when nobody waits any more.

A process a job instead of a pool of them: one can be ended in the middle of a job, gives its memory back, and takes
nobody with it when it dies. It costs half a second of imports, of jobs that take seconds.
"""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from typing import Any, Final, TypeVar

import msgspec
import structlog

from kaiser.contracts.codes import Code
from kaiser.contracts.queries import Reply
from kaiser.contracts.refusals import Refusal
from kaiser.logic.past.jobs import Job

_log = structlog.get_logger(__name__)

T = TypeVar("T")

AT_ONCE: Final = 2


class Processes:
    """Does jobs.

    Args:
        at_once: How many at a time; others wait for their turn.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self.running = 0

    async def do(self, job: Job, answer: type[T]) -> T:
        """What comes of a job, of the type that it is said to be; cancelling it ends its process.

        Raises:
            Refusal: What the job was refused with; SERVICE_ERROR where its process died.
        """
        async with self._turns:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "kaiser.logic.past", stdin=PIPE, stdout=PIPE
            )
            self.running += 1
            try:
                found = await _answer(process, job)
            finally:
                self.running -= 1
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await asyncio.shield(process.wait())
        if not found:
            _log.error("a process of the past died", what=job.what, rule=job.rule_id, code=process.returncode)
            raise Refusal(Code.SERVICE_ERROR, "it could not be tried; the log of logic says why")
        reply: Any = msgspec.json.decode(found, type=Reply[answer])  # type: ignore[valid-type]
        if reply.problem is not None:
            raise Refusal(reply.problem.code, reply.problem.detail, reply.problem.where)
        outcome: T = reply.ok
        return outcome


async def _answer(process: Process, job: Job) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(ConnectionError):  # it died, and its output says so by being empty
        process.stdin.write(msgspec.json.encode(job) + b"\n")
        await process.stdin.drain()
    return await process.stdout.read()  # standard input stays open: its end would be the end of the process
