"""Traces over the log: spans that are children of what a W3C ``traceparent`` names, exported by OpenTelemetry.

Off unless an endpoint is set: then nothing is recorded, and what came with a ``traceparent`` is handed on as it came.
A trace begins where something comes into Kaiser (a message of a device, a request, a run of a rule), and there it is
drawn whether it is recorded. Everything after that follows the flag in the header, so hot paths pay for nothing else
than to see that there is none. One span a batch, never one a reading.
"""

import contextlib
import random
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from kaiser.eventlog import Delivery, tracecontext
from kaiser.service.settings import TraceSettings

if TYPE_CHECKING:
    from opentelemetry.trace import Span as OtelSpan

    from kaiser.service.exporting import Recorder

Attributes = Mapping[str, str | float | bool]

REMEMBERED: Final = 2048
MOST_LINKS: Final = 31


class Span:
    """A span that is recorded.

    Attributes:
        traceparent: What its children follow from.
    """

    __slots__ = ("_span", "traceparent")

    def __init__(self, span: "OtelSpan") -> None:
        context = span.get_span_context()
        self._span = span
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-01"

    def set(self, **attributes: str | float | bool) -> None:
        """Say more of it; names have ``kaiser.`` put before them."""
        for name, value in attributes.items():
            self._span.set_attribute(f"kaiser.{name}", value)

    def fail(self, words: str) -> None:
        """Say that it failed."""
        from opentelemetry.trace import StatusCode  # noqa: PLC0415 - it is loaded where there is a span

        self._span.set_status(StatusCode.ERROR, words)

    def end(self) -> None:
        """It is over; a second end changes nothing."""
        if self._span.is_recording():
            self._span.end()


_recorder: "Recorder | None" = None
_ratio = 0.0


def configure(settings: TraceSettings, *, service: str) -> None:
    """Record traces if there is an endpoint to export them to.

    Args:
        settings: Where to, and which share.
        service: Who says so.
    """
    global _recorder, _ratio  # noqa: PLW0603 - one for the process, as for logs
    if _recorder is not None:
        _recorder.close()
        _recorder = None
    _ratio = settings.ratio
    if settings.endpoint:
        from kaiser.service.exporting import Recorder  # noqa: PLC0415 - costs 30 MiB of memory, and 0.3 s

        _recorder = Recorder(settings.endpoint, service)


def close() -> None:
    """Export what is left, for two seconds at most."""
    if _recorder is not None:
        _recorder.close()


def counts() -> tuple[int, int, int]:
    """Spans since the start: taken by the endpoint, refused by it or not taken in time, dropped for want of room."""
    return (0, 0, 0) if _recorder is None else _recorder.counts


def on() -> bool:
    """Whether anything is recorded at all; for hot paths."""
    return _recorder is not None


def start(
    name: str, parent: str, *, at_us: int = 0, links: Sequence[str] = (), attributes: Attributes | None = None
) -> Span | None:
    """Begin a span; None where it is not recorded, for it has no parent that is.

    Args:
        name: Service and what is done.
        parent: ``traceparent`` of what caused it.
        at_us: When it began, unix microseconds; 0 is now.
        links: ``traceparent`` of what else it follows from.
        attributes: What is known of it; names have ``kaiser.`` put before them.
    """
    if _recorder is None or not tracecontext.sampled(parent):
        return None
    return Span(_recorder.start(name, parent, at_us=at_us, links=links[:MOST_LINKS], attributes=attributes or {}))


def root(name: str, *, at_us: int = 0, attributes: Attributes | None = None) -> Span | None:
    """Begin a trace; None for those that are not drawn. Arguments as for :func:`start`."""
    if _recorder is None or (_ratio < 1 and random.random() >= _ratio):  # noqa: S311 - keeps no secret
        return None
    return Span(_recorder.start(name, "", at_us=at_us, links=(), attributes=attributes or {}))


@contextlib.contextmanager
def under(span: Span | None, parent: str = "") -> Iterator[Span | None]:
    """Work on something that a span stands for: what is written meanwhile follows from it, and then it ends.

    Args:
        span: The span; None where it is not recorded.
        parent: What is handed on then.
    """
    with tracecontext.under(parent if span is None else span.traceparent):
        try:
            yield span
        except Exception as error:
            if span is not None:
                span.fail(type(error).__name__)
            raise
        finally:
            if span is not None:
                span.end()


def span(
    name: str, parent: str, attributes: Attributes | None = None
) -> contextlib.AbstractContextManager[Span | None]:
    """Work on what came with a ``traceparent``: :func:`start` and :func:`under`."""
    return under(start(name, parent, attributes=attributes), parent)


def request(name: str, given: str) -> contextlib.AbstractContextManager[Span | None]:
    """Work on what somebody outside asks: the start of a trace, or a part of theirs where they say so.

    It has a trace id in any case, so that answer and logs of all services have the same.

    Args:
        name: What is asked.
        given: ``traceparent`` of the request, as it came.
    """
    parent = tracecontext.valid(given)
    if parent:
        return span(name, parent)
    begun = root(name)
    return under(begun, "" if begun is not None else unrecorded())


def unrecorded() -> str:
    """A new ``traceparent`` that nobody records."""
    return f"00-{random.getrandbits(128) or 1:032x}-{random.getrandbits(64) or 1:016x}-00"


def batch(name: str, deliveries: Iterable[Delivery]) -> Span | None:
    """A span for a batch of which some are recorded: a child of the first of them, with links to the others."""
    if _recorder is None:
        return None
    parents = [parent for delivery in deliveries if (parent := delivery.sampled)]
    if not parents:
        return None
    return start(name, parents[0], links=parents[1:], attributes={"messages": len(parents)})


class Contexts:
    """What came with a ``traceparent``, by a name, for those that are worked on later. The oldest are forgotten."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: OrderedDict[object, str] = OrderedDict()

    def note(self, name: object, traceparent: str) -> None:
        """Remember; a no-op for none."""
        if traceparent:
            self._known[name] = traceparent
            self._known.move_to_end(name)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)

    def of(self, name: object) -> str:
        """What a name came with; empty for nothing."""
        return self._known.get(name, "") if self._known else ""

    def pop(self, name: object) -> str:
        """The same, and forget it."""
        return self._known.pop(name, "") if self._known else ""

    def __len__(self) -> int:
        return len(self._known)
