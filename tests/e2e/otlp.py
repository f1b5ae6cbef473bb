"""A receiver of traces: takes what services export by OTLP over HTTP, and can be away, slow or mad."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Mood = Literal["well", "refusing", "silent", "endless", "redirecting"]

ENDLESS: Final = b"x" * 65536


class Span(NamedTuple):
    """A span as it was received; ids in hexadecimal, the parent's empty for a root, times in unix nanoseconds."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    began: int
    ended: int
    attributes: dict[str, Any]
    links: tuple[str, ...]


class Receiver:
    """Receives until it is closed.

    Attributes:
        mood: What it does with what comes; everything but ``well`` is a fault.
        spans: What came, in that order.
        asked: Requests that came.
    """

    def __init__(self) -> None:
        self.mood: Mood = "well"
        self.spans: list[Span] = []
        self.asked = 0
        self.let_go = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.take(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
                """Nothing: it would be a line for each export."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="otlp", daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """What services export to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Be gone."""
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()

    def trace(self, trace_id: str) -> list[Span]:
        """All spans of a trace, the earliest first."""
        return sorted((span for span in self.spans if span.trace_id == trace_id), key=lambda span: span.began)

    def take(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.asked += 1
        body = request.rfile.read(int(request.headers["Content-Length"]))
        match self.mood:
            case "well":
                assert request.path == "/v1/traces"
                self.spans += _spans(ExportTraceServiceRequest.FromString(body))
                self._answer(request, 200)
            case "refusing":
                self._answer(request, 500)
            case "redirecting":
                self._answer(request, 302, location=request.path)
            case "silent":
                self.let_go.wait()
            case "endless":
                request.send_response(200)
                request.end_headers()
                while not self.let_go.is_set():
                    try:
                        request.wfile.write(ENDLESS)
                    except OSError:
                        return

    @staticmethod
    def _answer(request: BaseHTTPRequestHandler, status: int, location: str = "") -> None:
        request.send_response(status)
        if location:
            request.send_header("Location", location)
        request.send_header("Content-Length", "0")
        request.end_headers()


def _spans(request: ExportTraceServiceRequest) -> list[Span]:
    found = []
    for resource in request.resource_spans:
        service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
        for scope in resource.scope_spans:
            found += [
                Span(
                    service=service.removeprefix("kaiser-"),
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    began=span.start_time_unix_nano,
                    ended=span.end_time_unix_nano,
                    attributes={a.key: getattr(a.value, a.value.WhichOneof("value") or "") for a in span.attributes},
                    links=tuple(link.span_id.hex() for link in span.links),
                )
                for span in scope.spans
            ]
    return found
