"""Wires what rules did and would have done: the table of runs, explanations of the past, and trials on it."""

import asyncio
from collections.abc import Mapping
from typing import Final

from kaiser.eventlog import EventLog
from kaiser.logic.api import bygone, patiently, recorded
from kaiser.logic.as_of import AsOf
from kaiser.logic.conditions import Evaluator
from kaiser.logic.hindsight import Hindsight
from kaiser.logic.past.processes import Processes
from kaiser.logic.projections import Projections
from kaiser.logic.queries import Queries
from kaiser.logic.questions import Questions
from kaiser.logic.recording import REST_S, RUNS, Recording
from kaiser.logic.retaining import SizeLimit
from kaiser.logic.rules import Rules
from kaiser.logic.settings import LogicSettings
from kaiser.logic.trials import Trials, answerer
from kaiser.service import Frame
from kaiser.service.answering import Answerer, Requests
from kaiser.service.consuming import Consumers
from kaiser.service.database import DatabaseWatch, prepare
from kaiser.timescale import Pool, Retention

SERVICE: Final = "logic"
MEANWHILE: Final = "rules go on, and what they did is recorded later"


class Past:
    """Everything about the past, of one instance.

    Args:
        frame: Where it runs.
        log: The connection.
        settings: Where the tables are, and what trials may take.
        rules: What became of each.
        plugins: Conditions of others.

    Attributes:
        hindsight: Explains what is past.
    """

    def __init__(
        self,
        frame: Frame,
        log: EventLog,
        settings: LogicSettings,
        rules: Rules,
        plugins: Mapping[str, Evaluator],
        consuming: Consumers,
    ) -> None:
        self._frame = frame
        self._log = log
        self._consuming = consuming
        self._settings = settings
        self._pool = Pool(settings.database())
        self._queries = Queries(self._pool)
        # An explanation takes a second, and must not wait for trials that take a minute
        self.hindsight = Hindsight(self._queries, log, Processes(1), settings.nats)
        self._trials = Trials(rules, Processes(settings.trial.at_once), settings.nats, settings.trial, plugins)

    async def open(self) -> None:
        """Begin to wait for the database, to record what it is to keep, and to watch it."""
        watch = DatabaseWatch(self._pool, "SELECT 1 FROM progress", meanwhile=MEANWHILE)
        watch.show(self._frame)
        await self._pool.open()
        self._frame.spawn("watch", watch.run())
        self._frame.spawn("recording", self._record())

    async def close(self) -> None:
        """Let the database go."""
        await self._pool.close()

    def listed(self) -> Requests:
        """What is answered from the table, and of what was, at once."""
        return {**recorded(self._queries), **bygone(AsOf(self._log, self._queries))}

    def answerer(self, questions: Questions) -> Answerer:
        """Answers what may take long, apart from what is answered at once.

        Args:
            questions: They know whether it is the past that is to be explained.
        """
        return answerer(patiently(questions, self._trials), self._settings.trial)

    async def _record(self) -> None:
        database, kept = self._settings.database(), self._settings.retention
        await prepare(database, package="kaiser.logic", schema=SERVICE)
        recording = Recording(Projections(self._pool), lambda: self._frame.stopping)
        self._consuming.run("runs", RUNS, recording.runs, rest_s=lambda: REST_S)
        retention = Retention(database, kept.lifetimes(self._settings.logic.runs_days), every_s=kept.every_s)
        await asyncio.gather(retention.run(), SizeLimit(self._pool, kept.most_bytes).run(kept.every_s))
