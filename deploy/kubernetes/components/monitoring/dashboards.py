"""Grafana's dashboard as code: run it to write ``dashboards/kaiser.json`` anew.

A row for each question that an operator has, in the order in which they come.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

FILE: Final = Path(__file__).parent / "dashboards" / "kaiser.json"
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
COLUMNS, HEIGHT = 3, 8
WIDTH: Final = 24 // COLUMNS
SERVICES: Final = "(actuator|ingest|logic|safety)"


class Panel(NamedTuple):
    """A graph.

    Attributes:
        title: What it answers.
        unit: Of Grafana, such as ``s``, ``ops`` or ``short``.
        series: Legend to expression.
    """

    title: str
    unit: str
    series: dict[str, str]


def _quantiles(metric: str) -> dict[str, str]:
    return {
        f"p{share}": f"histogram_quantile(0.{share}, sum by (le) (rate({metric}_bucket[$__rate_interval])))"
        for share in (50, 99)
    }


def _rate(metric: str, by: str) -> dict[str, str]:
    return {f"{{{{{by}}}}}": f"sum by ({by}) (rate({metric}[$__rate_interval]))"}


ROWS: Final = {
    "Is anything wrong": (
        Panel("What is not well", "short", {"{{job}}: {{check}}": "kaiser_check_ok == 0"}),
        Panel("Emergency stops in force", "short", {"stops": "max(kaiser_safety_emergencies)"}),
        Panel("What has to be off and has not said so", "short", {"actuators": "max(kaiser_bridge_unconfirmed_stops)"}),
        Panel("Alerts of devices that are not over", "short", {"alerts": "max(kaiser_safety_open_alerts)"}),
        Panel("Messages that the broker dropped", "short", {"messages": "max(kaiser_broker_dropped_messages)"}),
        Panel(
            "Dead letters",
            "ops",
            {"bridge": 'sum(rate(kaiser_bridge_messages_total{outcome="dead_letter"}[$__rate_interval]))'}
            | _rate(f'{{__name__=~"kaiser_{SERVICES}_consumer_dead_lettered_total"}}', "job"),
        ),
    ),
    "Readings": (
        Panel("What the broker hands over", "ops", _rate("kaiser_bridge_messages_total", "outcome")),
        Panel("To the row", "s", _quantiles("kaiser_ingest_received_to_committed_seconds")),
        Panel("To the WebSocket", "s", _quantiles("kaiser_gateway_received_to_pushed_seconds")),
        Panel("Rows", "ops", _rate("kaiser_ingest_readings_recorded_total", "outcome")),
        Panel("Seconds that a transaction takes", "s", _quantiles("kaiser_ingest_transaction_seconds")),
        Panel(
            "How far consumers are behind",
            "short",
            {
                "{{job}} {{consumer}}": f'max by (job, consumer) ({{__name__=~"kaiser_{SERVICES}_consumer_lag"}})',
                "bridge downlink": "max(kaiser_bridge_downlinks_waiting)",
            },
        ),
    ),
    "Commands and rules": (
        Panel("Commands by end", "ops", _rate("kaiser_actuator_commands_ended_total", "outcome")),
        Panel("From the request to the message", "s", _quantiles("kaiser_actuator_asked_to_sent_seconds")),
        Panel("From the request to what the device says", "s", _quantiles("kaiser_actuator_asked_to_done_seconds")),
        Panel("From safety's decision to the log", "s", _quantiles("kaiser_safety_store_seconds")),
        Panel("From the broker to the log", "s", _quantiles("kaiser_bridge_flush_seconds")),
        Panel("What safety decides", "ops", _rate("kaiser_safety_events_total", "what")),
        Panel("Decisions of rules", "ops", _rate("kaiser_logic_decisions_total", "kind")),
        Panel("From a message to the decision", "s", _quantiles("kaiser_logic_write_seconds")),
        Panel("From a decision to its effect", "s", _quantiles("kaiser_logic_effect_seconds")),
    ),
    "The edge, and what it costs": (
        Panel("WebSocket clients", "short", {"clients": "sum(kaiser_gateway_clients)"}),
        Panel(
            "Events to clients",
            "ops",
            {
                "pushed": "sum(rate(kaiser_gateway_events_pushed_total[$__rate_interval]))",
                "missed": "sum(rate(kaiser_gateway_events_missed_total[$__rate_interval]))",
            },
        ),
        Panel("Logins", "ops", _rate("kaiser_gateway_logins_total", "outcome")),
        Panel("Processors", "short", _rate("process_cpu_seconds_total", "job")),
        Panel("Memory", "bytes", {"{{job}}": "sum by (job) (process_resident_memory_bytes)"}),
        Panel(
            "Waiting for connections to the database",
            "s",
            _rate(f'{{__name__=~"kaiser_{SERVICES}_database_wait_seconds_total"}}', "job"),
        ),
        Panel(
            "Connections to the database",
            "short",
            {"{{job}} {{state}}": f'sum by (job, state) ({{__name__=~"kaiser_{SERVICES}_database_connections"}})'},
        ),
        Panel("Spans of traces", "ops", _rate("kaiser_trace_spans_total", "outcome")),
    ),
}


def dashboard() -> dict[str, Any]:  # Grafana's JSON
    """The whole dashboard."""
    source = {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}
    return {
        "title": "Kaiser",
        "uid": "kaiser",
        "schemaVersion": 39,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [source]},
        "panels": [{"id": number} | each for number, each in enumerate(_panels(), 1)],
    }


def _panels() -> Iterator[dict[str, Any]]:
    y = 0
    for title, panels in ROWS.items():
        yield {"type": "row", "title": title, "collapsed": False, "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}}
        y += 1
        for i, panel in enumerate(panels):
            place = {"x": i % COLUMNS * WIDTH, "y": y + i // COLUMNS * HEIGHT, "w": WIDTH, "h": HEIGHT}
            yield _graph(panel, place)
        y += -(-len(panels) // COLUMNS) * HEIGHT


def _graph(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + i), "expr": expression, "legendFormat": legend, "datasource": SOURCE}
            for i, (legend, expression) in enumerate(panel.series.items())
        ],
    }


def text() -> str:
    """The file."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text())
