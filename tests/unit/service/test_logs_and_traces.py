"""Lines carry what was bound, and traces go from header to header."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from kaiser.service import LogSettings, TraceSettings, logs, tracing

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


def test_where_nothing_is_traced_the_header_is_handed_on() -> None:
    with tracing.span("step", PARENT) as outgoing:
        assert outgoing.split("-")[1] == PARENT.split("-")[1]
    with tracing.span("step") as outgoing:
        assert outgoing == ""


def test_no_ratio_and_no_exporter_loads_no_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    tracing.configure(TraceSettings(), service="trial")
    with tracing.span("step") as outgoing:
        assert outgoing == ""
