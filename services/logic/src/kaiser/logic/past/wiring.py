"""Wires what rules did and would have done: the table of runs, explanations of the past, and trials on it."""

from collections.abc import Mapping
from typing import Final

from kaiser.contracts import subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.logic import ExplainQuery, RunsQuery
from kaiser.contracts.queries import Problem
from kaiser.eventlog import EventLog
from kaiser.logic.conditions import Evaluator
from kaiser.logic.hindsight import Hindsight
from kaiser.logic.lives import Lives
from kaiser.logic.past.processes import Processes
from kaiser.logic.projections import Projections
from kaiser.logic.queries import Queries
from kaiser.logic.questions import Questions
from kaiser.logic.recording import REST_S, RUNS, Recording
from kaiser.logic.settings import LogicSettings
from kaiser.logic.trials import Trials, tries
from kaiser.service import Frame
from kaiser.service.answering import Answerer, Requests
from kaiser.service.consuming import Consumers
from kaiser.service.database import DatabaseWatch, prepare
from kaiser.timescale import Pool

SERVICE: Final = "logic"
MEANWHILE: Final = "rules go on, and what they did is recorded later"


class Past:
    """Everything about the past, of one instance.

    Args:
        frame: Where it runs.
        log: The connection.
        settings: Where the tables are, and what trials may take.
        plugins: Conditions of others.

    Attributes:
        hindsight: Explains what is past.
    """

    def __init__(self, frame: Frame, log: EventLog, settings: LogicSettings, plugins: Mapping[str, Evaluator]) -> None:
        self._frame = frame
        self._log = log
        self._settings = settings
        self._pool = Pool(settings.database())
        self._queries = Queries(self._pool)
        lives, processes = Lives(log), Processes(settings.trial.at_once)
        self.hindsight = Hindsight(self._queries, lives, processes, settings.nats)
        self._trials = Trials(lives, processes, settings.nats, settings.trial, plugins)

    async def open(self) -> None:
        """Begin to wait for the database, to record what it is to keep, and to watch it."""
        watch = DatabaseWatch(self._pool, "SELECT 1 FROM logic.progress", meanwhile=MEANWHILE)
        self._frame.health.add("database", watch.finding)
        await self._pool.open()
        self._frame.spawn("watch", watch.run())
        self._frame.spawn("recording", self._record())

    async def close(self) -> None:
        """Let the database go."""
        await self._pool.close()

    def listed(self) -> Requests:
        """What is answered from the table at once."""
        return {subjects.query("logic", "runs"): (RunsQuery, self._queries.runs)}

    def answerer(self, questions: Questions) -> Answerer:
        """Answers what may take long, apart from what is answered at once.

        Args:
            questions: They know whether it is the past that is to be explained.
        """
        patience_s = self._settings.trial.patience_s
        late = Problem(code=Code.OPERATION_TIMEOUT, detail=f"it took longer than {patience_s:.0f} s; ask for less")
        explained: Requests = {subjects.query("logic", "explain"): (ExplainQuery, questions.explain)}
        return Answerer(SERVICE, tries(self._trials), explained, patience_s=patience_s, late=late)

    async def _record(self) -> None:
        await prepare(self._settings.database(), package="kaiser.logic", schema=SERVICE)
        recording = Recording(Projections(self._pool), lambda: self._frame.stopping)
        Consumers(self._frame, self._log, SERVICE).run("runs", RUNS, recording.runs, rest_s=lambda: REST_S)
