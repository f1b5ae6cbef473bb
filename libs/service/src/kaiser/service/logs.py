"""Logs: structured, to standard error, readable on a terminal and JSON elsewhere.

Bind ``correlation_id`` with :func:`structlog.contextvars.bound_contextvars`, and every line has it. Lines about what
came with a ``traceparent`` have its ``trace_id`` and ``span_id``.
"""

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from kaiser.eventlog import tracecontext
from kaiser.service.settings import LogSettings


def configure(settings: LogSettings, *, service: str) -> None:
    """Set up structlog, and route the standard library's loggers through it.

    Args:
        settings: Level and format.
        service: Bound to every line.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _traced,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    readable = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    renderers: list[Processor]
    if readable:
        plain = structlog.dev.plain_traceback  # the rich one prints every local variable, secrets too
        renderers = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    else:
        renderers = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # that it serves is said by the probes
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)


def _traced(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """A line with the ids of what is being worked on."""
    trace_id, span_id = tracecontext.ids(tracecontext.current())
    if trace_id:
        line.setdefault("trace_id", trace_id)
        line.setdefault("span_id", span_id)
    return line
