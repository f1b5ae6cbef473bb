"""The traces that rules' runs are a part of: that of the message which a run began at, or one of its own.

Beside the engine and not in it: what is decided must not hang on who looks on.
"""

from collections.abc import Iterable

from kaiser.contracts.events.logic import Decision, OfRun, RunStarted
from kaiser.eventlog import Delivery
from kaiser.service import tracing
from kaiser.service.tracing import Contexts, Span


class Traces:
    """What came and what runs, by where it is in the log and by run."""

    def __init__(self) -> None:
        self._came = Contexts()
        self._runs = Contexts()

    def came(self, delivery: Delivery) -> None:
        """A message came; a no-op for one that is not recorded."""
        if tracing.on() and (traceparent := delivery.sampled):
            self._came.note((delivery.stream, delivery.seq), traceparent)

    def begin(self, decisions: Iterable[Decision]) -> list[Span]:
        """Spans for what is decided now, one a run; they end when it is in the log."""
        if not tracing.on():
            return []
        spans: dict[str, Span] = {}
        for decision in decisions:
            if isinstance(decision, OfRun) and decision.run_id not in spans:
                span = self._span(decision)
                if span is not None:
                    span.set(run_id=decision.run_id, rule_id=decision.rule_id)
                    spans[decision.run_id] = span
                    self._runs.note(decision.run_id, span.traceparent)
        return list(spans.values())

    def of(self, run_id: str) -> str:
        """``traceparent`` of what a run did last; empty where it is not recorded."""
        return self._runs.of(run_id)

    def _span(self, decision: OfRun) -> Span | None:
        if not isinstance(decision, RunStarted):
            return tracing.start("logic go on", self._runs.of(decision.run_id))
        cause = self._came.of((decision.cause.stream, decision.cause.seq))
        return tracing.start("logic run", cause) if cause else tracing.root("logic run")
