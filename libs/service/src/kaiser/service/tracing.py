"""Traces over the log: the W3C ``traceparent`` header, made and handed on with OpenTelemetry.

One span a batch, never one a reading. The SDK is only loaded where traces are started or exported, for it costs
10 MiB of memory.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import structlog
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from kaiser.service.settings import TraceSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = structlog.get_logger(__name__)

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("kaiser")


def configure(settings: TraceSettings, *, service: str) -> None:
    """Start traces at the set ratio, and export them where ``OTEL_EXPORTER_OTLP_ENDPOINT`` says where to."""
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not settings.ratio and not endpoint:
        return
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415

    provider = TracerProvider(
        resource=Resource.create({"service.name": f"kaiser-{service}"}), sampler=ParentBasedTraceIdRatio(settings.ratio)
    )
    if endpoint:
        _export(provider)
    trace.set_tracer_provider(provider)


def _export(provider: "TracerProvider") -> None:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    except ImportError:
        log.warning("traces are not exported; pip install opentelemetry-exporter-otlp-proto-http")
        return
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))


@contextlib.contextmanager
def span(name: str, traceparent: str = "") -> Iterator[str]:
    """A span around one batch; gives the ``traceparent`` to hand on, empty where nothing is traced.

    Args:
        name: What is done.
        traceparent: Header of what caused it; empty starts a new trace, if the ratio has it.
    """
    parent = _propagator.extract({"traceparent": traceparent}) if traceparent else None
    with _tracer.start_as_current_span(name, context=parent) as current:
        context = current.get_span_context()
        if not context.is_valid:
            yield traceparent
            return
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        with structlog.contextvars.bound_contextvars(
            trace_id=f"{context.trace_id:032x}", span_id=f"{context.span_id:016x}"
        ):
            yield carrier.get("traceparent", "")
