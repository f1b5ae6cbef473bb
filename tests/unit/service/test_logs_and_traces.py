"""Lines carry what was bound, and traces go from header to header."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from kaiser.eventlog import Event, tracecontext
from kaiser.eventlog.envelope import encode_headers
from kaiser.service import LogSettings, logs, tracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def _untouched_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.mark.usefixtures("_untouched_logging")
def test_lines_of_the_standard_library_have_what_is_bound_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format="json"), service="trial")
    with structlog.contextvars.bound_contextvars(correlation_id="c-1"):
        logging.getLogger("some.library").warning("watch %s", "out")
        structlog.get_logger().info("mine")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["watch out", "mine"]
    assert all(line["correlation_id"] == "c-1" and line["service"] == "trial" for line in lines)


@pytest.mark.usefixtures("_untouched_logging")
def test_the_console_is_for_reading(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format="console"), service="trial")
    structlog.get_logger().info("hello")
    assert not capsys.readouterr().err.startswith("{")


@pytest.mark.usefixtures("_untouched_logging")
def test_lines_about_what_came_with_a_trace_have_its_ids(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format="json"), service="trial")
    with tracing.span("step", PARENT):
        structlog.get_logger().info("within")
    structlog.get_logger().info("after")
    within, after = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (within["trace_id"], within["span_id"]) == (PARENT[3:35], PARENT[36:52])
    assert "trace_id" not in after


def test_where_nothing_is_recorded_the_header_is_handed_on_to_what_is_written() -> None:
    event = Event(subject="a.b", type="t", data=b"{}", source="s")
    with tracing.span("step", PARENT) as span:
        assert (span, tracecontext.headers()) == (None, {"traceparent": PARENT})
        assert f"traceparent: {PARENT}\r\n".encode() in encode_headers(event)
        with tracing.span("of something else", ""):
            assert b"traceparent" not in encode_headers(event)
    assert b"traceparent" not in encode_headers(event)


def test_a_request_has_a_trace_id_in_any_case() -> None:
    with tracing.request("asked", PARENT):
        assert tracecontext.current() == PARENT
    with tracing.request("asked", "nonsense"):
        first = tracecontext.current()
    with tracing.request("asked", ""):
        second = tracecontext.current()
    assert tracecontext.valid(first) == first != second
    assert not tracecontext.sampled(first)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (PARENT, PARENT),
        (PARENT[:-2] + "03", PARENT),
        (PARENT[:-2] + "02", PARENT[:-2] + "00"),
        ("cc" + PARENT[2:] + "-what-the-future-brings", PARENT),
        ("cc" + PARENT[2:] + "what-the-future-brings", ""),
        (PARENT + "-more", ""),
        ("ff" + PARENT[2:], ""),
        (PARENT.upper(), ""),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", ""),
        (f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01", ""),
        (PARENT + "\r\nx: y", ""),
        ("", ""),
    ],
)
def test_a_traceparent_is_taken_by_the_rules_of_w3c(given: str, taken: str) -> None:
    assert tracecontext.valid(given) == taken


def test_without_an_endpoint_nothing_is_recorded_and_no_sdk_is_loaded() -> None:
    code = (
        "import sys; from kaiser.service import TraceSettings, tracing; import kaiser.service.frame; "
        "tracing.configure(TraceSettings(ratio=1), service='trial'); "
        "assert tracing.root('step') is None and tracing.start('step', sys.argv[1]) is None; "
        "assert not any(name.startswith('opentelemetry') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, PARENT], check=True)


def test_what_is_dropped_for_want_of_room_is_counted() -> None:
    recording("""
for _ in range(3000):
    span = tracing.start("step", PARENT)
    span.end()
    span.end()
exported, refused, dropped = tracing.counts()
assert exported == 0 < dropped and refused + dropped + exporting.MOST <= 3000
""")


def test_a_ratio_of_none_begins_no_trace_and_goes_on_with_those_of_others() -> None:
    recording("""
assert tracing.root("step") is None
assert tracing.start("step", PARENT[:-2] + "00") is None
assert tracing.start("step", PARENT).traceparent[:35] == PARENT[:35]
""")


def recording(code: str) -> None:
    """Run code where traces are exported to where nobody is: in a process, for the exporter's thread lives with it."""
    begin = f"""
from kaiser.service import TraceSettings, exporting, tracing
PARENT = {PARENT!r}
tracing.configure(TraceSettings(endpoint="http://127.0.0.1:9", ratio=0), service="trial")
"""
    subprocess.run([sys.executable, "-c", begin + code], check=True)


def test_the_oldest_contexts_are_forgotten() -> None:
    contexts = tracing.Contexts()
    for number in range(tracing.REMEMBERED + 1):
        contexts.note(number, PARENT)
    assert (contexts.of(0), contexts.of(1), contexts.pop(1), contexts.of(1)) == ("", PARENT, PARENT, "")
