"""``python -m kaiser.logic.past``: does one job, which comes on standard input, and answers on standard output.

A process of its own, so that the engine beside it goes on deciding; it is nice, and ends with whoever started it.
"""

import asyncio
import os
import sys
import threading

import msgspec

from kaiser.contracts.codes import Code
from kaiser.contracts.queries import Problem, Reply
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import connect
from kaiser.logic.conditions.plugin import plugins
from kaiser.logic.past.jobs import Answer, Job, done
from kaiser.service import logs
from kaiser.service.settings import LogSettings

NICER = 5


async def answer(job: Job) -> Reply[Answer]:
    """What comes of a job."""
    async with await connect(job.nats_url, name="logic-past", user=job.nats_user, password=job.nats_password) as log:
        try:
            return Reply(ok=await done(job, log, plugins()))
        except Refusal as refusal:
            return Reply(problem=Problem(code=refusal.code, detail=refusal.detail, where=refusal.where))
        except MemoryError:
            words = "the span is too long for this machine; ask for less of it"
            return Reply(problem=Problem(code=Code.VALUE_OUT_OF_RANGE, detail=words, where="start"))


def _end_with_parent() -> None:
    """Whoever started this keeps its end of standard input open for as long as it lives and cares."""
    sys.stdin.buffer.read()
    os._exit(3)


def main() -> None:
    """Do it."""
    os.nice(NICER)
    logs.configure(LogSettings(level="warning"), service="logic-past")
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(answer(job))))
    sys.stdout.buffer.flush()
    os._exit(0)  # the thread that waits for the parent holds standard input, which an orderly exit would wait for


if __name__ == "__main__":
    main()
