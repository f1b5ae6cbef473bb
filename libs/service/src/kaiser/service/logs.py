"""Logs: structured, to standard error, readable on a terminal and JSON elsewhere.

Bind ``correlation_id`` or ``trace_id`` with :func:`structlog.contextvars.bound_contextvars`, and every line has it.
"""

import logging
import sys

import structlog
from structlog.typing import Processor

from kaiser.service.settings import LogSettings


def configure(settings: LogSettings, *, service: str) -> None:
    """Set up structlog, and route the standard library's loggers through it.

    Args:
        settings: Level and format.
        service: Bound to every line.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
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
