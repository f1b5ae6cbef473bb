"""Spans on their way out: OTLP over HTTP, by the OpenTelemetry SDK. Loaded only where traces are recorded.

Nothing that the endpoint does may harm the service. Spans wait in a queue of fixed size, and are counted and dropped
when it is full. They leave in a thread of their own; an answer is never read, whatever its length, and no redirect is
followed. At the end the service waits two seconds for the last of them and no longer.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import requests
import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, TraceFlags, set_span_in_context

from kaiser.eventlog import tracecontext

_log = structlog.get_logger(__name__)

MOST: Final = 2048
"""Spans that wait."""
AT_ONCE: Final = 256
EVERY_MS: Final = 1000
TIMEOUT_S: Final = 5.0
LAST_WORD_S: Final = 2.0
PATH: Final = "/v1/traces"


class Recorder:
    """Records spans of one service, and exports them.

    Args:
        endpoint: Base of the OTLP receiver, such as ``http://collector:4318``; with a path, exactly there.
        service: Who says so.
    """

    def __init__(self, endpoint: str, service: str) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # what it has to say is said below, once
        self._exporter = _Counting(_exporter(endpoint), endpoint)
        self._queue = _Bounded(self._exporter)
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": f"kaiser-{service}", "service.namespace": "kaiser"}),
            sampler=ParentBased(ALWAYS_ON),  # the draw was made by whoever begins
            span_limits=SpanLimits(max_attribute_length=500),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(self._queue)
        self._tracer = self._provider.get_tracer("kaiser")

    @property
    def counts(self) -> tuple[int, int, int]:
        """Spans taken by the endpoint, refused by it, and dropped."""
        return self._exporter.exported, self._exporter.refused, self._queue.dropped

    def start(
        self,
        name: str,
        parent: str,
        *,
        at_us: int,
        links: Sequence[str],
        attributes: Mapping[str, str | float | bool],
    ) -> Span:
        """Begin a span, of a new trace where there is no parent."""
        return self._tracer.start_span(
            name,
            context=set_span_in_context(NonRecordingSpan(_context(parent) if parent else _NOBODY)),
            links=[Link(_context(link)) for link in links],
            attributes={f"kaiser.{key}": value for key, value in attributes.items()},
            start_time=at_us * 1000 or None,
        )

    def close(self) -> None:
        """Export what is left, for two seconds at most; the thread that does it ends with the process."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces-closing", daemon=True)
        closing.start()
        closing.join(LAST_WORD_S)


class _Counting(SpanExporter):
    """An exporter that counts, and says when the endpoint goes and comes."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self.exported = 0
        self.refused = 0
        self.begun = 0
        self._exporter = exporter
        self._endpoint = endpoint
        self._away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans; never raises."""
        self.begun += len(spans)
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 - whatever the endpoint makes it do, the next batch is another try
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self.exported += len(spans)
        else:
            self.refused += len(spans)
        if (result is not SpanExportResult.SUCCESS) is not self._away:
            self._away = not self._away
            words = "traces are not taken and get lost" if self._away else "traces are taken again"
            _log.warning(words, endpoint=self._endpoint)
        return result

    def shutdown(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()


class _Bounded(BatchSpanProcessor):
    """A queue that counts what it has no room for."""

    def __init__(self, exporter: _Counting) -> None:
        super().__init__(exporter, max_queue_size=MOST, schedule_delay_millis=EVERY_MS, max_export_batch_size=AT_ONCE)
        self.dropped = 0
        self._counting = exporter
        self._put = 0

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span that has ended."""
        if self._put - self._counting.begun >= MOST:
            self.dropped += 1
            return
        self._put += 1
        super().on_end(span)


def _exporter(endpoint: str) -> SpanExporter:
    session = requests.Session()
    session.stream = True  # an answer without an end is not read
    session.trust_env = False  # a proxy for the way out of a site is none for a collector in it
    url = endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + PATH
    return OTLPSpanExporter(endpoint=url, timeout=TIMEOUT_S, session=session)


def _context(traceparent: str) -> SpanContext:
    trace_id, span_id = tracecontext.ids(traceparent)
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


_NOBODY: Final = SpanContext(0, 0, is_remote=False)
